// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: a worker that touches a loop-bound object, through a global.
// EXPECT: qio: pass the witness of its loop

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

static qio::Timer<Loop> retry;

#ifdef QIO_COMPILE_FAIL
void GiveUp(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, [] {
    retry.Stop();
  }).Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
#else
void GiveUp(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, [] {}).Then(
      [](qio::OnLoop<Loop>& on, absl::Status) { retry.Stop(on); });
}
#endif
