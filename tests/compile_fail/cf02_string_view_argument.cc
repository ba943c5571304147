// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-02: a string_view as a worker's argument.
// EXPECT: qio: a view (string_view, span, reference_wrapper) may not cross

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  using Argument = std::string_view;
#else
  using Argument = std::string;
#endif
  qio::RunInThread(
      on, [](Argument) {}, Argument("/etc/hosts"))
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
