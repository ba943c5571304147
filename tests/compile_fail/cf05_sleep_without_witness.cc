// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: a timer as a task, made without the witness of its loop.
// EXPECT: qio: pass the witness of its loop

#include <chrono>
#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/sleep.h"

using Loop = qio::EpollExecutor;

void Wait(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  auto task = qio::SleepFor(std::chrono::seconds(1));
#else
  auto task = qio::SleepFor(on, std::chrono::seconds(1));
#endif
  std::move(task).Then([](qio::OnLoop<Loop>&, auto) {});
}
