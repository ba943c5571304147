// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-18: a copy of a QIOTask, which is not a thing to start twice.
// EXPECT: qio: an operation happens once; move it

#include <utility>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Start(qio::QIOTask<Loop, int> task) {
#ifdef QIO_COMPILE_FAIL
  qio::QIOTask<Loop, int> mine = task;
#else
  qio::QIOTask<Loop, int> mine = std::move(task);
#endif
  std::move(mine).Then([](qio::OnLoop<Loop>&, absl::StatusOr<int>) {});
}
