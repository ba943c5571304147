// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-08: a witness that is moved.
// EXPECT: qio: pass a witness on as OnLoop<E>&

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Stop(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::OnLoop<Loop> mine = std::move(on);
#else
  qio::OnLoop<Loop>& mine = on;
#endif
  mine.executor().Stop(mine);
}
