// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// The loop of this program: an Asio io_context.

#ifndef DOWNSTREAM_ON_ASIO_LOOP_H_
#define DOWNSTREAM_ON_ASIO_LOOP_H_

#include <asio/io_context.hpp>

#include "qio/executors/asio.h"

using Loop = qio::AsioExecutor;

// Runs `main`, and then the loop until nothing is outstanding.
template <class Main>
void RunProgram(Main main) {
  asio::io_context context;
  auto loop = *Loop::Create(context);
  (void)loop->Enter(main);
  context.run();
}

#endif  // DOWNSTREAM_ON_ASIO_LOOP_H_
