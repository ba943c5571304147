// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-06: a witness as a worker's argument.
// EXPECT: qio: what belongs to a loop may not cross threads

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::RunInThread(
      on, [](qio::OnLoop<Loop>&) {}, on)
#else
  qio::RunInThread(
      on, [](qio::LoopRef<Loop>) {}, qio::LoopRef<Loop>(on))
#endif
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
