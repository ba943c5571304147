// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-26: a delay between attempts without a unit.
// EXPECT: qio: a delay has a unit

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/retry.h"
#include "qio/sleep.h"

using Loop = qio::EpollExecutor;

void Retry(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  const auto delay = 5;
#else
  const auto delay = std::chrono::seconds(5);
#endif
  qio::Retry(on, {.first_delay = delay}, [](qio::OnLoop<Loop>& on) {
    return qio::SleepFor(on, std::chrono::seconds(1));
  }).Then([](qio::OnLoop<Loop>&, auto) {});
}
