// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-02: a span as a worker's argument.
// EXPECT: qio: a view (string_view, span, reference_wrapper) may not cross

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Load(qio::OnLoop<Loop>& on) {
  std::vector<int> pages = {1, 2, 3};
#ifdef QIO_COMPILE_FAIL
  using Argument = std::span<int>;
#else
  using Argument = std::vector<int>;
#endif
  qio::RunInThread(
      on, [](Argument) {}, Argument(pages.begin(), pages.end()))
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
