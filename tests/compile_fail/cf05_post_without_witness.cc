// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: Post() without a witness.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/post.h"

using Loop = qio::EpollExecutor;

void Continue(qio::OnLoop<Loop>& on) {
#ifdef QIO_COMPILE_FAIL
  qio::Post([](qio::OnLoop<Loop>&) {});
#else
  qio::Post(on, [](qio::OnLoop<Loop>&) {});
#endif
  on.executor().Stop(on);
}
