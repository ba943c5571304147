// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-34: a Coro that awaits a task of another loop; with a hop it may.
// EXPECT: qio: this task belongs to another loop; hop with

#include "absl/status/statusor.h"
#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

struct Ui;
struct Io;
using UiLoop = qio::BasicEpollExecutor<Ui>;
using IoLoop = qio::BasicEpollExecutor<Io>;

qio::Coro<UiLoop, int> Show(qio::OnLoop<UiLoop>& on,
                            qio::QIOTask<IoLoop, int> task) {
#ifdef QIO_COMPILE_FAIL
  (void)on;
  absl::StatusOr<int> pages = co_await std::move(task);
#else
  absl::StatusOr<int> pages = co_await std::move(task).On(on);
#endif
  co_return pages;
}
