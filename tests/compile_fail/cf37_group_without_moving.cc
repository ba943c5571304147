// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-37: a task added to a group that is not given away.
// EXPECT: qio: a task happens once; move it in

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/task_group.h"

using Loop = qio::EpollExecutor;

void Run(qio::OnLoop<Loop>& on, qio::TaskGroup<Loop>& group,
         qio::QIOTask<Loop, int> task) {
#ifdef QIO_COMPILE_FAIL
  group.Add(on, task);
#else
  group.Add(on, std::move(task));
#endif
}
