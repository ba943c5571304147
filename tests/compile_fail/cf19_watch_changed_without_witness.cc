// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-19: a watch changed without a witness.
// EXPECT: qio: pass the witness of its loop

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/watch.h"

using Loop = qio::EpollExecutor;

absl::Status Pause([[maybe_unused]] qio::OnLoop<Loop>& on,
                   qio::Watch<Loop>& watch) {
#ifdef QIO_COMPILE_FAIL
  return watch.SetInterest(qio::Condition::kNone);
#else
  return watch.SetInterest(on, qio::Condition::kNone);
#endif
}
