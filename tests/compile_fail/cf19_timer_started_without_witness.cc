// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-19: a timer started without a witness.
// EXPECT: qio: pass the witness of its loop

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

void Retry([[maybe_unused]] qio::OnLoop<Loop>& on, qio::Timer<Loop>& timer) {
  auto retry = [](qio::OnLoop<Loop>&) {};
#ifdef QIO_COMPILE_FAIL
  timer.StartAfter(std::chrono::seconds(1), retry);
#else
  timer.StartAfter(on, std::chrono::seconds(1), retry);
#endif
}
