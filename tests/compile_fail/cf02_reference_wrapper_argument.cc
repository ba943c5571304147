// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-02: a reference_wrapper as a worker's argument.
// EXPECT: qio: a view (string_view, span, reference_wrapper) may not cross

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
  std::string path = "/etc/hosts";
#ifdef QIO_COMPILE_FAIL
  using Argument = std::reference_wrapper<std::string>;
#else
  using Argument = std::string;
#endif
  qio::RunInThread(
      on, [](Argument) {}, Argument(path))
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
