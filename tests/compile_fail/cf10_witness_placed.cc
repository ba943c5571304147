// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-10: a witness made in a place of the caller's.
// EXPECT: qio: a witness stays where it is

#include <new>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Stop(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  alignas(qio::OnLoop<Loop>) char place[sizeof(qio::OnLoop<Loop>)];
  qio::OnLoop<Loop>& mine = *new (place) qio::OnLoop<Loop>(on);
#else
  qio::OnLoop<Loop>& mine = on;
#endif
  mine.executor().Stop(mine);
}
