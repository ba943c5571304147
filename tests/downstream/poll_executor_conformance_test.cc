// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "poll_executor.h"
#include "qio/conformance/conformance.h"
#include "qio/conformance/harness.h"

namespace {

// How the suite drives this executor.
class PollHarness {
 public:
  using Executor = PollExecutor;
  using On = PollExecutor::On;
  static constexpr char kName[] = "PollExecutor";

  static std::vector<qio::conformance::Exemption> Exemptions() { return {}; }
  static constexpr auto kExceptions = qio::conformance::Exceptions::kLeaveRun;
  static constexpr bool kSeveralThreads = false;

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create();
  }

  void Run() { Check(executor_->Run()); }
  void Stop(On& on) { executor_->Stop(on); }
  void RunNested(On&) { Check(executor_->Run()); }
  void RunOnce() {
    if (executor_ != nullptr) Check(executor_->RunOnce());
  }
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    return executor_->Drain(deadline);
  }
  void FollowClock() {}

 private:
  static void Check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(std::string(status.message()));
  }

  std::unique_ptr<Executor> executor_ = *Executor::Create();
};

}  // namespace

int main(int argc, char** argv) {
  return qio::conformance::Main<PollHarness>(argc, argv);
}
