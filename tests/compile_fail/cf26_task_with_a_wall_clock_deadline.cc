// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: a task's deadline by a clock that may be set back.
// EXPECT: qio: a deadline is a std::chrono::steady_clock::time_point

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Clock = std::chrono::system_clock;
#else
using Clock = std::chrono::steady_clock;
#endif

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, [] {})
      .WithDeadline(Clock::now())
      .Then([](qio::OnLoop<Loop>&, auto) {});
}
