// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-35: a Coro of one loop that takes the witness of another.
// EXPECT: qio: a Coro takes the witness of its loop first

#include "absl/status/status.h"
#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

struct Ui;
struct Io;
using UiLoop = qio::BasicEpollExecutor<Ui>;
using IoLoop = qio::BasicEpollExecutor<Io>;
#ifdef QIO_COMPILE_FAIL
using Loop = IoLoop;
#else
using Loop = UiLoop;
#endif

qio::Coro<UiLoop, void> Rest(qio::OnLoop<Loop>&) { co_return absl::OkStatus(); }
