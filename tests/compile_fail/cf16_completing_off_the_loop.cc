// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-16: completing, rather than posting, off the loop.
// EXPECT: qio: off its loop, only Post(result)

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Answer(qio::SendableCompleter<Loop, int> completer) {
#ifdef QIO_COMPILE_FAIL
  std::move(completer).Complete(1);
#else
  std::move(completer).Post(1);
#endif
}
