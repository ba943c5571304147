// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-17: a worker that returns a loop-bound object.
// EXPECT: qio: what belongs to a loop may not cross threads

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Returned = qio::Timer<Loop>;
#else
using Returned = int;
#endif

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, []() -> Returned {
    return {};
  }).Then([](qio::OnLoop<Loop>&, auto) {});
}
