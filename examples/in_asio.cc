// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/in_asio.cc: qio in a program that has an io_context.

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <cstdio>

#include "absl/status/statusor.h"
#include "qio/executors/asio.h"
#include "qio/task.h"

using Loop = qio::AsioExecutor;

int main() {
  asio::io_context context;
  auto qio_loop = Loop::Create(context);
  if (!qio_loop.ok()) return 1;
  // A handler of Asio's, which knows nothing of qio, starts a task.
  asio::post(context, [&] {
    absl::Status status = (*qio_loop)->Enter([](qio::OnLoop<Loop>& on) {
      qio::RunInThread(on, [] {
        return 6 * 7;
      }).Then([](auto&, absl::StatusOr<int> answer) {
        std::printf("%d\n", *answer);
      });
    });
    if (!status.ok()) std::printf("%s\n", status.ToString().c_str());
  });
  context.run();  // Ends when neither Asio nor qio has anything outstanding.
  return 0;
}
