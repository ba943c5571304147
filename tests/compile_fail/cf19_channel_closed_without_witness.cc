// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-19: a channel closed without a witness.
// EXPECT: qio: pass the witness of its loop

#include "qio/executors/epoll.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

void End([[maybe_unused]] qio::OnLoop<Loop>& on,
         qio::SocketChannel<Loop>& channel) {
#ifdef QIO_COMPILE_FAIL
  channel.Close();
#else
  channel.Close(on);
#endif
}
