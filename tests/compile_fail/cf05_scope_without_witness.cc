// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-05: a TaskScope made without a witness.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task_scope.h"

using Loop = qio::EpollExecutor;

class Session {
 public:
#ifdef QIO_COMPILE_FAIL
  explicit Session(qio::OnLoop<Loop>&) : scope_() {}
#else
  explicit Session(qio::OnLoop<Loop>& on) : scope_(on) {}
#endif

 private:
  qio::TaskScope<Loop> scope_;
};

void Serve(qio::OnLoop<Loop>& on) { Session session(on); }
