// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-20: posting what does not take the loop's witness.
// EXPECT: qio: Post(f, args...) calls f(on, args...)

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

absl::Status Wake(const qio::LoopRef<Loop>& loop) {
#ifdef QIO_COMPILE_FAIL
  return loop.Post([] {});
#else
  return loop.Post([](qio::OnLoop<Loop>&) {});
#endif
}
