// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-37: a factory that makes no task.
// EXPECT: qio: what is waited for is a QIOTask

#include <chrono>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/retry.h"
#include "qio/sleep.h"

using Loop = qio::EpollExecutor;

void Run(qio::OnLoop<Loop>& on) {
  qio::Retry(on, {}, [](qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
    qio::SleepFor(on, std::chrono::seconds(1))
        .Then([](qio::OnLoop<Loop>&, auto) {});
#else
    return qio::SleepFor(on, std::chrono::seconds(1));
#endif
  }).Then([](qio::OnLoop<Loop>&, auto) {});
}
