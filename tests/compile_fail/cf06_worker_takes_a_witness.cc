// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-06: a worker that takes a witness.
// EXPECT: qio: a worker never gets the loop

#include <string>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on, std::string path) {
#ifdef QIO_COMPILE_FAIL
  qio::RunInThread(
      on, [](qio::OnLoop<Loop>&, std::string) {}, path)
#else
  qio::RunInThread(
      on, [](std::string) {}, path)
#endif
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
