// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-04: a watch of one loop started with the witness of another.
// EXPECT: qio: pass the witness of its loop

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/watch.h"

struct Ui;
struct Io;
using UiLoop = qio::BasicEpollExecutor<Ui>;
using IoLoop = qio::BasicEpollExecutor<Io>;
#ifdef QIO_COMPILE_FAIL
using Loop = IoLoop;
#else
using Loop = UiLoop;
#endif

absl::Status Open(qio::OnLoop<Loop>& on, qio::Watch<UiLoop>& watch, int fd) {
  return watch.Start(on, fd, qio::Condition::kIn,
                     [](qio::OnLoop<UiLoop>&, qio::Condition) {});
}
