// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-11: the Status of a post from another thread ignored.
// EXPECT: qio: it can fail; look at its Status

#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Wake(const qio::LoopRef<Loop>& loop) {
#ifdef QIO_COMPILE_FAIL
  loop.Post([](qio::OnLoop<Loop>&) {});
#else
  (void)loop.Post([](qio::OnLoop<Loop>&) {});
#endif
}
