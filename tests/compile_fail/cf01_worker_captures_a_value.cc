// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-01: a worker that captures a value.
// EXPECT: qio: a worker captures nothing; pass what it needs as arguments

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on, std::string path) {
#ifdef QIO_COMPILE_FAIL
  qio::RunInThread(on, [path] { return path.size(); })
#else
  qio::RunInThread(
      on, [](std::string path) { return path.size(); }, path)
#endif
      .Then([](qio::OnLoop<Loop>&, absl::StatusOr<std::size_t>) {});
}
