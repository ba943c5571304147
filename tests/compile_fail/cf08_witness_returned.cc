// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-08: a witness that is returned by value.
// EXPECT: qio: pass a witness on as OnLoop<E>&

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Witness = qio::OnLoop<Loop>;
#else
using Witness = qio::OnLoop<Loop>&;
#endif

Witness Same(qio::OnLoop<Loop>& on) { return on; }
