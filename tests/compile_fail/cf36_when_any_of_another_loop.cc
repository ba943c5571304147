// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-36: waiting, on one loop, for one of many tasks of another.
// EXPECT: qio: this task belongs to another loop; hop with

#include <utility>
#include <vector>

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

void First(qio::OnLoop<Loop>& on, std::vector<qio::QIOTask<Other, int>> many) {
  qio::WhenAny(on, std::move(many)).Then([](qio::OnLoop<Loop>&, auto) {});
}
