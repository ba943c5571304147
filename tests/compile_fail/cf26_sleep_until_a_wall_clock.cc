// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: a sleep until a time of the wall clock.
// EXPECT: qio: a deadline is a std::chrono::steady_clock::time_point

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/sleep.h"

#ifdef QIO_COMPILE_FAIL
using Clock = std::chrono::system_clock;
#else
using Clock = std::chrono::steady_clock;
#endif
using Loop = qio::EpollExecutor;

void Wait(qio::OnLoop<Loop>& on) {
  qio::SleepUntil(on, Clock::now()).Then([](qio::OnLoop<Loop>&, auto) {});
}
