// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: an interval without a unit.
// EXPECT: qio: an interval has a unit

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

void Poll(qio::OnLoop<Loop>& on, qio::Timer<Loop>& timer) {
#ifdef QIO_COMPILE_FAIL
  const auto interval = 5;
#else
  const auto interval = std::chrono::seconds(5);
#endif
  timer.StartEvery(on, interval, [](qio::OnLoop<Loop>&) {});
}
