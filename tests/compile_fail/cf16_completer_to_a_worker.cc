// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-16: a Completer that leaves its loop.
// EXPECT: qio: what belongs to a loop may not cross threads

#include <utility>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

void Look(qio::OnLoop<Loop>& on, qio::Completer<Loop, int> completer) {
#ifdef QIO_COMPILE_FAIL
  auto answer = std::move(completer);
#else
  auto answer = std::move(completer).ToSendable();
#endif
  using Answer = decltype(answer);
  qio::RunInThread(
      on, [](Answer) {}, std::move(answer))
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
