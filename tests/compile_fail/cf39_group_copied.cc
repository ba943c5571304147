// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-39: a group that leaves the place where it was made.
// EXPECT: qio: tasks hold on to their group

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task_group.h"

using Loop = qio::EpollExecutor;

void Keep(qio::OnLoop<Loop>& on, qio::TaskGroup<Loop>& group) {
#ifdef QIO_COMPILE_FAIL
  qio::TaskGroup<Loop> mine(std::move(group));
#else
  qio::TaskGroup<Loop>& mine(group);
#endif
  mine.Cancel(on);
}
