// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-09: a witness stored by value as a member.
// EXPECT: qio: pass a witness on as OnLoop<E>&

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

class Session {
 public:
  explicit Session(qio::OnLoop<Loop>& on) : on_(on) {}
  void End() { on_.executor().Stop(on_); }

 private:
#ifdef QIO_COMPILE_FAIL
  qio::OnLoop<Loop> on_;
#else
  qio::OnLoop<Loop>& on_;
#endif
};
