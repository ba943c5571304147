// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-36: waiting, on one loop, for a task of another.
// EXPECT: qio: this task belongs to another loop; hop with

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/when.h"

struct Ui;
struct Disk;
using Loop = qio::BasicEpollExecutor<Ui>;
#ifdef QIO_COMPILE_FAIL
using Other = qio::BasicEpollExecutor<Disk>;
#else
using Other = Loop;
#endif

void Both(qio::OnLoop<Loop>& on, qio::QIOTask<Loop, int> mine,
          qio::QIOTask<Other, int> other) {
  qio::WhenAll(on, std::move(mine), std::move(other))
      .Then([](qio::OnLoop<Loop>&, auto) {});
}
