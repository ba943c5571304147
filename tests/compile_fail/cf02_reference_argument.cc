// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-02: a worker that takes a reference to its argument.
// EXPECT: qio: the worker cannot be called with these arguments, moved in

#include <string>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Argument = std::string&;
#else
using Argument = std::string;
#endif

void Load(qio::OnLoop<Loop>& on, std::string path) {
  qio::RunInThread(
      on, [](Argument path) { path.clear(); }, path)
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
