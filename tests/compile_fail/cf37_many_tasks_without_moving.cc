// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-37: tasks to be waited for that are not given away.
// EXPECT: qio: a task happens once; WhenAll(on, std::move(tasks))

#include <utility>
#include <vector>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/when.h"

using Loop = qio::EpollExecutor;

void All(qio::OnLoop<Loop>& on, std::vector<qio::QIOTask<Loop, int>> tasks) {
#ifdef QIO_COMPILE_FAIL
  auto all = qio::WhenAll(on, tasks);
#else
  auto all = qio::WhenAll(on, std::move(tasks));
#endif
  std::move(all).Then([](qio::OnLoop<Loop>&, auto) {});
}
