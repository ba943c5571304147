// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/reactor_host.h
//
// For authors of executors. ReactorHost<E> is the base of an executor: it owns
// the reactor and the witness, and chooses the workers. E passes itself, is
// final, and says in its constructor what it is called:
//
//   class PollExecutor final : public qio::ReactorHost<PollExecutor> { ... };
//
// In E, reactor() is the reactor and on() the witness, to be handed to what
// runs on the loop and to nothing else.

#ifndef QIO_REACTOR_HOST_H_
#define QIO_REACTOR_HOST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/stall.h"
#include "qio/worker_pool.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

template <class E>
class ReactorHost {
 public:
  ReactorHost(const ReactorHost&) = delete;
  ReactorHost& operator=(const ReactorHost&) = delete;

  // Gives the executor workers to use, perhaps shared with others, in place of
  // the pool it would make itself; null: a new one of those. Those used so far
  // are let go, which waits for them if nobody else has them.
  void UseWorkers(OnLoop<E>& on, std::shared_ptr<Workers> workers,
                  Lane lane = Lane::kDefault);

  // The workers of a lane: the default pools are made with the first task, or
  // here.
  Workers& workers(OnLoop<E>& on, Lane lane = Lane::kDefault);

  // Where this executor reports what nobody is there to be told.
  void SetDiagnostics(OnLoop<E>&, Diagnostics diagnostics) {
    reactor_.set_diagnostics(diagnostics);
  }

  // Has a function called for every callback that blocks the loop for too long;
  // {} for none. It is called behind that callback.
  void SetStallHook(OnLoop<E>&, StallHook hook) noexcept {
    reactor_.set_stall_hook(hook);
  }

  // How many pauses, at most, the loop spins before it sleeps while a worker
  // is out; 0 never spins.
  void SetSpinLimit(OnLoop<E>&, std::uint32_t pauses_max) {
    reactor_.set_spin_limit(pauses_max);
  }

  // How many bytes of posts from LoopRefs may wait for the loop: beyond, Post()
  // returns Busy. A post counts with the size of what qio allocates for it, its
  // arguments included but not what those own elsewhere: some 64 bytes for one
  // with a string. Results of tasks are never refused and do not count.
  // kNoMailLimit, as at first, neither limits nor counts. What was posted
  // before the first limit is not counted.
  static constexpr std::size_t kNoMailLimit =
      internal_loop_core::LoopCore::kNoMailLimit;
  void SetMailLimit(OnLoop<E>&, std::size_t bytes_max) noexcept {
    internal_reactor::Access::core(reactor_)->set_mail_limit(bytes_max);
  }

  // How many of them wait now.
  std::size_t mail_bytes(OnLoop<E>&) noexcept {
    return internal_reactor::Access::core(reactor_)->mail_bytes();
  }

  // Started tasks, armed watches and timers, queued calls, live LoopRefs.
  std::int64_t outstanding(OnLoop<E>&) const noexcept {
    return reactor_.outstanding();
  }

 private:
  friend E;
  friend struct internal_reactor::Access;

  ReactorHost(ReactorParts parts, const char* kind) noexcept;
  ~ReactorHost() = default;

  Reactor& reactor() noexcept { return reactor_; }
  const Reactor& reactor() const noexcept { return reactor_; }
  OnLoop<E>& on() noexcept {
    reactor_.CheckProcess();
    return on_;
  }

  OnLoop<E> on_;
  Reactor reactor_;
};

// ---------------------------------------------------------------------------

template <class E>
ReactorHost<E>::ReactorHost(ReactorParts parts, const char* kind) noexcept
    : on_(static_cast<E&>(*this)),
      reactor_(std::move(parts),
               Reactor::Host{
                   kind, static_cast<E*>(this), std::addressof(on_),
                   [](const void* executor) noexcept {
                     return static_cast<const E*>(executor)->RunsElsewhere();
                   },
                   [](Lane lane) -> std::shared_ptr<Workers> {
                     return std::make_shared<WorkerPool>(
                         lane == Lane::kDns ? WorkerPool::Options::Dns()
                                            : WorkerPool::Options());
                   }}) {}

template <class E>
void ReactorHost<E>::UseWorkers(OnLoop<E>&, std::shared_ptr<Workers> workers,
                                Lane lane) {
  internal_reactor::Access::UseWorkers(reactor_, lane, std::move(workers));
}

template <class E>
Workers& ReactorHost<E>::workers(OnLoop<E>&, Lane lane) {
  internal_reactor::Access::EnsureWorkers(reactor_);
  return internal_reactor::Access::workers(reactor_, lane);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_REACTOR_HOST_H_
