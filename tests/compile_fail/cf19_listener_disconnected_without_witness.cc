// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-19: Disconnect() of a listener without a witness.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/net/net_listener.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void End([[maybe_unused]] qio::OnLoop<Loop>& on,
         qio::NetListener<Loop>& listener) {
#ifdef QIO_COMPILE_FAIL
  listener.Disconnect();
#else
  listener.Disconnect(on);
#endif
}
