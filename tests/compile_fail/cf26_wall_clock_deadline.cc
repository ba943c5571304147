// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: a deadline by the wall clock.
// EXPECT: qio: a deadline is a std::chrono::steady_clock::time_point

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Clock = std::chrono::system_clock;
#else
using Clock = std::chrono::steady_clock;
#endif

void GiveUp(qio::OnLoop<Loop>& on, qio::Timer<Loop>& timer) {
  timer.StartAt(on, Clock::now() + std::chrono::seconds(5),
                [](qio::OnLoop<Loop>&) {});
}
