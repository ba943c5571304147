// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/post.h
//
// Post() calls a function on the loop a little later, from the loop itself: to
// get out of a callback, or to cut work into turns. From another thread, post
// through a LoopRef.
//
//   qio::Post(on, [this](qio::OnLoop<Loop>& on) { Continue(on); });

#ifndef QIO_POST_H_
#define QIO_POST_H_

#include <type_traits>
#include <utility>

#include "qio/config.h"
#include "qio/executor.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"

namespace qio::inline QIO_ABI {
namespace internal_post {

using internal_loop_core::LoopCore;
using internal_mailbox::Node;
using internal_reactor::Access;

template <class E, class F>
struct Call : Node {
  Call(LoopCore& c, F&& function) : core(c), f(std::move(function)) {
    run = &Run;
  }

  static void Run(Node* self, void* on) {
    // Gone when the function has returned or thrown, on the loop.
    struct Disposer {
      ~Disposer() { internal_block_pool::Delete(call->core.blocks(), call); }
      Call* call;
    } disposer{static_cast<Call*>(self)};
    Call& call = *disposer.call;
    Reactor& reactor = *call.core.reactor();
    --Access::calls(reactor);
    if (on != nullptr) {
      Access::Calling<F>(reactor);
      call.f(*static_cast<OnLoop<E>*>(on));
    } else {
      ++Access::calls_lost(reactor);
    }
  }

  LoopCore& core;
  F f;
};

}  // namespace internal_post

// Post()
//
// Queues `f`, to be called as f(on) after this call returned, behind what is
// queued already and before the loop sleeps.
//
// Destroys:  `f` on the loop, after its call or with the executor.
// Errors:    throws std::bad_alloc if there is no memory; `f` is destroyed.
// Cost:      no allocation in steady state, no atomics, no system call.
template <class E, class F>
void Post(OnLoop<E>& on, F f) {  // qio: pass the witness of its loop
  static_assert(internal_executor::RequireExecutor<E>::kOk);
  static_assert(std::is_invocable_v<F&, OnLoop<E>&>,
                "qio: Post(on, f) calls f(on): let f take an OnLoop<E>& of the "
                "same loop");
  using Call = internal_post::Call<E, F>;
  Reactor& reactor = internal_reactor::Access::Of(on);
  auto& core = internal_reactor::Access::CoreOf(on);
  Call* call =
      internal_block_pool::New<Call>(core.blocks(), core, std::move(f));
  ++internal_reactor::Access::calls(reactor);
  internal_reactor::Access::Defer(reactor, *call);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_POST_H_
