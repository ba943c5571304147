// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-03: a struct that hides a pointer as a worker's argument.
// EXPECT: qio: an aggregate hides a field that may not cross threads

#include <string>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

struct Job {
#ifdef QIO_COMPILE_FAIL
  std::string* path;
#else
  std::string path;
#endif
  int line = 0;
};

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(
      on, [](Job job) { return job.line; }, Job())
      .Then([](qio::OnLoop<Loop>&, absl::StatusOr<int>) {});
}
