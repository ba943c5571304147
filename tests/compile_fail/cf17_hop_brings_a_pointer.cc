// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-17: a hop that brings a pointer into another loop.
// EXPECT: qio: a pointer may not cross threads

#include <string>

#include "qio/executors/epoll.h"
#include "qio/hop.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Returned = const char*;
#else
using Returned = std::string;
#endif

void Ask(qio::OnLoop<Loop>& on, qio::LoopRef<Loop> other) {
  qio::RunOn(on, other, [](qio::OnLoop<Loop>&) -> Returned {
    return "name";
  }).Then([](qio::OnLoop<Loop>&, auto) {});
}
