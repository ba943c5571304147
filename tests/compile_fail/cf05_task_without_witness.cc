// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: starting a worker without a witness.
// EXPECT: qio: pass the witness of its loop

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::RunInThread([] { return 1; })
#else
  qio::RunInThread(on, [] { return 1; })
#endif
      .Then([](qio::OnLoop<Loop>&, absl::StatusOr<int>) {});
  on.executor().Stop(on);
}
