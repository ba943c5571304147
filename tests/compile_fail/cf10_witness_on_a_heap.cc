// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-10: a witness made with new.
// EXPECT: qio: no witness on a heap

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Stop(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::OnLoop<Loop>& mine = *new qio::OnLoop<Loop>(on);
#else
  qio::OnLoop<Loop>& mine = on;
#endif
  mine.executor().Stop(mine);
}
