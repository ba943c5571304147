// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-19: a watch stopped without a witness.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/watch.h"

using Loop = qio::EpollExecutor;

void Close([[maybe_unused]] qio::OnLoop<Loop>& on, qio::Watch<Loop>& watch) {
#ifdef QIO_COMPILE_FAIL
  watch.Stop();
#else
  watch.Stop(on);
#endif
}
