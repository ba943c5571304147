// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/sd_event_harness.h

#ifndef QIO_TESTS_CONFORMANCE_SD_EVENT_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_SD_EVENT_HARNESS_H_

#include <systemd/sd-event.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/sd_event.h"
#include "qio/on_loop.h"
#include "qio/owner_thread.h"

namespace qio::conformance {

// An sd_event of its own. A nested sd_event_run() is refused: RunNested() is
// the executor's.
class SdEventHarness {
 public:
  using Executor = SdEventExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "SdEventExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kTerminate;
  static constexpr char kHost[] = "sd-event";
  static constexpr bool kSeveralThreads = false;
  // Its functions return ECHILD.
  static constexpr bool kRefusesForksItself = true;

  SdEventHarness() {
    sd_event_new(&event_);
    executor_ = CreateAnother().value();
  }
  SdEventHarness(const SdEventHarness&) = delete;
  SdEventHarness& operator=(const SdEventHarness&) = delete;
  ~SdEventHarness() {
    executor_.reset();
    sd_event_unref(event_);
  }

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create(event_);
  }

  void Run() {
    const OwnerThread::Owning running(running_);
    if (!running) throw std::runtime_error("another thread runs the loop");
    // As sd_event_loop() does; but after an sd_event_exit() it runs no more.
    while (!std::exchange(stop_, false)) sd_event_run(event_, kForEver);
  }
  void Stop(On&) { (nested_ != 0 ? stop_nested_ : stop_) = true; }
  void RunNested(On& on) {
    ++nested_;
    executor_->RunNested(on,
                         [&] { return std::exchange(stop_nested_, false); });
    --nested_;
  }
  void RunOnce() { sd_event_run(event_, 0); }
  // sd-event itself does not stop when idle.
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    for (;;) {
      bool idle = false;
      const auto asked = executor_->Enter(
          [&](On& on) { idle = on.executor().outstanding(on) == 0; });
      if (!asked.ok() || idle) return idle;
      const auto left = std::chrono::ceil<std::chrono::microseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      sd_event_run(event_, static_cast<std::uint64_t>(left.count()));
    }
  }
  void FollowClock() {}
  void CallNatively(std::chrono::milliseconds after, std::function<void()> f) {
    sd_event_source* timer = nullptr;
    sd_event_add_time_relative(
        event_, &timer, CLOCK_MONOTONIC,
        static_cast<std::uint64_t>(after.count()) * 1000, 1,
        [](sd_event_source* timer, std::uint64_t, void* f) {
          const std::unique_ptr<std::function<void()>> call(
              static_cast<std::function<void()>*>(f));
          (*call)();
          sd_event_source_disable_unref(timer);
          return 0;
        },
        new std::function<void()>(std::move(f)));
  }

 private:
  static constexpr std::uint64_t kForEver = UINT64_MAX;

  sd_event* event_ = nullptr;
  std::unique_ptr<Executor> executor_;
  OwnerThread running_;

  // Used on the loop only.
  int nested_ = 0;
  bool stop_ = false;
  bool stop_nested_ = false;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_SD_EVENT_HARNESS_H_
