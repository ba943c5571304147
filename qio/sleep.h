// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/sleep.h
//
// A timer as a task, for what waits for tasks: a coroutine, or WhenAny().
//
//   co_await qio::SleepFor(on, std::chrono::seconds(1));
//
// To give a task a deadline there is WithTimeout() (qio/task.h); for what
// repeats itself, and for a function that is called once, Timer (qio/timer.h).

#ifndef QIO_SLEEP_H_
#define QIO_SLEEP_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/internal/operation.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"
#include "qio/timer.h"

namespace qio::inline QIO_ABI {

// SleepFor()
//
// A task that completes so long after it was started: `delay` is a
// std::chrono::duration. Zero or less is over in the next turn, more than the
// clock can count never. Never early; by the monotonic clock.
//
// Errors:  throws std::bad_alloc.
// Cost:    one task and one timer, which a Cancel() disarms; no allocation in
//          steady state.
template <class E, class Duration>
QIOTask<E, void> SleepFor(OnLoop<E>& on, Duration delay);

// SleepUntil()
//
// The same until `deadline`, a std::chrono::steady_clock::time_point. One in
// the past is over in the next turn.
template <class E, class TimePoint>
QIOTask<E, void> SleepUntil(OnLoop<E>& on, TimePoint deadline);

// ---------------------------------------------------------------------------

namespace internal_sleep {

using internal_operation::Access;
using internal_operation::LoopCore;
using internal_reactor::TimerNode;

template <class E>
class Sleep final : public internal_operation::Operation<Sleep<E>, E, void>,
                    private TimerNode {
 public:
  using Pointer = typename Sleep::Operation::Pointer;

  // Of what `ns` is the number.
  enum class Since { kEpoch, kStart };

  Sleep(LoopCore& core, std::int64_t ns, Since since) noexcept
      : Sleep::Operation(core), ns_(ns), since_(since) {
    ops = &kTimerOps;
  }

  static void Start(Pointer self, OnLoop<E>& on) {
    Sleep& sleep = *self;
    Reactor& reactor = Access::Of(on);
    if (sleep.since_ == Since::kEpoch) {
      Access::ArmTimer(reactor, sleep, sleep.ns_);
    } else {
      Access::ArmTimerAfter(reactor, sleep, sleep.ns_);
    }
    sleep.armed_ = std::move(self);
  }
  void Stop() noexcept {
    Access::CancelTimer(*this->core().reactor(), *this);
    armed_ = Pointer();
  }
  std::string Describe() const { return "a timer"; }

 private:
  static void Wake(TimerNode* node, void* on) {
    auto& self = static_cast<Sleep&>(*node);
    const Pointer alive = std::move(self.armed_);
    self.Complete(*static_cast<OnLoop<E>*>(on), absl::OkStatus());
  }
  static constexpr TimerNode::Ops kTimerOps{&Wake, nullptr};

  const std::int64_t ns_;
  const Since since_;
  Pointer armed_;  // This object, while the timer is to fire.
};

template <class E>
QIOTask<E, void> MakeSleep(OnLoop<E>& on, std::int64_t ns,
                           typename Sleep<E>::Since since) {
  return Sleep<E>::MakeTaskOf(on, Sleep<E>::Pointer::Make(on, ns, since));
}

}  // namespace internal_sleep

template <class E, class Duration>
QIOTask<E, void> SleepFor(  // qio: pass the witness of its loop
    OnLoop<E>& on, Duration delay) {
  static_assert(internal_timer::kIsDuration<Duration>,
                "qio: a delay has a unit: std::chrono::milliseconds(5)");
  return internal_sleep::MakeSleep(on, internal_timer::SaturatedNs(delay),
                                   internal_sleep::Sleep<E>::Since::kStart);
}

template <class E, class TimePoint>
QIOTask<E, void> SleepUntil(  // qio: pass the witness of its loop
    OnLoop<E>& on, TimePoint deadline) {
  static_assert(internal_timer::kIsDeadline<TimePoint>,
                "qio: a deadline is a std::chrono::steady_clock::time_point; "
                "the wall clock may be set back");
  return internal_sleep::MakeSleep(
      on, internal_timer::SaturatedNs(deadline.time_since_epoch()),
      internal_sleep::Sleep<E>::Since::kEpoch);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_SLEEP_H_
