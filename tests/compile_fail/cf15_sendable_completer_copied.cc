// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-15: two sendable completers of one task.
// EXPECT: qio: a task completes once; move it

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Arrived(qio::SendableCompleter<Loop, int> completer) {
#ifdef QIO_COMPILE_FAIL
  qio::SendableCompleter<Loop, int> mine = completer;
#else
  qio::SendableCompleter<Loop, int> mine = std::move(completer);
#endif
  std::move(mine).Post(1);
}
