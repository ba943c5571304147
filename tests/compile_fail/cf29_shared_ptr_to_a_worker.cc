// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-29: shared state that can change as a worker's argument.
// EXPECT: qio: a shared_ptr to what can change may not cross threads

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Pages = std::vector<int>;
#else
using Pages = const std::vector<int>;
#endif

void Print(qio::OnLoop<Loop>& on, std::shared_ptr<Pages> pages) {
  qio::RunInThread(
      on, [](std::shared_ptr<Pages> pages) { return pages->size(); }, pages)
      .Then([](qio::OnLoop<Loop>&, absl::StatusOr<std::size_t>) {});
}
