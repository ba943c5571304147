// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-29: a struct that hides shared state as a worker's argument.
// EXPECT: qio: an aggregate hides a field that may not cross threads

#include <memory>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

struct Job {
#ifdef QIO_COMPILE_FAIL
  std::shared_ptr<int> done;
#else
  std::shared_ptr<const int> done;
#endif
};

void Work(qio::OnLoop<Loop>& on, Job job) {
  qio::RunInThread(
      on, [](Job job) { return *job.done; }, job)
      .Then([](qio::OnLoop<Loop>&, absl::StatusOr<int>) {});
}
