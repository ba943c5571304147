// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/descriptor_loop.h
//
// For authors of executors. DescriptorLoop is what an executor does on a host
// that can call a function when a descriptor is readable, and that need not
// say when it sleeps. libuv, libevent and sd-event host qio so.
//
// An executor has one as a member, behind its ReactorHost, and
//
//   1. makes its parts with Timing::kTimerFd,
//   2. lets the host call Turn() whenever poll_fd() is readable,
//   3. passes Enter(), RunNested(), Drain(), IsOnLoop(), RunsElsewhere() on,
//   4. in its destructor: CheckMayEnd(), takes the descriptor from the host,
//      reactor().Close().
//
// Outside of its turns the reactor is always parked. So it does not matter
// when the host sleeps, nor whether another loop sleeps on its behalf; what it
// costs is a write for the first post that comes while the host is busy with
// callbacks of its own.
//
// Not for a host that nests or whose frames carry exceptions: see
// executors/README.md.

#ifndef QIO_DESCRIPTOR_LOOP_H_
#define QIO_DESCRIPTOR_LOOP_H_

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/owner_thread.h"
#include "qio/reactor.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

class DescriptorLoop {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  // Tells a host that stops when idle whether it has to go on, as it may have
  // been told before. On the loop.
  using KeepRunning = void (*)(void* executor, bool keep) noexcept;

  // `kind` is what ReactorHost was given.
  explicit DescriptorLoop(Reactor& reactor, const char* kind,
                          void* executor = nullptr,
                          KeepRunning keep_running = nullptr) noexcept
      : reactor_(reactor),
        kind_(kind),
        executor_(executor),
        keep_running_(keep_running) {}
  DescriptorLoop(const DescriptorLoop&) = delete;
  DescriptorLoop& operator=(const DescriptorLoop&) = delete;

  // Does what is to be done, with a budget. A callback that lets an exception
  // out ends the program with a sentence: the host's frames are C.
  //
  // Affinity:  becomes the loop. Does nothing while another thread is on it:
  //            the descriptor stays readable, and the host calls again.
  void Turn() noexcept;

  // Calls f().
  //
  // Affinity:  becomes the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is on the loop. Lets
  //            through what f throws.
  template <class F>
  Status Enter(F f);

  // Runs what is qio's, and nothing of the host's, until done() is true.
  //
  // Affinity:  owning loop.
  template <class Done>
  void RunNested(Done done) {
    RunUntil(done, Deadline::max());
  }

  // The same until nothing is outstanding, or `deadline`. False: something is.
  //
  // Affinity:  becomes the loop.
  // Errors:    kFailedPrecondition if another thread is on the loop.
  absl::StatusOr<bool> Drain(Deadline deadline);

  // For a host that says when it may sleep: between the two, this thread is on
  // the loop, so that others are refused. A host may also nest then.
  void BeforeSleep() noexcept;
  void AfterSleep() noexcept {
    if (depth_ == 0) asleep_.reset();
  }

  // Ends the program with a sentence if the executor may not be destroyed now.
  void CheckMayEnd() const;

  bool IsOnLoop() const noexcept { return owner_.IsMe(); }
  bool RunsElsewhere() const noexcept { return owner_.IsAnother(); }

 private:
  using Owning = OwnerThread::Owning;

  // A scope in which this thread is on the loop, if no other one is. The
  // outermost one leaves everything as the host needs it.
  class Scope {
   public:
    explicit Scope(DescriptorLoop& loop) noexcept
        : loop_(loop), owning_(loop.owner_) {
      if (owning_ && ++loop_.depth_ == 1) {
        loop_.reactor_.set_kick_unasked(false);
      }
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (owning_ && --loop_.depth_ == 0) loop_.Settle();
    }
    explicit operator bool() const noexcept { return bool{owning_}; }

   private:
    DescriptorLoop& loop_;
    const Owning owning_;
  };

  absl::Status Elsewhere() const {
    return absl::FailedPreconditionError(
        std::string("another thread is on the ") + kind_ + " loop");
  }

  void RunTurn();
  template <class Done>
  void RunUntil(Done& done, Deadline deadline);
  void Settle() noexcept;

  Reactor& reactor_;
  const char* const kind_;
  void* const executor_;
  const KeepRunning keep_running_;
  OwnerThread owner_;

  // The rest belongs to the thread on the loop.
  int depth_ = 0;
  std::optional<Owning> asleep_;
};

// ---------------------------------------------------------------------------

inline void DescriptorLoop::Turn() noexcept {
  const Scope scope(*this);
  if (!scope) return;
#if defined(__cpp_exceptions)
  try {
    RunTurn();
  } catch (...) {
    // EX-15. The default handler of terminate() adds what was thrown.
    Diagnostics::WriteToStderr(
        nullptr,
        std::string("qio: an exception left a callback on a loop of ") + kind_ +
            ", whose C frames cannot carry it");
    std::terminate();
  }
#else
  RunTurn();
#endif
}

inline void DescriptorLoop::RunTurn() {
  reactor_.PollDescriptors(0);
  reactor_.RunQueuedAndSpin();
}

template <class F>
Status DescriptorLoop::Enter(F f) {
  const Scope scope(*this);
  if (!scope) return Elsewhere();
  f();
  return absl::OkStatus();
}

inline absl::StatusOr<bool> DescriptorLoop::Drain(Deadline deadline) {
  const Scope scope(*this);
  if (!scope) return Elsewhere();
  auto done = [&] {
    return reactor_.outstanding() == 0 ||
           std::chrono::steady_clock::now() >= deadline;
  };
  RunUntil(done, deadline);
  return reactor_.outstanding() == 0;
}

template <class Done>
void DescriptorLoop::RunUntil(Done& done, Deadline deadline) {
  while (!done()) {
    int timeout_ms = 0;
    // Park() knows of no timer that is due and taken out of the wheel.
    if (!reactor_.HasMail() && reactor_.Park()) {
      timeout_ms = -1;  // The timerfd wakes it.
      if (deadline != Deadline::max()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        timeout_ms = static_cast<int>(
            std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
      }
    }
    reactor_.PollDescriptors(timeout_ms);
    reactor_.RunQueuedAndSpin();
  }
}

// From here on whatever there is to do makes the descriptor readable.
inline void DescriptorLoop::Settle() noexcept {
  reactor_.FlushWork();
  if (reactor_.HasMail() || !reactor_.Park()) reactor_.Kick();
  reactor_.set_kick_unasked(depth_ == 0);
  if (keep_running_ != nullptr) {
    keep_running_(executor_, reactor_.outstanding() != 0);
  }
}

inline void DescriptorLoop::BeforeSleep() noexcept {
  if (depth_ == 0) {
    asleep_.emplace(owner_);
  } else {
    // A callback runs the host nested.
    Settle();
  }
}

inline void DescriptorLoop::CheckMayEnd() const {
  const bool elsewhere = owner_.IsAnother();
  if (!elsewhere && depth_ == 0) return;
  internal_diagnostics::Die(
      std::string("qio: the executor of a loop of ") + kind_ +
      (elsewhere ? " was destroyed while another thread is on it"
                 : " was destroyed inside a callback of its own"));
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_DESCRIPTOR_LOOP_H_
