// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: a loop-bound object as a worker's argument.
// EXPECT: qio: what belongs to a loop may not cross threads

#include <utility>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/timer.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Argument = qio::Timer<Loop>;
#else
using Argument = qio::LoopRef<Loop>;
#endif

void Hand(qio::OnLoop<Loop>& on, Argument argument) {
  qio::RunInThread(
      on, [](Argument) {}, std::move(argument))
      .Then([](qio::OnLoop<Loop>&, absl::Status) {});
}
