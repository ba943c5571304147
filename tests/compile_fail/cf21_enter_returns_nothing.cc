// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-21: an executor whose Enter() cannot fail.
// EXPECT: qio::Executor: E needs absl::Status Enter(f)

#include "absl/status/status.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/watch.h"

class MyLoop final : public qio::ReactorHost<MyLoop> {
 public:
  bool IsOnLoop() const noexcept;
  bool RunsElsewhere() const noexcept;
#ifdef QIO_COMPILE_FAIL
  void Enter(void (&f)(qio::OnLoop<MyLoop>&));
#else
  absl::Status Enter(void (&f)(qio::OnLoop<MyLoop>&));
#endif
};

qio::Watch<MyLoop> watch;
