// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-10: the address of a witness.
// EXPECT: qio: a witness has no address to keep

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Stop(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::OnLoop<Loop>& mine = *&on;
#else
  qio::OnLoop<Loop>& mine = on;
#endif
  mine.executor().Stop(mine);
}
