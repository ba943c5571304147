// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-15: starting a task that is kept.
// EXPECT: qio: std::move(task).Then()

#include <utility>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Start(qio::QIOTask<Loop, int> task) {
  auto completion = [](qio::OnLoop<Loop>&, absl::StatusOr<int>) {};
#ifdef QIO_COMPILE_FAIL
  task.Then(completion);
#else
  std::move(task).Then(completion);
#endif
}
