// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-13: a completion that takes no witness.
// EXPECT: qio: a completion is called as completion(on, result)

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  auto completion = [](absl::StatusOr<int>) {};
#else
  auto completion = [](qio::OnLoop<Loop>&, absl::StatusOr<int>) {};
#endif
  qio::RunInThread(on, [] { return 1; }).Then(completion);
}
