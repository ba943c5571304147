// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/manual_harness.h

#ifndef QIO_TESTS_CONFORMANCE_MANUAL_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_MANUAL_HARNESS_H_

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/manual.h"
#include "qio/on_loop.h"

namespace qio::conformance {

// A ManualExecutor does not run by itself: the loops are here.
class ManualHarness {
 public:
  using Clock = std::chrono::steady_clock;
  using Executor = ManualExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "ManualExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kLeaveRun;
  static constexpr bool kSeveralThreads = false;

  ManualHarness() : executor_(Executor::Create().value()) {}

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create();
  }

  void Run() {
    while (!stop_) {
      RunOnce();
      if (!stop_) Wait(std::chrono::hours(1));
    }
    stop_ = false;
  }
  void Stop(On&) { stop_ = true; }
  void RunNested(On&) { Run(); }
  void RunOnce() {
    if (executor_ == nullptr) return;
    if (!follows_clock_) return Check(executor_->RunOnce());
    const Clock::time_point now = Clock::now();
    const auto passed = now - followed_to_;
    followed_to_ = now;
    Check(executor_->Advance(passed));
  }
  bool RunUntilIdle(Clock::time_point deadline) {
    while (Outstanding() != 0) {
      if (Clock::now() >= deadline) return false;
      RunOnce();
      if (Outstanding() != 0) Wait(deadline - Clock::now());
    }
    return true;
  }

  // Without this the clock stands, and a wait need not end for a timer.
  void FollowClock() { follows_clock_ = true; }

 private:
  void Wait(Clock::duration time_max) {
    const Clock::duration step = std::chrono::milliseconds(1);
    if (follows_clock_) time_max = std::min(time_max, step);
    Check(executor_->WaitUntilReady(time_max).status());
  }

  std::int64_t Outstanding() {
    std::int64_t count = 0;
    Check(
        executor_->Enter([&](On& on) { count = executor_->outstanding(on); }));
    return count;
  }

  static void Check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(std::string(status.message()));
  }

  std::unique_ptr<Executor> executor_;
  bool stop_ = false;
  bool follows_clock_ = false;
  // Taken after the executor began its clock, which so is never ahead.
  Clock::time_point followed_to_ = Clock::now();
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_MANUAL_HARNESS_H_
