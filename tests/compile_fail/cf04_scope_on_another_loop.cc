// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-04: a scope of one loop made with the witness of another.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task_scope.h"

struct Ui;
struct Io;
using UiLoop = qio::BasicEpollExecutor<Ui>;
using IoLoop = qio::BasicEpollExecutor<Io>;
#ifdef QIO_COMPILE_FAIL
using Loop = IoLoop;
#else
using Loop = UiLoop;
#endif

void Open(qio::OnLoop<Loop>& on) { qio::TaskScope<UiLoop> scope(on); }
