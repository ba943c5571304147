// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: a timeout of so many what?
// EXPECT: qio: a timeout has a unit

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  const int timeout = 5;
#else
  const std::chrono::seconds timeout(5);
#endif
  qio::RunInThread(on, [] {}).WithTimeout(timeout).Then(
      [](qio::OnLoop<Loop>&, auto) {});
}
