// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-37: waiting for what is no task.
// EXPECT: qio: what is waited for is a QIOTask

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/when.h"

using Loop = qio::EpollExecutor;

void Both(qio::OnLoop<Loop>& on, qio::QIOTask<Loop, int> task) {
#ifdef QIO_COMPILE_FAIL
  auto all = qio::WhenAll(on, 5);
#else
  auto all = qio::WhenAll(on, std::move(task));
#endif
  std::move(all).Then([](qio::OnLoop<Loop>&, auto) {});
}
