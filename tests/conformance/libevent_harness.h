// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/libevent_harness.h

#ifndef QIO_TESTS_CONFORMANCE_LIBEVENT_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_LIBEVENT_HARNESS_H_

#include <event2/event.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/libevent.h"
#include "qio/on_loop.h"
#include "qio/owner_thread.h"

namespace qio::conformance {

// An event_base of its own. event_base_loop() is not re-entrant: RunNested() is
// the executor's.
class LibeventHarness {
 public:
  using Executor = LibeventExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "LibeventExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kTerminate;
  static constexpr char kHost[] = "libevent";
  static constexpr bool kSeveralThreads = false;

  LibeventHarness()
      : base_(event_base_new()),
        deadline_(event_new(
            base_, -1, 0, [](evutil_socket_t, short, void*) {}, nullptr)),
        executor_(CreateAnother().value()) {}
  LibeventHarness(const LibeventHarness&) = delete;
  LibeventHarness& operator=(const LibeventHarness&) = delete;
  ~LibeventHarness() {
    executor_.reset();
    event_free(deadline_);
    event_base_free(base_);
  }

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create(base_);
  }

  void Run() {
    // Two threads in one event_base are nobody's friend, and nobody tells.
    const OwnerThread::Owning running(running_);
    if (!running) throw std::runtime_error("another thread runs the loop");
    event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY);
  }
  void Stop(On&) {
    if (nested_ != 0) {
      stop_nested_ = true;
    } else {
      event_base_loopbreak(base_);
    }
  }
  void RunNested(On& on) {
    ++nested_;
    executor_->RunNested(on,
                         [&] { return std::exchange(stop_nested_, false); });
    --nested_;
  }
  // EVLOOP_NONBLOCK alone goes on for as long as anything is ready.
  void RunOnce() { event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK); }
  // As programs of libevent's end: the loop is over when no event is added. The
  // one for the deadline is the harness's own.
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    using std::chrono::microseconds;
    const auto left = std::max(
        microseconds(0), std::chrono::ceil<microseconds>(
                             deadline - std::chrono::steady_clock::now()));
    const timeval until = {left.count() / 1'000'000, left.count() % 1'000'000};
    event_add(deadline_, &until);
    auto idle = [&] {
      return event_base_get_num_events(
                 base_, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE) == 1;
    };
    while (!idle() && event_pending(deadline_, EV_TIMEOUT, nullptr) != 0) {
      event_base_loop(base_, EVLOOP_ONCE);
    }
    const bool was_idle =
        event_pending(deadline_, EV_TIMEOUT, nullptr) != 0 && idle();
    event_del(deadline_);
    return was_idle;
  }
  void FollowClock() {}
  void CallNatively(std::chrono::milliseconds after, std::function<void()> f) {
    const timeval in = {0, static_cast<suseconds_t>(after.count() * 1000)};
    event_base_once(
        base_, -1, EV_TIMEOUT,
        [](evutil_socket_t, short, void* f) {
          const std::unique_ptr<std::function<void()>> call(
              static_cast<std::function<void()>*>(f));
          (*call)();
        },
        new std::function<void()>(std::move(f)), &in);
  }
  void AfterFork() { event_reinit(base_); }

 private:
  event_base* const base_;
  event* const deadline_;
  std::unique_ptr<Executor> executor_;
  OwnerThread running_;

  // Used on the loop only.
  int nested_ = 0;
  bool stop_nested_ = false;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_LIBEVENT_HARNESS_H_
