// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-37: a task to be waited for that is not given away.
// EXPECT: qio: a task happens once; move it in

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/when.h"

using Loop = qio::EpollExecutor;

void Both(qio::OnLoop<Loop>& on, qio::QIOTask<Loop, int> a,
          qio::QIOTask<Loop, int> b) {
#ifdef QIO_COMPILE_FAIL
  auto both = qio::WhenAll(on, std::move(a), b);
#else
  auto both = qio::WhenAll(on, std::move(a), std::move(b));
#endif
  std::move(both).Then([](qio::OnLoop<Loop>&, auto) {});
}
