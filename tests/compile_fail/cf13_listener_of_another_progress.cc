// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-13: a listener that does not take what the worker reports.
// EXPECT: qio: progress is told as listener(on, value)

#include <string>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/progress.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Heard = std::string;
#else
using Heard = int;
#endif

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, [](qio::Progress<int> progress) {
    progress.Report(1);
  }).OnProgress([](qio::OnLoop<Loop>&, Heard) {
    }).Then([](qio::OnLoop<Loop>&, auto) {});
}
