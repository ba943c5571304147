// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/simulated_harness.h

#ifndef QIO_TESTS_CONFORMANCE_SIMULATED_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_SIMULATED_HARNESS_H_

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/conformance/simulated_socket.h"
#include "qio/executors/simulated.h"
#include "qio/on_loop.h"
#include "qio/support/socket_faults.h"

namespace qio::conformance {

// A world with one loop, whose clock stands, or follows the real one: the cases
// have threads and descriptors, which are not of that world.
class SimulatedHarness {
 public:
  using Clock = std::chrono::steady_clock;
  using Executor = SimulatedExecutor;
  using On = OnLoop<Executor>;
  using RawSocket = SimulatedSocket;
  static constexpr char kName[] = "SimulatedExecutor";

  static std::vector<Exemption> Exemptions() {
    static constexpr char kNoThreads[] =
        "workers are steps on the loop's own thread here: one that waited for "
        "the loop would wait for ever";
    static constexpr char kNoKernel[] =
        "sockets are not the kernel's here: they have no descriptor, and no "
        "call of it that could be interrupted or refused";
    static constexpr char kNoAdopting[] =
        "there is no socket of somebody else's here that could be adopted";
    return {{"Ex08_AStartedTaskKeepsTheLoopAlive", kNoThreads},
            {"Tk06_CompletionsLiveAndDieOnTheirLoop", kNoThreads},
            {"Tk15_AHandleMayBeDropped", kNoThreads},
            {"Tk19_LookupsHaveThreadsOfTheirOwn", kNoThreads},
            {"Tk23_DestructionIsOrdered",
             "it wants inputs to end on a thread that is not the loop's"},
            {"Ch03_InterruptedCallsAreRepeated", kNoKernel},
            {"CH-06", kNoKernel},
            {"CH-13", kNoAdopting},
            {"Nl01_OutOfDescriptorsTheListenerPauses", kNoKernel},
            {"Nl02_AFatalErrorDisablesThatSocketOnly", kNoAdopting},
            {"NL-06", kNoKernel},
            {"Nl11_AdoptedSocketsAreChecked", kNoAdopting},
            {"NL-15", kNoKernel},
            {"NL-21", kNoAdopting},
            {"NL-22", "a simulated unix socket is in no file system"},
            {"Wa16_ClosingAChannelEndsItsWatches", kNoKernel}};
  }
  static constexpr Exceptions kExceptions = Exceptions::kLeaveRun;
  static constexpr bool kSeveralThreads = false;

  SimulatedHarness() : executor_(Executor::Create(world_).value()) {
    internal_simulation::Access::simulation(world_).call_faults = {
        &support::SocketFaults::ErrorOf, &support::SocketFaults::Shortened};
  }

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create(world_);
  }

  void Run() {
    while (!stop_) {
      if (!Step() && !stop_) Wait(std::chrono::hours(1));
    }
    stop_ = false;
  }
  void Stop(On&) { stop_ = true; }
  void RunNested(On&) { Run(); }
  void RunOnce() {
    for (int i = 0; i < 2 && Step(); ++i) {
    }
  }
  bool RunUntilIdle(Clock::time_point deadline) {
    while (Outstanding() != 0) {
      if (Clock::now() >= deadline) return false;
      if (!Step() && Outstanding() != 0) Wait(deadline - Clock::now());
    }
    return true;
  }

  void FollowClock() { follows_clock_ = true; }

 private:
  // All takes no time by the world's own clock.
  static SimulatedOptions Options() {
    SimulatedOptions options;
    options.faults = SimulatedFaults::None();
    options.latency_min = options.latency_max = {};
    options.worker_time_max = options.turn_time_max = {};
    options.start = Clock::now();
    return options;
  }

  bool Step() {
    if (follows_clock_ && world_.now() < Clock::now()) {
      world_.SkipTo(Clock::now());
    }
    return world_.StepNow();
  }

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

  SimulatedWorld world_{Options()};
  SimulatedSocket::Registration registration_{world_};
  std::unique_ptr<Executor> executor_;
  bool stop_ = false;
  bool follows_clock_ = false;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_SIMULATED_HARNESS_H_
