// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-11: the Status of Start() ignored.
// EXPECT: qio: it can fail; look at its Status

#include "qio/condition.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/watch.h"

using Loop = qio::EpollExecutor;

void Open(qio::OnLoop<Loop>& on, qio::Watch<Loop>& watch, int fd) {
  auto ready = [](qio::OnLoop<Loop>&, qio::Condition) {};
#ifdef QIO_COMPILE_FAIL
  watch.Start(on, fd, qio::Condition::kIn, ready);
#else
  (void)watch.Start(on, fd, qio::Condition::kIn, ready);
#endif
}
