// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/asio_harness.h

#ifndef QIO_TESTS_CONFORMANCE_ASIO_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_ASIO_HARNESS_H_

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/asio.h"
#include "qio/on_loop.h"

namespace qio::conformance {

// An io_context of its own, which any number of threads may run.
class AsioHarness {
 public:
  using Executor = AsioExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "AsioExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kLeaveRun;
  static constexpr bool kSeveralThreads = true;

  AsioHarness() : executor_(CreateAnother().value()) {}

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create(io_);
  }

  void Run() {
    Running running(*this);
    // A program's own work, so that the run does not end when it is idle.
    auto guard = asio::make_work_guard(io_);
    io_.run();
  }
  void Stop(On&) {
    if (nested_ != 0) {
      stop_nested_ = true;
    } else {
      io_.stop();
    }
  }
  // A bare io_.run() in a callback makes no progress of the executor's.
  void RunNested(On& on) {
    ++nested_;
    executor_->RunNested(on,
                         [&] { return std::exchange(stop_nested_, false); });
    --nested_;
  }
  void RunOnce() {
    Running running(*this);
    io_.poll_one();
  }
  // As programs of Asio's end: run() returns when it is out of work.
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    Running running(*this);
    io_.run_until(deadline);
    return io_.stopped();
  }
  void FollowClock() {}
  void CallNatively(std::chrono::milliseconds after, std::function<void()> f) {
    auto timer = std::make_unique<asio::steady_timer>(io_, after);
    asio::steady_timer& waits = *timer;
    waits.async_wait([timer = std::move(timer),
                      f = std::move(f)](asio::error_code) { f(); });
  }
  void AfterFork() { io_.notify_fork(asio::execution_context::fork_child); }

 private:
  // A thread in one of the above. When the last one is out, the io_context is
  // made ready to be run again.
  class Running {
   public:
    explicit Running(AsioHarness& harness) : harness_(harness) {
      std::lock_guard lock(harness_.mutex_);
      ++harness_.running_;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      std::lock_guard lock(harness_.mutex_);
      if (--harness_.running_ == 0) harness_.io_.restart();
    }

   private:
    AsioHarness& harness_;
  };

  asio::io_context io_;
  std::unique_ptr<Executor> executor_;
  std::mutex mutex_;
  int running_ = 0;

  // Used on the loop only.
  int nested_ = 0;
  bool stop_nested_ = false;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_ASIO_HARNESS_H_
