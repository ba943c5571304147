// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/hash_file.cc
//
// The example of README.md: reads a file on a worker thread, uses the result
// on the loop.

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

// Blocking: runs on a worker, never on the loop.
absl::StatusOr<std::string> ReadFile(std::string path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError("cannot open " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int main(int argc, char** argv) {
  auto loop = Loop::Create();
  if (!loop.ok()) return 1;
  int exit_code = 1;
  absl::Status status = (*loop)->Run([&](qio::OnLoop<Loop>& on) {
    qio::RunInThread(on, &ReadFile, std::string(argc > 1 ? argv[1] : argv[0]))
        .Then([&](qio::OnLoop<Loop>& on, absl::StatusOr<std::string> text) {
          // On the loop: the witness `on` proves it.
          if (text.ok()) {
            std::printf("%zu bytes, hash %zx\n", text->size(),
                        std::hash<std::string>()(*text));
            exit_code = 0;
          } else {
            std::printf("%s\n", text.status().ToString().c_str());
          }
          on.executor().Stop(on);
        });
  });
  return status.ok() ? exit_code : 1;
}
