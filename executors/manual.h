// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/manual.h
//
// ManualExecutor is the smallest conforming executor: it runs when it is told
// to, on the calling thread, and its clock stands still until it is moved. For
// tests of programs that use qio, and for copying.
//
//   auto loop = qio::ManualExecutor::Create();
//   ...
//   (*loop)->Advance(std::chrono::hours(1));  // Timers of an hour fire now.
//
// Descriptors and workers are real: wait for them with WaitUntilReady().

#ifndef QIO_EXECUTORS_MANUAL_H_
#define QIO_EXECUTORS_MANUAL_H_

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <memory>
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

template <class Brand>
class BasicManualExecutor final
    : public ReactorHost<BasicManualExecutor<Brand>> {
 public:
  using On = OnLoop<BasicManualExecutor>;

  // The clock begins at the monotonic time of now.
  //
  // Errors:  of epoll_create1(2) and eventfd(2), with their errno.
  static absl::StatusOr<std::unique_ptr<BasicManualExecutor>> Create() {
    absl::StatusOr<ReactorParts> parts =
        ReactorParts::Create(ReactorParts::Timing::kTimeouts);
    if (!parts.ok()) return parts.status();
    return std::unique_ptr<BasicManualExecutor>(
        new BasicManualExecutor(*std::move(parts)));
  }

  ~BasicManualExecutor() {
    owner_.DieUnlessFree("a ManualExecutor");
    this->reactor().Close();
  }

  // The functions below make this thread the loop while they run.
  //
  // Errors:  kFailedPrecondition if another thread is on the loop.

  // One turn: calls what is ready now, without waiting.
  Status RunOnce() {
    Owning owning(owner_);
    if (!owning) return Elsewhere();
    this->reactor().PollDescriptors(0);
    this->reactor().RunQueued();
    return absl::OkStatus();
  }

  // Moves the clock by `time` and runs one turn.
  Status Advance(std::chrono::nanoseconds time) {
    now_ns_ += time.count();
    this->reactor().set_virtual_now_ns(now_ns_);
    return RunOnce();
  }

  // Waits in real time until there is mail, or a descriptor is ready. False:
  // `timeout` has passed.
  absl::StatusOr<bool> WaitUntilReady(std::chrono::nanoseconds timeout) {
    Owning owning(owner_);
    if (!owning) return Elsewhere();
    Reactor& reactor = this->reactor();
    if (!reactor.Park()) return true;
    pollfd readable{reactor.poll_fd(), POLLIN, 0};
    const auto ms =
        std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    const int ready = internal_sys::Poll(
        &readable, 1,
        static_cast<int>(std::clamp<std::int64_t>(ms, 0, INT_MAX)));
    reactor.Unpark();
    return ready > 0 || reactor.HasMail();
  }

  template <class F>
  Status Enter(F&& f) {
    Owning owning(owner_);
    if (!owning) return Elsewhere();
    f(this->on());
    this->reactor().FlushWork();
    return absl::OkStatus();
  }

  bool IsOnLoop() const noexcept { return owner_.IsMe(); }
  bool RunsElsewhere() const noexcept { return owner_.IsAnother(); }

 private:
  using Base = ReactorHost<BasicManualExecutor>;
  using Owning = OwnerThread::Owning;

  explicit BasicManualExecutor(ReactorParts parts) noexcept
      : Base(std::move(parts), "manual"), now_ns_(internal_sys::MonotonicNs()) {
    this->reactor().set_virtual_now_ns(now_ns_);
  }

  static absl::Status Elsewhere() {
    return absl::FailedPreconditionError(
        "the manual loop runs on another thread");
  }

  OwnerThread owner_;
  std::int64_t now_ns_;
};

using ManualExecutor = BasicManualExecutor<struct DefaultBrand>;

static_assert(Executor<ManualExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_MANUAL_H_
