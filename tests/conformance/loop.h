// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/loop.h
//
// What the cases run their loops with: Loop<H> is one on the test's own
// thread, LoopThread<H> one that runs on a thread of its own.

#ifndef QIO_TESTS_CONFORMANCE_LOOP_H_
#define QIO_TESTS_CONFORMANCE_LOOP_H_

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/held_asleep.h"
#include "qio/support/loop_log.h"
#include "qio/support/proc.h"

namespace qio::conformance {

template <class H>
using OnLoopOf = OnLoop<typename H::Executor>;

// A loop on this thread, turned by the test. What its executor reports is
// captured.
template <class H>
class Loop {
 public:
  using Executor = typename H::Executor;
  using On = OnLoop<Executor>;
  using Clock = std::chrono::steady_clock;

  Loop() {
    Enter([this](On& on) {
      on.executor().SetDiagnostics(on, diagnostics_.diagnostics());
    });
  }

  H& harness() { return harness_; }
  Executor& executor() { return harness_.executor(); }
  const support::CapturedDiagnostics& diagnostics() const {
    return diagnostics_;
  }

  // Calls f(on) now.
  template <class F>
  void Enter(F f) {
    const absl::Status status = executor().Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  LoopRef<Executor> Ref() {
    std::optional<LoopRef<Executor>> ref;
    Enter([&](On& on) { ref.emplace(on); });
    return *std::move(ref);
  }

  // Turns the loop until done() holds. That it never does is found out by a
  // deadline, which fails the test.
  template <class Done>
  void TurnUntil(Done done) {
    const auto deadline = Clock::now() + std::chrono::seconds(30);
    while (!done()) {
      BOOST_REQUIRE_MESSAGE(Clock::now() < deadline,
                            "what the test waits for does not happen");
      harness_.RunOnce();
      std::this_thread::yield();
    }
  }

  // Turns the loop more than often enough to call all that is ready now: for
  // what must not happen.
  void TurnALot() {
    for (int i = 0; i < 50; ++i) harness_.RunOnce();
  }

  void DestroyExecutor() { harness_.DestroyExecutor(); }

 private:
  support::CapturedDiagnostics diagnostics_;
  H harness_;
};

// A loop that runs on a thread of its own, from the constructor to the
// destructor.
template <class H>
class LoopThread {
 public:
  using Executor = typename H::Executor;
  using On = OnLoop<Executor>;

  LoopThread() : ref_(loop_.Ref()) {
    std::promise<pid_t> started;
    std::future<pid_t> id = started.get_future();
    thread_ = std::thread([this, &started] {
      started.set_value(support::ThisThread());
      loop_.harness().Run();
    });
    thread_id_ = id.get();
    // From here on that thread, and no other, is on the loop.
    Call([](On&) {});
  }
  ~LoopThread() { Join(); }

  // Stops the loop; its executor is left for the test's thread.
  void Join() {
    if (!thread_.joinable()) return;
    Call([this](On& on) { loop_.harness().Stop(on); });
    thread_.join();
  }

  Loop<H>& loop() { return loop_; }
  const LoopRef<Executor>& ref() const { return ref_; }

  // The kernel's number of the loop's thread.
  pid_t thread_id() const { return thread_id_; }

  // Calls f(on) on the loop and waits for it.
  template <class F>
  void Call(F f) {
    std::promise<void> done;
    std::future<void> called = done.get_future();
    const absl::Status status = ref_.Post(
        [](On& on, F* function, std::promise<void>* promise) {
          (*function)(on);
          promise->set_value();
        },
        AssumeSendable(&f), AssumeSendable(&done));
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
    called.get();
  }

 private:
  Loop<H> loop_;
  LoopRef<Executor> ref_;
  std::thread thread_;
  pid_t thread_id_ = 0;
};

// Posts an item that logs what becomes of it, from any thread.
template <class E>
absl::Status PostItem(const LoopRef<E>& ref, support::LoopLog& log, int item) {
  log.Add(support::LoopLog::What::kPosting, item);
  absl::Status status =
      ref.Post([](OnLoop<E>&, support::Traced traced) { traced.Run(); },
               support::Traced(log, item));
  log.Add(status.ok() ? support::LoopLog::What::kPosted
                      : support::LoopLog::What::kRefused,
          item);
  return status;
}

// The same on the loop itself.
template <class E>
void PostItem(OnLoop<E>& on, support::LoopLog& log, int item) {
  log.Add(support::LoopLog::What::kPosting, item);
  Post(on, [traced = support::Traced(log, item)](OnLoop<E>&) { traced.Run(); });
  log.Add(support::LoopLog::What::kPosted, item);
}

// Posts from another thread, and waits until that thread has ended: a lock
// that the loop held meanwhile would never be had there.
template <class E>
absl::Status PostFromElsewhere(const LoopRef<E>& ref) {
  absl::Status status;
  std::thread([&] { status = ref.Post([](OnLoop<E>&) {}); }).join();
  return status;
}

// Calls `f` when it is destroyed, unless it was moved from.
template <class F>
class AtEnd {
 public:
  explicit AtEnd(F f) : f_(std::move(f)) {}
  AtEnd(AtEnd&& other) noexcept : f_(std::move(other.f_)) {
    armed_ = std::exchange(other.armed_, false);
  }
  AtEnd& operator=(AtEnd&&) = delete;
  ~AtEnd() {
    if (armed_) f_();
  }

 private:
  F f_;
  bool armed_ = true;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_LOOP_H_
