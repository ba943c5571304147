// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/retry.h
//
// Retry() is an operation that is tried again while its error may pass, at
// growing intervals that are partly random, so that the clients of a server
// that was down do not come back all at once.
//
//   qio::Retry(on, {.attempts_max = 5, .first_delay = std::chrono::seconds(1)},
//              [address](qio::OnLoop<Loop>& on) { return Connect(on, address);
//              })
//       .WithTimeout(std::chrono::minutes(1))
//       .Then(scope, ...);
//
// Not for what must not happen twice: an attempt that failed may have had its
// effect.

#ifndef QIO_RETRY_H_
#define QIO_RETRY_H_

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "qio/config.h"
#include "qio/internal/operation.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/status.h"
#include "qio/task.h"
#include "qio/timer.h"

namespace qio::inline QIO_ABI {

namespace internal_retry {

// Any std::chrono::duration, in nanoseconds.
class Delay {
 public:
  template <class Duration>
  constexpr Delay(Duration delay) noexcept {  // Implicit, as in an initialiser.
    static_assert(internal_timer::kIsDuration<Duration>,
                  "qio: a delay has a unit: std::chrono::milliseconds(5)");
    ns_ = internal_timer::SaturatedNs(delay);
  }

  constexpr std::int64_t ns() const noexcept { return ns_; }

 private:
  std::int64_t ns_ = 0;
};

}  // namespace internal_retry

// What may succeed later: kUnavailable, kResourceExhausted, kDeadlineExceeded
// and kAborted.
//
// Affinity:  any thread.
inline bool IsRetryable(const absl::Status& error) noexcept {
  return error.code() == absl::StatusCode::kUnavailable ||
         error.code() == absl::StatusCode::kResourceExhausted ||
         error.code() == absl::StatusCode::kDeadlineExceeded ||
         error.code() == absl::StatusCode::kAborted;
}

struct RetryOptions {
  int attempts_max = 5;  // At least one is made.

  // Of some unit: std::chrono::milliseconds(100). The first delay, what each is
  // multiplied by to give the next, at least 1, and the longest.
  internal_retry::Delay first_delay = std::chrono::milliseconds(100);
  double factor = 2;
  internal_retry::Delay delay_max = std::chrono::seconds(30);

  // The share of a delay that is random, from 0, none, to 1, all: it is made
  // shorter by up to that much.
  double jitter = 0.5;

  // Which errors are worth another attempt.
  bool (*retryable)(const absl::Status& error) = &IsRetryable;

  // Of the random part, for tests; else it depends on the clock.
  std::optional<std::uint64_t> seed = std::nullopt;
};

// Retry()
//
// A task that calls factory(on), which returns a QIOTask<E, T> (or a Coro), and
// starts that; after an error that is retryable once more, until there is a
// result or no attempt is left: a QIOTask<E, T>. The last error is its result,
// with the number of attempts.
//
// Destroys:  `factory` on the loop, when the last attempt is over.
// Errors:    to the completion: the last attempt's, of its code and payloads;
//            kUnknown for what `factory` throws. Throws std::bad_alloc, and
//            what moving `factory` throws.
// Cost:      one task, and a timer while it waits, beyond those of `factory`;
//            no allocation in steady state.
template <class E, class Factory>
auto Retry(OnLoop<E>& on, RetryOptions options, Factory factory);

// ---------------------------------------------------------------------------

namespace internal_retry {

using internal_operation::Access;
using internal_operation::LoopCore;
using internal_operation::StatusOf;
using internal_operation::TaskMaker;
using internal_reactor::TimerNode;

// The delays of one operation, one after another.
class Delays {
 public:
  Delays(const RetryOptions& options, std::uint64_t seed) noexcept
      : next_ns_(static_cast<double>(options.first_delay.ns())),
        max_ns_(static_cast<double>(options.delay_max.ns())),
        factor_(options.factor >= 1 ? options.factor : 1),
        jitter_(options.jitter >= 0 ? options.jitter : 0),
        random_(seed) {
    if (jitter_ > 1) jitter_ = 1;
  }

  std::int64_t NextNs() noexcept {
    const double longest = next_ns_ < max_ns_ ? next_ns_ : max_ns_;
    next_ns_ = longest * factor_;
    const double ns = longest * (1 - jitter_ * Share());
    // 2^63, which is no longer one.
    constexpr double kLimit = 9223372036854775808.0;
    if (ns <= 0) return 0;
    return ns < kLimit ? static_cast<std::int64_t>(ns)
                       : std::numeric_limits<std::int64_t>::max();
  }

 private:
  // From 0 to 1. (SplitMix64, of which the seed may be anything.)
  double Share() noexcept {
    std::uint64_t z = (random_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

  double next_ns_;
  const double max_ns_;
  const double factor_;
  double jitter_;
  std::uint64_t random_;
};

// "connect to 10.0.0.1:80: Connection refused (attempt 3 of 5)".
inline absl::Status AfterAttempts(const absl::Status& error, int attempts,
                                  int attempts_max) noexcept {
  return internal_status::MakeOrCode(error.code(), [&] {
    absl::Status status = internal_status::Make(
        error.code(), std::string(error.message()) + " (attempt " +
                          std::to_string(attempts) + " of " +
                          std::to_string(attempts_max) + ")");
    error.ForEachPayload([&](absl::string_view key, const absl::Cord& value) {
      status.SetPayload(key, value);
    });
    return status;
  });
}

template <class E, class T, class Factory>
class Retrial final
    : public internal_operation::Operation<Retrial<E, T, Factory>, E, T>,
      private TimerNode {
 public:
  using Pointer = typename Retrial::Operation::Pointer;

  Retrial(LoopCore& core, const RetryOptions& options, Factory&& factory)
      : Retrial::Operation(core),
        factory_(std::move(factory)),
        attempts_max_(options.attempts_max > 1 ? options.attempts_max : 1),
        retryable_(options.retryable),
        delays_(options, options.seed ? *options.seed : SeedFor(core)) {
    ops = &kTimerOps;
  }

  static void Start(Pointer self, OnLoop<E>& on) { self->Attempt(on); }
  void Stop() noexcept {
    Access::CancelTimer(*this->core().reactor(), *this);
    armed_ = Pointer();
    TaskMaker::Abandon(handle_);
  }
  std::string Describe() const {
    const bool is_put_off = static_cast<bool>(armed_);
    return "attempt " + std::to_string(attempts_ + is_put_off) + " of " +
           std::to_string(attempts_max_) +
           (is_put_off ? ", put off for " +
                             std::to_string(delay_ns_ / 1'000'000) + " ms"
                       : ": " + TaskMaker::Describe(handle_));
  }

 private:
  static void AttemptAgain(TimerNode* node, void* on) {
    auto& self = static_cast<Retrial&>(*node);
    const Pointer alive = std::move(self.armed_);
    self.Attempt(*static_cast<OnLoop<E>*>(on));
  }
  static constexpr TimerNode::Ops kTimerOps{&AttemptAgain, nullptr};

  static std::uint64_t SeedFor(LoopCore& core) noexcept {
    return static_cast<std::uint64_t>(Access::NowNs(*core.reactor())) ^
           core.id() << 48;
  }

  // The caller holds on to this object.
  void Attempt(OnLoop<E>& on) {
    ++attempts_;
    absl::Status thrown;
#if defined(__cpp_exceptions)
    try {
      StartOne(on);
    } catch (...) {
      thrown = internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
        return internal_exception_status::CurrentException("the factory");
      });
    }
#else
    StartOne(on);
#endif
    if (!this->wanted()) {  // It has cancelled what waits for it.
      TaskMaker::Abandon(handle_);
    } else if (!thrown.ok()) {
      this->Complete(on, std::move(thrown));
    }
  }

  void StartOne(OnLoop<E>& on) {
    QIOTask<E, T> task = factory_(on);
    if (!this->wanted()) return;
    internal_operation::CheckTask(on, task);
    handle_ = std::move(task).Then(
        [self = Pointer(this)](OnLoop<E>& then_on, TaskResult<T> result) {
          if (self->wanted()) self->OnResult(then_on, std::move(result));
        });
  }

  void OnResult(OnLoop<E>& on, TaskResult<T> result) {
    const absl::Status& error = StatusOf(result);
    if (error.ok()) {
      this->Complete(on, std::move(result));
    } else if (attempts_ == attempts_max_ || !retryable_(error)) {
      this->Complete(on, AfterAttempts(error, attempts_, attempts_max_));
    } else {
      delay_ns_ = delays_.NextNs();
      armed_ = Pointer(this);
      Access::ArmTimerAfter(Access::Of(on), *this, delay_ns_);
    }
  }

  Factory factory_;
  const int attempts_max_;
  bool (*const retryable_)(const absl::Status&);
  Delays delays_;
  int attempts_ = 0;
  std::int64_t delay_ns_ = 0;  // The last.
  TaskHandle<E> handle_;       // Of the last attempt.
  Pointer armed_;              // This object, between two.
};

}  // namespace internal_retry

template <class E, class Factory>
auto Retry(OnLoop<E>& on,  // qio: pass the witness of its loop
           RetryOptions options, Factory factory) {
  static_assert(std::is_invocable_v<Factory&, OnLoop<E>&>,
                "qio: Retry(on, options, factory) calls factory(on): let it "
                "take an OnLoop<E>& of the same loop and return a task");
  using Made = std::invoke_result_t<Factory&, OnLoop<E>&>;
  using T = typename internal_operation::RequireTask<E, Made>::T;
  using Retrial = internal_retry::Retrial<E, T, Factory>;
  return Retrial::MakeTaskOf(
      on, Retrial::Pointer::Make(on, options, std::move(factory)));
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_RETRY_H_
