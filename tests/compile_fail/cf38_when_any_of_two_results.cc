// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-38: the first of tasks that have different results.
// EXPECT: qio: the tasks of a WhenAny() have results of one type

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/when.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Result = long;
#else
using Result = int;
#endif

void First(qio::OnLoop<Loop>& on, qio::QIOTask<Loop, int> a,
           qio::QIOTask<Loop, Result> b) {
  qio::WhenAny(on, std::move(a), std::move(b))
      .Then([](qio::OnLoop<Loop>&, auto) {});
}
