// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-20: posting from another thread an argument that is not Sendable.
// EXPECT: qio: a pointer may not cross threads

#include <string>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Argument = const char*;
#else
using Argument = std::string;
#endif

absl::Status Print(const qio::LoopRef<Loop>& loop, Argument line) {
  return loop.Post([](qio::OnLoop<Loop>&, Argument) {}, line);
}
