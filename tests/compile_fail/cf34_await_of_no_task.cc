// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-34: a Coro that awaits what would resume it who knows where.
// EXPECT: qio: a Coro awaits QIOTasks, which resume it on its loop

#include <coroutine>

#include "absl/status/status.h"
#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

qio::Coro<Loop, void> Rest(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  (void)on;
  co_await std::suspend_always();
#else
  (void)co_await qio::RunInThread(on, [] {});
#endif
  co_return absl::OkStatus();
}
