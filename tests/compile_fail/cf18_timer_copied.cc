// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-18: a copy of a Timer.
// EXPECT: qio: a timer has one owner; move it

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

void End(qio::OnLoop<Loop>& on, qio::Timer<Loop> timer) {
#ifdef QIO_COMPILE_FAIL
  qio::Timer<Loop> mine = timer;
#else
  qio::Timer<Loop> mine = std::move(timer);
#endif
  mine.Stop(on);
}
