// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-36: a factory of tasks of another loop.
// EXPECT: qio: this task belongs to another loop; hop with

#include <memory>
#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/retry.h"
#include "qio/task.h"

struct Ui;
struct Disk;
using Loop = qio::BasicEpollExecutor<Ui>;
#ifdef QIO_COMPILE_FAIL
using Other = qio::BasicEpollExecutor<Disk>;
#else
using Other = Loop;
#endif

void Run(qio::OnLoop<Loop>& on, qio::QIOTask<Other, int> task) {
  qio::Retry(on, {}, [task = std::move(task)](qio::OnLoop<Loop>&) mutable {
    return std::move(task);
  }).Then([](qio::OnLoop<Loop>&, auto) {});
}
