// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/libuv_harness.h

#ifndef QIO_TESTS_CONFORMANCE_LIBUV_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_LIBUV_HARNESS_H_

#include <uv.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/libuv.h"
#include "qio/on_loop.h"
#include "qio/owner_thread.h"

namespace qio::conformance {

// A uv_loop_t of its own. uv_run() is not re-entrant: RunNested() is the
// executor's.
class LibuvHarness {
 public:
  using Executor = LibuvExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "LibuvExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kTerminate;
  static constexpr char kHost[] = "libuv";
  static constexpr bool kSeveralThreads = false;

  LibuvHarness() {
    uv_loop_init(&uv_);
    uv_timer_init(&uv_, &timer_);
    executor_ = CreateAnother().value();
  }
  LibuvHarness(const LibuvHarness&) = delete;
  LibuvHarness& operator=(const LibuvHarness&) = delete;
  ~LibuvHarness() {
    executor_.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&uv_, UV_RUN_DEFAULT);
    uv_loop_close(&uv_);
  }

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create(&uv_);
  }

  void Run() {
    const Running running(running_);
    if (!running) throw std::runtime_error("another thread runs the loop");
    // A program's own work, so that the run does not end when it is idle.
    uv_timer_start(&timer_, [](uv_timer_t*) {}, kForEver, 0);
    uv_run(&uv_, UV_RUN_DEFAULT);
    uv_timer_stop(&timer_);
  }
  void Stop(On&) {
    if (nested_ != 0) {
      stop_nested_ = true;
    } else {
      uv_stop(&uv_);
    }
  }
  void RunNested(On& on) {
    ++nested_;
    executor_->RunNested(on,
                         [&] { return std::exchange(stop_nested_, false); });
    --nested_;
  }
  void RunOnce() { uv_run(&uv_, UV_RUN_NOWAIT); }
  // As programs of libuv's end: uv_run() returns when it is out of work.
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    uv_update_time(&uv_);
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { uv_stop(timer->loop); },
        static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 0)), 0);
    uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
    const bool idle = uv_run(&uv_, UV_RUN_DEFAULT) == 0;
    uv_ref(reinterpret_cast<uv_handle_t*>(&timer_));
    uv_timer_stop(&timer_);
    return idle;
  }
  void FollowClock() {}
  void CallNatively(std::chrono::milliseconds after, std::function<void()> f) {
    auto* const call = new NativeCall{{}, std::move(f)};
    uv_timer_init(&uv_, &call->timer);
    call->timer.data = call;
    uv_timer_start(
        &call->timer,
        [](uv_timer_t* timer) {
          static_cast<NativeCall*>(timer->data)->f();
          uv_close(reinterpret_cast<uv_handle_t*>(timer), [](uv_handle_t* h) {
            delete static_cast<NativeCall*>(h->data);
          });
        },
        static_cast<std::uint64_t>(after.count()), 0);
  }
  void AfterFork() { uv_loop_fork(&uv_); }

 private:
  using Running = OwnerThread::Owning;
  struct NativeCall {
    uv_timer_t timer;
    std::function<void()> f;
  };
  static constexpr std::uint64_t kForEver = 1'000'000'000;

  // With its first loop libuv opens a pipe that stays: before the first case.
  static inline const bool opened_ = [] {
    uv_loop_t loop;
    uv_loop_init(&loop);
    return uv_loop_close(&loop) == 0;
  }();

  uv_loop_t uv_;
  uv_timer_t timer_;
  std::unique_ptr<Executor> executor_;
  OwnerThread running_;

  // Used on the loop only.
  int nested_ = 0;
  bool stop_nested_ = false;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_LIBUV_HARNESS_H_
