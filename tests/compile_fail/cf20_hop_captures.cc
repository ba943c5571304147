// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-20: a function for another loop that takes part of this one along.
// EXPECT: qio: what is called on another loop captures nothing

#include "qio/executors/epoll.h"
#include "qio/hop.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void Ask(qio::OnLoop<Loop>& on, qio::LoopRef<Loop> other, int page) {
#ifdef QIO_COMPILE_FAIL
  const auto ask = [page](qio::OnLoop<Loop>&, int) { return page; };
#else
  const auto ask = [](qio::OnLoop<Loop>&, int number) { return number; };
#endif
  qio::RunOn(on, other, ask, page).Then([](qio::OnLoop<Loop>&, auto) {});
}
