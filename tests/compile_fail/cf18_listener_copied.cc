// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-18: a copy of a NetListener.
// EXPECT: qio: a listener has one owner; move it

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/net/net_listener.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void End(qio::OnLoop<Loop>& on, qio::NetListener<Loop> listener) {
#ifdef QIO_COMPILE_FAIL
  qio::NetListener<Loop> mine = listener;
#else
  qio::NetListener<Loop> mine = std::move(listener);
#endif
  mine.Disconnect(on);
}
