// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-17: a worker that returns a view.
// EXPECT: qio: a view (string_view, span, reference_wrapper) may not cross

#include <string>
#include <string_view>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Returned = std::string_view;
#else
using Returned = std::string;
#endif

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, []() -> Returned {
    return "name";
  }).Then([](qio::OnLoop<Loop>&, auto) {});
}
