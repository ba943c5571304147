// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-17: a worker that reports pointers as its progress.
// EXPECT: qio: a pointer may not cross threads

#include <string>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/progress.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Step = const char*;
#else
using Step = std::string;
#endif

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, [](qio::Progress<Step> progress) {
    progress.Report("half");
  }).OnProgress([](qio::OnLoop<Loop>&, Step) {
    }).Then([](qio::OnLoop<Loop>&, auto) {});
}
