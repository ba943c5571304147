// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-21: an executor that hides its reactor.
// EXPECT: qio::Executor: E needs the public base qio::ReactorHost<E>

#include "absl/status/status.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/watch.h"

#ifdef QIO_COMPILE_FAIL
class MyLoop final : private qio::ReactorHost<MyLoop> {
#else
class MyLoop final : public qio::ReactorHost<MyLoop> {
#endif
 public:
  bool IsOnLoop() const noexcept;
  bool RunsElsewhere() const noexcept;
  absl::Status Enter(void (&f)(qio::OnLoop<MyLoop>&));
};

qio::Watch<MyLoop> watch;
