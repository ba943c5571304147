// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-36: a group that is to run a task of another loop.
// EXPECT: qio: this task belongs to another loop; hop with

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/task_group.h"

struct Ui;
struct Disk;
using Loop = qio::BasicEpollExecutor<Ui>;
#ifdef QIO_COMPILE_FAIL
using Other = qio::BasicEpollExecutor<Disk>;
#else
using Other = Loop;
#endif

void Run(qio::OnLoop<Loop>& on, qio::TaskGroup<Loop>& group,
         qio::QIOTask<Other, int> task) {
  group.Add(on, std::move(task));
}
