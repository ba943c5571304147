// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-18: a copy of a SocketChannel.
// EXPECT: qio: a channel has one owner; move it

#include <utility>

#include "qio/executors/epoll.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void End(qio::OnLoop<Loop>& on, qio::SocketChannel<Loop> channel) {
#ifdef QIO_COMPILE_FAIL
  qio::SocketChannel<Loop> mine = channel;
#else
  qio::SocketChannel<Loop> mine = std::move(channel);
#endif
  mine.Close(on);
}
