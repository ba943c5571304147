// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-08: a function that takes a witness by value.
// EXPECT: qio: pass a witness on as OnLoop<E>&

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Witness = qio::OnLoop<Loop>;
#else
using Witness = qio::OnLoop<Loop>&;
#endif

void Show(Witness) {}

void Refresh(qio::OnLoop<Loop>& on) { Show(on); }
