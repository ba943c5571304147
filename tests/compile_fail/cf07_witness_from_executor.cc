// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-07: a witness made of an executor.
// EXPECT: qio: only an executor makes

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Stop(Loop& loop) {
#ifdef QIO_COMPILE_FAIL
  qio::OnLoop<Loop> on(loop);
  loop.Stop(on);
#else
  (void)loop.Enter([&](qio::OnLoop<Loop>& on) { loop.Stop(on); });
#endif
}
