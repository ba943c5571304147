// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-18: a copy of a Watch.
// EXPECT: qio: a watch has one owner; move it

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/watch.h"

using Loop = qio::EpollExecutor;

void End(qio::OnLoop<Loop>& on, qio::Watch<Loop> watch) {
#ifdef QIO_COMPILE_FAIL
  qio::Watch<Loop> mine = watch;
#else
  qio::Watch<Loop> mine = std::move(watch);
#endif
  mine.Stop(on);
}
