// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// The loop of this program: one of its own.

#ifndef DOWNSTREAM_ON_EPOLL_LOOP_H_
#define DOWNSTREAM_ON_EPOLL_LOOP_H_

#include "qio/executors/epoll.h"

using Loop = qio::EpollExecutor;

// Runs `main`, and then the loop until nothing is outstanding.
template <class Main>
void RunProgram(Main main) {
  auto loop = *Loop::Create();
  (void)loop->Enter(main);
  (void)loop->Drain(std::chrono::steady_clock::time_point::max());
}

#endif  // DOWNSTREAM_ON_EPOLL_LOOP_H_
