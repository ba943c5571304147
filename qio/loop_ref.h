// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/loop_ref.h
//
// LoopRef<E> is a loop for everyone who is not on it: it may be copied, sent
// to any thread and kept beyond the loop's end, and all it can do is post.
//
//   qio::LoopRef<Loop> loop(on);
//   std::thread([loop] {
//     absl::Status status = loop.Post(
//         [](qio::OnLoop<Loop>& on, std::string line) { Print(on, line); },
//         ReadLine());
//   }).detach();
//
// A live LoopRef keeps a loop running that stops when idle.

#ifndef QIO_LOOP_REF_H_
#define QIO_LOOP_REF_H_

#include <cstddef>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/internal/post_blocks.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/sendable.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {
namespace internal_loop_ref {

using internal_loop_core::LoopCore;
using internal_mailbox::Node;

template <class E, class F, class... Args>
struct RemoteCall : Node {
  template <class... Given>
  RemoteCall(LoopCore& c, std::size_t bytes, F function, Given&&... given)
      : core(c), room(bytes), f(function), args(std::forward<Given>(given)...) {
    run = &Run;
  }

  static void Run(Node* self, void* on) {
    // Gone when the function has returned or thrown, on the loop.
    struct Disposer {
      ~Disposer() {
        LoopCore& core = call->core;
        call->~RemoteCall();
        core.returned().template Give<RemoteCall>(call);
      }
      RemoteCall* call;
    } disposer{static_cast<RemoteCall*>(self)};
    RemoteCall& call = *disposer.call;
    call.core.GiveRoomBack(call.room);
    if (on == nullptr) {
      ++internal_reactor::Access::calls_lost(*call.core.reactor());
      return;
    }
    internal_reactor::Access::Calling<F>(*call.core.reactor());
    std::apply(
        [&](Args&... a) {
          call.f(*static_cast<OnLoop<E>*>(on), std::move(a)...);
        },
        call.args);
  }

  LoopCore& core;
  const std::size_t room;  // What it takes of the limit on mail.
  [[no_unique_address]] F f;
  std::tuple<Args...> args;
};

// Moves an argument back to where it came from, if it was moved from there.
template <class Given, class Arg>
void GiveBack(Given&& given, Arg& arg) {
  if constexpr (!std::is_lvalue_reference_v<Given> &&
                std::is_assignable_v<Given&, Arg&&>) {
    given = std::move(arg);
  }
}

// Also without memory for a text.
inline absl::Status IsGone() noexcept {
  return internal_status::MakeOrCode(absl::StatusCode::kFailedPrecondition, [] {
    return ClosedError("the loop is gone");
  });
}
inline absl::Status IsFull() noexcept {
  return internal_status::MakeOrCode(absl::StatusCode::kResourceExhausted, [] {
    return BusyError("the loop's mail is at its limit");
  });
}
inline absl::Status HasNoMemory() noexcept {
  return internal_status::MakeOrCode(absl::StatusCode::kResourceExhausted, [] {
    return BusyError("no memory to post to the loop");
  });
}

template <class F>
inline constexpr bool kIsCaptureless =
    std::is_empty_v<F> ||
    (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>);

}  // namespace internal_loop_ref

// Affinity:  any thread, but for the constructor that takes a witness.
template <class E>
class LoopRef {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = LoopRef;

  explicit LoopRef(OnLoop<E>& on) noexcept
      : core_(&internal_reactor::Access::CoreOf(on)) {
    if (core_->AddRefOnLoop()) {
      internal_reactor::Access::refs(internal_reactor::Access::Of(on)) = 1;
    }
  }
  LoopRef(const LoopRef& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->AddRef();
  }
  LoopRef(LoopRef&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)) {}
  LoopRef& operator=(LoopRef other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~LoopRef() {
    if (core_ != nullptr) core_->DropRef();
  }

  // LoopRef::Post()
  //
  // Queues f(on, args...) for the loop, and wakes it if it sleeps. `f` captures
  // nothing; the arguments are moved in and Sendable.
  //
  // Order:     what one thread posts is called in that order.
  // Destroys:  the arguments after the call; or un-invoked where the executor
  //            is destroyed, which reports it.
  // Errors:    Closed if the executor is gone, Busy (kResourceExhausted) if
  //            there is no memory, or no room within the limit that the loop
  //            has set (SetMailLimit). Arguments given as rvalues are in place
  //            then.
  // Cost:      no allocation in steady state, if f and the arguments take 96
  //            bytes at most; a wake-up only if the loop sleeps.
  template <class F, class... Args>
  Status Post(F f, Args&&... args) const;

 private:
  internal_loop_core::LoopCore* core_;
};

// Frees what the calling thread keeps for its next posts: after a burst, blocks
// of 64 bytes and of 128, a MiB of each at most, out of chunks of 8 KiB that
// are freed as a whole. They end with the thread otherwise.
//
// Affinity:  any thread.
inline void FreePostCache() noexcept { internal_post_blocks::FreeCache(); }

// ---------------------------------------------------------------------------

template <class E>
template <class F, class... Args>
Status LoopRef<E>::Post(F f, Args&&... args) const {
  static_assert(internal_loop_ref::kIsCaptureless<F>,
                "qio: what is posted from another thread captures nothing; "
                "pass what it needs as arguments: Post(f, args...)");
  static_assert(
      (internal_sendable::RequireSendableArgument<std::decay_t<Args>>::kOk &&
       ...));
  static_assert(std::is_invocable_v<F&, OnLoop<E>&, std::decay_t<Args>...>,
                "qio: Post(f, args...) calls f(on, args...): let f take an "
                "OnLoop<E>& of that loop, then the arguments");
  using Call = internal_loop_ref::RemoteCall<E, F, std::decay_t<Args>...>;
  if (core_->closed()) return internal_loop_ref::IsGone();
  std::size_t room = internal_post_blocks::kSizeOf<Call>;
  if (!core_->TakeRoom(room)) return internal_loop_ref::IsFull();
  // Gives back what was taken, unless the loop has got it.
  struct Guard {
    ~Guard() {
      if (!is_mine) return;
      core.GiveRoomBack(room);
      if (memory != nullptr) internal_post_blocks::Free<Call>(memory);
    }
    internal_loop_core::LoopCore& core;
    std::size_t room;
    void* memory;
    bool is_mine = true;
  } guard{*core_, room,
          internal_post_blocks::Allocate<Call>(core_->returned())};
  if (guard.memory == nullptr) return internal_loop_ref::HasNoMemory();
  Call* call =
      ::new (guard.memory) Call(*core_, room, f, std::forward<Args>(args)...);
  guard.is_mine = false;
  if (core_->Post(call)) return absl::OkStatus();
  // It closed in between.
  std::apply(
      [&](auto&... moved) {
        (internal_loop_ref::GiveBack(std::forward<Args>(args), moved), ...);
      },
      call->args);
  guard.is_mine = true;
  call->~Call();
  return internal_loop_ref::IsGone();
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_LOOP_REF_H_
