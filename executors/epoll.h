// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/epoll.h
//
// EpollExecutor is a loop of its own: nothing but an epoll set and the thread
// that runs it. For programs that have no loop yet.
//
//   auto loop = qio::EpollExecutor::Create();
//   if (!loop.ok()) return loop.status();
//   using Loop = qio::EpollExecutor;
//   absl::Status status = (*loop)->Run([](qio::OnLoop<Loop>& on) {
//     ...  // start what the program does; on.executor().Stop(on) ends it
//   });

#ifndef QIO_EXECUTORS_EPOLL_H_
#define QIO_EXECUTORS_EPOLL_H_

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/on_loop.h"
#include "qio/owner_thread.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

// Two loops of different brands are different types, and do not mix:
//
//   struct Ui; struct Io;  // Declared once, in a namespace.
//   using UiLoop = qio::BasicEpollExecutor<Ui>;
template <class Brand>
class BasicEpollExecutor final : public ReactorHost<BasicEpollExecutor<Brand>> {
 public:
  using On = OnLoop<BasicEpollExecutor>;

  // Errors:  of epoll_create1(2) and eventfd(2), with their errno; nothing is
  //          left open then.
  static absl::StatusOr<std::unique_ptr<BasicEpollExecutor>> Create();

  // Ends everything that is outstanding, and reports it.
  //
  // Affinity:  any thread while nobody runs the loop; not from a callback.
  ~BasicEpollExecutor() {
    owner_.DieUnlessFree("an EpollExecutor");
    this->reactor().Close();
  }

  // Runs the loop on this thread until it is stopped; with outstanding work or
  // without. The form with `first` calls first(on) before anything else.
  // Nested in a callback it runs the same loop until the inner Stop().
  //
  // Affinity:  becomes the loop.
  // Errors:    kFailedPrecondition if another thread is on the loop. Lets
  //            through what a callback throws; it can then be run again.
  Status Run() {
    return Run([](On&) {});
  }
  template <class F>
  Status Run(F first);

  // One turn: waits until something is ready, but `timeout` at most (negative:
  // as long as it takes), and calls what is. Rounded up to milliseconds.
  //
  // Affinity:  becomes the loop.
  Status RunOnce(std::chrono::nanoseconds timeout);

  // Runs until nothing is outstanding, or `deadline`. False: something is.
  //
  // Affinity:  becomes the loop.
  absl::StatusOr<bool> Drain(std::chrono::steady_clock::time_point deadline);

  // Lets the innermost Run() return when the present callback has.
  void Stop(On&) noexcept { stop_.store(true, std::memory_order_relaxed); }

  // The same from anywhere: another thread, or a signal handler. A stop that
  // comes while the loop does not run ends the next Run() at once.
  //
  // Affinity:  any thread; signal handler. Preserves errno (EX-19).
  void StopFromAnywhere() noexcept {
    const int saved_errno = errno;
    stop_.store(true, std::memory_order_seq_cst);
    this->reactor().KickFromAnywhere();
    errno = saved_errno;
  }

  // Calls f(on) now, on this thread, if nobody else is on the loop: a program's
  // first witness, or one for native code.
  //
  // Affinity:  becomes the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is on the loop.
  template <class F>
  Status Enter(F&& f);

  bool IsOnLoop() const noexcept { return owner_.IsMe(); }
  bool RunsElsewhere() const noexcept { return owner_.IsAnother(); }

 private:
  using Base = ReactorHost<BasicEpollExecutor>;
  using Owning = OwnerThread::Owning;

  explicit BasicEpollExecutor(ReactorParts parts) noexcept
      : Base(std::move(parts), "epoll") {}

  static absl::Status Elsewhere() {
    return absl::FailedPreconditionError(
        "the epoll loop runs on another thread");
  }

  // One turn that sleeps no longer than `timeout_ms`; -1: any time.
  void Turn(int timeout_ms);
  // The second half of a turn: waits for descriptors and calls their watches.
  void Wait(int timeout_ms);

  OwnerThread owner_;
  std::atomic<bool> stop_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
};

using EpollExecutor = BasicEpollExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Brand>
absl::StatusOr<std::unique_ptr<BasicEpollExecutor<Brand>>>
BasicEpollExecutor<Brand>::Create() {
  absl::StatusOr<ReactorParts> parts =
      ReactorParts::Create(ReactorParts::Timing::kTimeouts);
  if (!parts.ok()) return parts.status();
  return std::unique_ptr<BasicEpollExecutor>(
      new BasicEpollExecutor(*std::move(parts)));
}

template <class Brand>
template <class F>
Status BasicEpollExecutor<Brand>::Run(F first) {
  static_assert(std::is_invocable_v<F&, On&>,
                "qio: Run(first) calls first(on): let it take an OnLoop<E>& of "
                "this loop");
  Owning owning(owner_);
  if (!owning) return Elsewhere();
  first(this->on());
  while (!stop_.load(std::memory_order_relaxed)) Turn(-1);
  stop_.store(false, std::memory_order_relaxed);
  // Nobody may run the loop for a while.
  this->reactor().FlushWork();
  return absl::OkStatus();
}

template <class Brand>
void BasicEpollExecutor<Brand>::Turn(int timeout_ms) {
  if (timeout_ms != 0) {
    this->reactor().RunQueuedAndSpin(&stop_);
  } else {
    this->reactor().RunQueued();
  }
  if (!stop_.load(std::memory_order_relaxed)) Wait(timeout_ms);
}

template <class Brand>
void BasicEpollExecutor<Brand>::Wait(int timeout_ms) {
  Reactor& reactor = this->reactor();
  if (reactor.Park()) {
    const int timer_ms = reactor.TimeoutMs();
    // Compared without signs, -1 is for ever.
    if (static_cast<unsigned>(timer_ms) < static_cast<unsigned>(timeout_ms)) {
      timeout_ms = timer_ms;
    }
  } else {
    timeout_ms = 0;
  }
  reactor.PollDescriptors(timeout_ms);
}

template <class Brand>
Status BasicEpollExecutor<Brand>::RunOnce(std::chrono::nanoseconds timeout) {
  Owning owning(owner_);
  if (!owning) return Elsewhere();
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  Turn(ms < 0 ? -1 : static_cast<int>(std::min<std::int64_t>(ms, INT_MAX)));
  this->reactor().RunQueued();
  return absl::OkStatus();
}

template <class Brand>
absl::StatusOr<bool> BasicEpollExecutor<Brand>::Drain(
    std::chrono::steady_clock::time_point deadline) {
  Owning owning(owner_);
  if (!owning) return Elsewhere();
  for (;;) {
    this->reactor().RunQueuedAndSpin();
    if (this->reactor().outstanding() == 0) return true;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    Wait(static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX)));
  }
}

template <class Brand>
template <class F>
Status BasicEpollExecutor<Brand>::Enter(F&& f) {
  static_assert(std::is_invocable_v<F&, On&>,
                "qio: Enter(f) calls f(on): let it take an OnLoop<E>& of this "
                "loop");
  Owning owning(owner_);
  if (!owning) return Elsewhere();
  f(this->on());
  // What was started must not wait until somebody runs the loop.
  this->reactor().FlushWork();
  return absl::OkStatus();
}

static_assert(Executor<EpollExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_EPOLL_H_
