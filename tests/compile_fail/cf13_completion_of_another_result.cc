// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// CF-13: a completion that takes another result.
// EXPECT: qio: a completion is called as completion(on, result)

#include <string>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/task.h"

using Loop = qio::EpollExecutor;

#ifdef QIO_COMPILE_FAIL
using Result = std::string;
#else
using Result = absl::StatusOr<std::string>;
#endif

void Load(qio::OnLoop<Loop>& on) {
  qio::RunInThread(on, [] {
    return std::string();
  }).Then([](qio::OnLoop<Loop>&, Result) {});
}
