// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-14: completing with the witness of another loop.
// EXPECT: qio: pass the witness of its loop

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

struct Ui;
struct Io;
using UiLoop = qio::BasicEpollExecutor<Ui>;
using IoLoop = qio::BasicEpollExecutor<Io>;
#ifdef QIO_COMPILE_FAIL
using Loop = IoLoop;
#else
using Loop = UiLoop;
#endif

void Arrived(qio::OnLoop<Loop>& on, qio::Completer<UiLoop, int> completer) {
  std::move(completer).Complete(on, 1);
}
