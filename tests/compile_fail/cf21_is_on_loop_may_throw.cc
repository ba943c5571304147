// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-21: an executor whose IsOnLoop() is not noexcept.
// EXPECT: qio::Executor: E needs bool IsOnLoop() const noexcept

#include "absl/status/status.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/watch.h"

class MyLoop final : public qio::ReactorHost<MyLoop> {
 public:
#ifdef QIO_COMPILE_FAIL
  bool IsOnLoop() const;
#else
  bool IsOnLoop() const noexcept;
#endif
  bool RunsElsewhere() const noexcept;
  absl::Status Enter(void (&f)(qio::OnLoop<MyLoop>&));
};

qio::Watch<MyLoop> watch;
