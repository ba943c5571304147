// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-21: an executor whose RunsElsewhere() returns no bool.
// EXPECT: qio::Executor: E needs bool RunsElsewhere() const noexcept

#include "absl/status/status.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/watch.h"

class MyLoop final : public qio::ReactorHost<MyLoop> {
 public:
  bool IsOnLoop() const noexcept;
#ifdef QIO_COMPILE_FAIL
  int RunsElsewhere() const noexcept;
#else
  bool RunsElsewhere() const noexcept;
#endif
  absl::Status Enter(void (&f)(qio::OnLoop<MyLoop>&));
};

qio::Watch<MyLoop> watch;
