// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-11: a task that is never given its completion.
// EXPECT: qio: a QIOTask does nothing until it is given its completion

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::RunInThread(on, [] { return 1; });
#else
  qio::RunInThread(on, [] {
    return 1;
  }).Then([](qio::OnLoop<Loop>&, absl::StatusOr<int>) {});
#endif
}
