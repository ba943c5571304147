// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-21: an executor that can be moved.
// EXPECT: qio::Executor: E must be neither copied nor moved

#include "absl/status/status.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/watch.h"

class MyLoop final : public qio::ReactorHost<MyLoop> {
 public:
#ifdef QIO_COMPILE_FAIL
  MyLoop(MyLoop&&);
#else
  MyLoop(MyLoop&&) = delete;
#endif
  bool IsOnLoop() const noexcept;
  bool RunsElsewhere() const noexcept;
  absl::Status Enter(void (&f)(qio::OnLoop<MyLoop>&));
};

qio::Watch<MyLoop> watch;
