// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-11: the Status of Enter() ignored.
// EXPECT: qio: it can fail; look at its Status

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Stop(Loop& loop) {
  auto stop = [](qio::OnLoop<Loop>& on) { on.executor().Stop(on); };
#ifdef QIO_COMPILE_FAIL
  loop.Enter(stop);
#else
  (void)loop.Enter(stop);
#endif
}
