// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-20: posting from another thread what captures.
// EXPECT: qio: what is posted from another thread captures nothing

#include <string>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

absl::Status Print(const qio::LoopRef<Loop>& loop, std::string line) {
#ifdef QIO_COMPILE_FAIL
  return loop.Post([line](qio::OnLoop<Loop>&) {});
#else
  return loop.Post([](qio::OnLoop<Loop>&, std::string) {}, line);
#endif
}
