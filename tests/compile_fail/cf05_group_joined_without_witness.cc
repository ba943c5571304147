// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: a group asked without a witness.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task_group.h"

using Loop = qio::EpollExecutor;

void Wait(qio::OnLoop<Loop>& on, qio::TaskGroup<Loop>& group) {
#ifdef QIO_COMPILE_FAIL
  group.Join().Then([](qio::OnLoop<Loop>&, auto) {});
#else
  group.Join(on).Then([](qio::OnLoop<Loop>&, auto) {});
#endif
}
