// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/timer.h
//
// Timer<E> calls a function on the loop at a time, after a time, or at every
// interval, by the monotonic clock: setting the wall clock changes nothing.
//
//   qio::Timer<Loop> timer;
//   timer.StartAfter(on, std::chrono::seconds(5),
//                    [this](qio::OnLoop<Loop>& on) { GiveUp(on); });
//
// Resolution is a millisecond, rounded up: never early.

#ifndef QIO_TIMER_H_
#define QIO_TIMER_H_

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>
#include <utility>

#include "qio/config.h"
#include "qio/executor.h"
#include "qio/internal/held_callback.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"

namespace qio::inline QIO_ABI {
namespace internal_timer {

template <class T>
inline constexpr bool kIsDuration = false;
template <class Rep, class Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool kIsDeadline = false;
template <class Duration>
inline constexpr bool
    kIsDeadline<std::chrono::time_point<std::chrono::steady_clock, Duration>> =
        true;

// Nanoseconds, at the ends of the range if it is beyond them.
template <class Duration>
constexpr std::int64_t SaturatedNs(Duration duration) noexcept {
  using Limits = std::numeric_limits<std::int64_t>;
  using Unit = std::ratio_divide<typename Duration::period, std::nano>;
  if constexpr (std::is_integral_v<typename Duration::rep> && Unit::den == 1) {
    std::int64_t ns = 0;
    if (!__builtin_mul_overflow(duration.count(), Unit::num, &ns)) return ns;
    return duration.count() > 0 ? Limits::max() : Limits::min();
  }
  const auto seconds =
      std::chrono::duration_cast<std::chrono::duration<double>>(duration);
  // 292 years; the cast below would overflow beyond.
  if (seconds.count() >= 9.2e9) return Limits::max();
  if (seconds.count() <= -9.2e9) return Limits::min();
  return std::chrono::ceil<std::chrono::nanoseconds>(duration).count();
}

}  // namespace internal_timer

template <class E>
class Timer {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.

  // Waits for nothing.
  Timer() = default;
  Timer(Timer&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)) {}
  Timer(const Timer&) = delete;  // qio: a timer has one owner; move it
  Timer& operator=(Timer other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  // As Stop().
  //
  // Affinity:  owning loop, which checked builds check; or any thread once
  //            the executor is gone.
  ~Timer() { Retire(); }

  // The three below replace what this object waited for, and call callback(on)
  // on the loop. Timers of one millisecond are called in the order in which
  // they were started.
  //
  // Destroys:  `callback` on the loop: after its only call, at Stop(), at the
  //            next start, or when this object or the executor ends; never
  //            while it runs.
  // Errors:    throws std::bad_alloc.
  // Cost:      the same at any number of timers; no allocation in steady
  //            state, no descriptor. The clock is read once for all that a turn
  //            starts. A timer that is stopped and started again with the same
  //            function keeps its memory.

  // Once, `deadline` being a std::chrono::steady_clock::time_point. One in the
  // past is due in the next turn.
  template <class TimePoint, class F>
  void StartAt(OnLoop<E>& on,  // qio: pass the witness of its loop
               TimePoint deadline, F callback);

  // Once, after `delay`, a std::chrono::duration that begins when the callbacks
  // of this turn have returned, at the latest. Zero or less is due in the next
  // turn, more than the clock can count never.
  template <class Duration, class F>
  void StartAfter(OnLoop<E>& on,  // qio: pass the witness of its loop
                  Duration delay, F callback);

  // Again and again, the first time after `interval`. Intervals do not drift;
  // those that were missed cost one call together. Less than a millisecond
  // counts as one.
  template <class Duration, class F>
  void StartEvery(OnLoop<E>& on,  // qio: pass the witness of its loop
                  Duration interval, F callback);

  // True: no call starts any more. False: there was none to come; it has been,
  // or is running now.
  bool Stop(OnLoop<E>& on) {  // qio: pass the witness of its loop
    if (state_ == nullptr) return false;
    internal_reactor::CheckSameLoop(on, state_->core(), "a Timer");
    return Disarm();
  }

  // A call is to come.
  bool armed() const noexcept { return state_ != nullptr && state_->linked(); }

 private:
  using Access = internal_reactor::Access;
  using LoopCore = internal_reactor::LoopCore;
  using TimerNode = internal_reactor::TimerNode;
  using Held = internal_held_callback::HeldCallback<TimerNode>;

  // What StartEvery() makes of its callback.
  template <class F>
  struct Repeated {
    void operator()(OnLoop<E>& on) { callback(on); }

    F callback;
    std::int64_t interval_ns;
  };

  struct State : Held {
    using Held = Timer::Held;

    using Held::Held;

    template <class Function>
    static void Fire(TimerNode* node, void* on) {
      auto& self = static_cast<Function&>(*static_cast<State*>(node));
      typename Held::Running running(self);
      self.BeforeCall(self.f());
      self.f()(*static_cast<OnLoop<E>*>(on));
    }

    template <class Function>
    static constexpr typename Held::Ops kOps{
        {&Fire<Function>,
         [](TimerNode* node) noexcept { static_cast<State*>(node)->Drop(); }},
        &Function::Destroy,
        sizeof(Function)};

    // A call that is the last one takes the callback with it.
    template <class F>
    void BeforeCall(F&) noexcept {
      this->Drop();
      Access::Calling<F>(*this->core().reactor());
    }

    // Armed again before the call, so that the callback can stop it.
    template <class F>
    void BeforeCall(Repeated<F>& repeated) noexcept {
      const std::int64_t interval_ns = repeated.interval_ns;
      Reactor& reactor = *this->core().reactor();
      const std::int64_t now_ns = Access::NowNs(reactor);
      std::int64_t next_ns =
          internal_timer_wheel::SaturatedAdd(this->deadline_ns, interval_ns);
      if (next_ns <= now_ns) {
        next_ns += (now_ns - next_ns) / interval_ns * interval_ns;
        next_ns = internal_timer_wheel::SaturatedAdd(next_ns, interval_ns);
      }
      Access::ArmTimer(reactor, *this, next_ns);
      Access::Calling<F>(reactor);
    }
  };
  // A callback of one pointer fits into a cache line with it: firing many is
  // reading their memory.
  static_assert(sizeof(State) + sizeof(void*) <=
                internal_block_pool::BlockPool::kAlignment);

  // Has a call of `callback` to come, and the state ready to be armed.
  template <class F>
  State& Prepare(OnLoop<E>& on, F&& callback) {
    static_assert(std::is_invocable_v<F&, OnLoop<E>&>,
                  "qio: a timer calls callback(on): let it take an OnLoop<E>& "
                  "of the same loop");
    using Function = internal_held_callback::WithFunction<State, F>;
    Reactor& reactor = Access::Of(on);
    Disarm();
    if (state_ != nullptr && state_->CanTake(State::template kOps<Function>) &&
        &state_->core() == Access::core(reactor)) {
      static_cast<Function&>(*state_).Put(std::move(callback));
    } else {
      Retire();
      state_ = Function::New(reactor, std::move(callback));
    }
    return *state_;
  }

  // Ends a call that is to come; the block stays for the next. Once more if
  // what the callback held started this timer anew as it went.
  bool Disarm() noexcept {
    bool was_armed = false;
    while (armed()) {
      internal_reactor::CheckMayTouch(state_->core(), "a Timer");
      was_armed = true;
      Access::CancelTimer(*state_->core().reactor(), *state_);
      state_->Drop();
    }
    return was_armed;
  }

  void Retire() noexcept {
    while (state_ != nullptr) {
      State& state = *std::exchange(state_, nullptr);
      internal_reactor::CheckMayTouch(state.core(), "a Timer");
      if (state.linked()) {
        Access::CancelTimer(*state.core().reactor(), state);
      }
      state.Retire();
    }
  }

  State* state_ = nullptr;
};

// ---------------------------------------------------------------------------

template <class E>
template <class TimePoint, class F>
void Timer<E>::StartAt(OnLoop<E>& on, TimePoint deadline, F callback) {
  static_assert(internal_timer::kIsDeadline<TimePoint>,
                "qio: a deadline is a std::chrono::steady_clock::time_point; "
                "the wall clock may be set back");
  State& state = Prepare(on, std::move(callback));
  Access::ArmTimer(Access::Of(on), state,
                   internal_timer::SaturatedNs(deadline.time_since_epoch()));
}

template <class E>
template <class Duration, class F>
void Timer<E>::StartAfter(OnLoop<E>& on, Duration delay, F callback) {
  static_assert(internal_timer::kIsDuration<Duration>,
                "qio: a delay has a unit: std::chrono::milliseconds(5)");
  State& state = Prepare(on, std::move(callback));
  Access::ArmTimerAfter(Access::Of(on), state,
                        internal_timer::SaturatedNs(delay));
}

template <class E>
template <class Duration, class F>
void Timer<E>::StartEvery(OnLoop<E>& on, Duration interval, F callback) {
  static_assert(internal_timer::kIsDuration<Duration>,
                "qio: an interval has a unit: std::chrono::milliseconds(5)");
  constexpr std::int64_t kShortestNs = 1'000'000;
  std::int64_t interval_ns = internal_timer::SaturatedNs(interval);
  if (interval_ns < kShortestNs) interval_ns = kShortestNs;
  State& state = Prepare(on, Repeated<F>{std::move(callback), interval_ns});
  Access::ArmTimerAfter(Access::Of(on), state, interval_ns);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_TIMER_H_
