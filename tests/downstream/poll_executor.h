// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// An executor that somebody else might have, of a plain poll(2) loop.
// executors/README.md of qio quotes it.

#ifndef DOWNSTREAM_POLL_EXECUTOR_H_
#define DOWNSTREAM_POLL_EXECUTOR_H_

#include <poll.h>

#include <chrono>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executor.h"
#include "qio/on_loop.h"
#include "qio/owner_thread.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"
#include "qio/status.h"

class PollExecutor final : public qio::ReactorHost<PollExecutor> {
 public:
  using On = qio::OnLoop<PollExecutor>;

  static absl::StatusOr<std::unique_ptr<PollExecutor>> Create() {
    auto parts =
        qio::ReactorParts::Create(qio::ReactorParts::Timing::kTimeouts);
    if (!parts.ok()) return parts.status();
    return std::unique_ptr<PollExecutor>(new PollExecutor(*std::move(parts)));
  }

  ~PollExecutor() {
    owner_.DieUnlessFree("a PollExecutor");
    reactor().Close();
  }

  // Runs until Stop().
  absl::Status Run() {
    qio::OwnerThread::Owning owning(owner_);
    if (!owning) return Elsewhere();
    while (!stop_) Turn(-1);
    stop_ = false;
    return absl::OkStatus();
  }

  // One turn, without waiting.
  absl::Status RunOnce() {
    qio::OwnerThread::Owning owning(owner_);
    if (!owning) return Elsewhere();
    Turn(0);
    reactor().RunQueued();
    return absl::OkStatus();
  }

  // Runs until nothing is outstanding, or `deadline`. False: something is.
  bool Drain(std::chrono::steady_clock::time_point deadline) {
    qio::OwnerThread::Owning owning(owner_);
    while (owning && std::chrono::steady_clock::now() < deadline) {
      reactor().RunQueued();
      if (reactor().outstanding() == 0) return true;
      Turn(1);
    }
    return false;
  }

  void Stop(On&) { stop_ = true; }

  template <class F>
  qio::Status Enter(F&& f) {
    qio::OwnerThread::Owning owning(owner_);
    if (!owning) return Elsewhere();
    f(on());
    reactor().FlushWork();
    return absl::OkStatus();
  }

  bool IsOnLoop() const noexcept { return owner_.IsMe(); }
  bool RunsElsewhere() const noexcept { return owner_.IsAnother(); }

 private:
  explicit PollExecutor(qio::ReactorParts parts)
      : ReactorHost(std::move(parts), "poll") {}

  static absl::Status Elsewhere() {
    return absl::FailedPreconditionError("the loop runs on another thread");
  }

  // Sleeps until a descriptor is ready, but `longest_ms` at most (-1: any
  // time), and calls what is to be called.
  void Turn(int longest_ms) {
    qio::Reactor& r = reactor();
    r.RunQueued();
    if (stop_) return;
    int timeout_ms = 0;
    if (r.Park()) {
      timeout_ms = r.TimeoutMs();
      if (timeout_ms < 0 || (longest_ms >= 0 && longest_ms < timeout_ms)) {
        timeout_ms = longest_ms;
      }
    }
    // This loop's own descriptors would stand here too.
    pollfd fds[] = {{r.poll_fd(), POLLIN, 0}};
    ::poll(fds, 1, timeout_ms);
    r.Unpark();
    if (fds[0].revents != 0) r.PollDescriptors(0);
  }

  qio::OwnerThread owner_;
  bool stop_ = false;
};

static_assert(qio::Executor<PollExecutor>);

#endif  // DOWNSTREAM_POLL_EXECUTOR_H_
