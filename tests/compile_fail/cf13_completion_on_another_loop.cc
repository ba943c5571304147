// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-13: a completion that takes the witness of another loop.
// EXPECT: qio: a completion is called as completion(on, result)

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

struct Ui;
struct Io;
using UiLoop = qio::BasicEpollExecutor<Ui>;
using IoLoop = qio::BasicEpollExecutor<Io>;
#ifdef QIO_COMPILE_FAIL
using Loop = IoLoop;
#else
using Loop = UiLoop;
#endif

void Load(qio::OnLoop<UiLoop>& on) {
  qio::RunInThread(on, [] {
    return 1;
  }).Then([](qio::OnLoop<Loop>&, absl::StatusOr<int>) {});
}
