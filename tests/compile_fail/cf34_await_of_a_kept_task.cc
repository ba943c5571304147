// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-34: a task that is awaited and kept.
// EXPECT: qio: a task happens once; co_await std::move(task)

#include <utility>

#include "absl/status/status.h"
#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

qio::Coro<Loop, void> Rest(qio::OnLoop<Loop>& on) {
  qio::QIOTask<Loop, void> task = qio::RunInThread(on, [] {});
#ifdef QIO_COMPILE_FAIL
  absl::Status rested = co_await task;
#else
  absl::Status rested = co_await std::move(task);
#endif
  co_return rested;
}
