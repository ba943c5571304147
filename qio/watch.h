// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/watch.h
//
// Watch<E> calls a function on the loop while a condition holds on a
// descriptor that is somebody else's: a library's, a pipe's, a device's. (A
// socket of qio's own has its watches on its channel.) QEMU:
// qio_channel_add_watch_full; GLib: g_unix_fd_add_full.
//
//   qio::Watch<Loop> watch;
//   absl::Status status = watch.Start(on, fd, qio::Condition::kIn,
//       [this](qio::OnLoop<Loop>& on, qio::Condition ready) { Read(on); });
//
// It is level-triggered: unread data means another call. Stop it before the
// descriptor is closed.

#ifndef QIO_WATCH_H_
#define QIO_WATCH_H_

#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/internal/held_callback.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

template <class E>
class Watch {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.

  // Watches nothing.
  Watch() = default;
  Watch(Watch&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)) {}
  Watch(const Watch&) = delete;  // qio: a watch has one owner; move it
  Watch& operator=(Watch other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  // As Stop().
  //
  // Affinity:  owning loop, which checked builds check; or any thread once
  //            the executor is gone.
  ~Watch() { Retire(); }

  // Watch::Start()
  //
  // Calls callback(on, ready) whenever `wanted` holds on `fd`, and when an
  // error or a hang-up stands, wanted or not (poll(2)); `ready` says which.
  // What this object watched before ends first. Several watches on one
  // descriptor are independent.
  //
  // An error or hang-up that stands after 16 calls in a row disarms the watch
  // and is reported: nobody was looking, and the loop would spin (WA-08).
  //
  // Ownership: `fd` stays the caller's, who keeps it open until Stop().
  // Destroys:  `callback` on the loop: at Stop(), at the next Start(), or when
  //            this object or the executor ends; never while it runs.
  // Errors:    of epoll_ctl(2), with their errno: EPERM for a regular file,
  //            EBADF, ENOSPC, ENOMEM. The watch is inert then. Throws
  //            std::bad_alloc.
  // Cost:      one system call; no allocation in steady state.
  template <class F>
  Status Start(OnLoop<E>& on,  // qio: pass the witness of its loop
               int fd, Condition wanted, F callback);

  // Wants something else from now on: also events that were there already are
  // seen with the new eyes.
  //
  // Errors:  kFailedPrecondition if nothing is watched; of epoll_ctl(2), after
  //          which the old condition stands.
  Status SetInterest(OnLoop<E>& on,  // qio: pass the witness of its loop
                     Condition wanted);

  // No call starts after this returns.
  void Stop(OnLoop<E>& on) {  // qio: pass the witness of its loop
    if (state_ != nullptr) {
      internal_reactor::CheckSameLoop(on, state_->core(), "a Watch");
    }
    Retire();
  }

  // False before Start(), after Stop(), and when it was disarmed.
  bool armed() const noexcept { return state_ != nullptr && state_->fd >= 0; }

 private:
  using Access = internal_reactor::Access;
  using LoopCore = internal_reactor::LoopCore;
  using WatchNode = internal_reactor::WatchNode;
  using Held = internal_held_callback::HeldCallback<WatchNode>;

  struct State : Held {
    using Held = Watch::Held;

    using Held::Held;

    template <class Function>
    static constexpr typename Held::Ops kOps{
        {[](WatchNode* node, Condition ready, void* on) {
           auto& self = static_cast<Function&>(*static_cast<State*>(node));
           typename Held::Running running(self);
           internal_reactor::Access::Calling<typename Function::Callback>(
               *self.core().reactor());
           self.f()(*static_cast<OnLoop<E>*>(on), ready);
         },
         [](WatchNode* node) noexcept { static_cast<State*>(node)->Drop(); }},
        &Function::Destroy,
        sizeof(Function)};
  };
  // A callback of one pointer fits into a cache line with it.
  static_assert(sizeof(State) + sizeof(void*) <=
                internal_block_pool::BlockPool::kAlignment);

  void Retire() noexcept {
    // Once more if what the callback held started this watch anew as it went.
    while (state_ != nullptr) {
      State& state = *std::exchange(state_, nullptr);
      internal_reactor::CheckMayTouch(state.core(), "a Watch");
      if (Reactor* reactor = state.core().reactor()) {
        Access::RemoveWatch(*reactor, state);
      }
      state.Retire();
    }
  }

  State* state_ = nullptr;
};

// ---------------------------------------------------------------------------

template <class E>
template <class F>
Status Watch<E>::Start(OnLoop<E>& on, int fd, Condition wanted, F callback) {
  static_assert(std::is_invocable_v<F&, OnLoop<E>&, Condition>,
                "qio: a watch calls callback(on, ready): let it take an "
                "OnLoop<E>& of the same loop and a qio::Condition");
  Retire();
  Reactor& reactor = Access::Of(on);
  State* state = internal_held_callback::WithFunction<State, F>::New(
      reactor, std::move(callback));
  if (const int error = Access::AddWatch(reactor, *state, fd, wanted)) {
    state->Retire();
    return ErrnoStatus(error, "watch descriptor " + std::to_string(fd));
  }
  state_ = state;
  return absl::OkStatus();
}

template <class E>
Status Watch<E>::SetInterest(  // qio: pass the witness of its loop
    OnLoop<E>& on, Condition wanted) {
  if (!armed()) {
    return absl::FailedPreconditionError("the watch is not armed");
  }
  internal_reactor::CheckSameLoop(on, state_->core(), "a Watch");
  const int fd = state_->fd;
  if (const int error = Access::SetInterest(Access::Of(on), *state_, wanted)) {
    return ErrnoStatus(error, "watch descriptor " + std::to_string(fd));
  }
  return absl::OkStatus();
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_WATCH_H_
