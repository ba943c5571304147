// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: waiting for a worker without a witness.
// EXPECT: qio: pass the witness of its loop

#include <utility>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

absl::StatusOr<int> Load(qio::OnLoop<Loop>& on) {
  auto task = qio::RunInThread(on, [] { return 1; });
#ifdef QIO_COMPILE_FAIL
  return std::move(task).Wait();
#else
  return std::move(task).Wait(on);
#endif
}
