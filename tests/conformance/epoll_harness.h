// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/epoll_harness.h

#ifndef QIO_TESTS_CONFORMANCE_EPOLL_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_EPOLL_HARNESS_H_

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"

namespace qio::conformance {

class EpollHarness {
 public:
  using Executor = EpollExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "EpollExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kLeaveRun;
  static constexpr bool kSeveralThreads = false;

  EpollHarness() : executor_(Executor::Create().value()) {}

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create();
  }

  void Run() { Check(executor_->Run()); }
  void Stop(On& on) { executor_->Stop(on); }
  void RunNested(On&) { Check(executor_->Run()); }
  void RunOnce() {
    if (executor_ != nullptr) {
      Check(executor_->RunOnce(std::chrono::nanoseconds(0)));
    }
  }
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    return executor_->Drain(deadline).value();
  }
  void FollowClock() {}
  void StopFromSignal() { executor_->StopFromAnywhere(); }

 private:
  static void Check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(std::string(status.message()));
  }

  std::unique_ptr<Executor> executor_;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_EPOLL_HARNESS_H_
