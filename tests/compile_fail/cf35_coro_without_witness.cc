// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-35: a Coro that could be started off its loop.
// EXPECT: qio: a Coro takes the witness of its loop first

#include "absl/status/status.h"
#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
qio::Coro<Loop, void> Rest(int) {
#else
qio::Coro<Loop, void> Rest(qio::OnLoop<Loop>&, int) {
#endif
  co_return absl::OkStatus();
}

qio::Coro<Loop, void> Start(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  (void)on;
  return Rest(1);
#else
  return Rest(on, 1);
#endif
}
