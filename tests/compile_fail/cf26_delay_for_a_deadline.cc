// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: a delay where a deadline is needed.
// EXPECT: qio: a deadline is a std::chrono::steady_clock::time_point

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

void GiveUp(qio::OnLoop<Loop>& on, qio::Timer<Loop>& timer) {
#ifdef QIO_COMPILE_FAIL
  const auto deadline = std::chrono::seconds(5);
#else
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(5);
#endif
  timer.StartAt(on, deadline, [](qio::OnLoop<Loop>&) {});
}
