// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/worker_context.h
//
// What a worker is given besides its arguments: it asks by the types of its
// first parameters, a token to be stopped by and then a Progress<P>.

#ifndef QIO_INTERNAL_WORKER_CONTEXT_H_
#define QIO_INTERNAL_WORKER_CONTEXT_H_

#include <stop_token>
#include <tuple>
#include <type_traits>

#include "qio/config.h"
#include "qio/progress.h"
#include "qio/reactor.h"
#include "qio/stop_token.h"

namespace qio::inline QIO_ABI {
namespace internal_worker_context {

// The first two parameters of a function, without references; void where there
// is none, or where it cannot be told: a generic lambda.
template <class First = void, class Second = void>
struct Parameters {
  using P1 = std::remove_cvref_t<First>;
  using P2 = std::remove_cvref_t<Second>;
};

template <class F>
struct OfMember : Parameters<> {};
template <class R, class C>
struct OfMember<R (C::*)() const> : Parameters<> {};
template <class R, class C, class A>
struct OfMember<R (C::*)(A) const> : Parameters<A> {};
template <class R, class C, class A, class B, class... Rest>
struct OfMember<R (C::*)(A, B, Rest...) const> : Parameters<A, B> {};
template <class R, class C, class... A>
struct OfMember<R (C::*)(A...)> : OfMember<R (C::*)(A...) const> {};
template <class R, class C, class... A>
struct OfMember<R (C::*)(A...) noexcept> : OfMember<R (C::*)(A...) const> {};
template <class R, class C, class... A>
struct OfMember<R (C::*)(A...) const noexcept>
    : OfMember<R (C::*)(A...) const> {};

template <class F>
struct Of : Parameters<> {};
template <class F>
  requires requires { &F::operator(); }
struct Of<F> : OfMember<decltype(&F::operator())> {};
template <class R, class... A>
struct Of<R (*)(A...)> : OfMember<R (Parameters<>::*)(A...) const> {};
template <class R, class... A>
struct Of<R (*)(A...) noexcept> : OfMember<R (Parameters<>::*)(A...) const> {};

template <class T>
inline constexpr bool kIsToken =
    std::is_same_v<T, StopToken> || std::is_same_v<T, std::stop_token>;

template <class T>
struct ValueOfProgress {
  using Type = void;
};
template <class P>
struct ValueOfProgress<Progress<P>> {
  using Type = P;
};

// What comes before the arguments of a worker, in a tuple.
template <class Token, class Value>
struct LeadOf {
  using Type = std::tuple<Token, Progress<Value>>;
};
template <class Token>
struct LeadOf<Token, void> {
  using Type = std::tuple<Token>;
};
template <class Value>
struct LeadOf<void, Value> {
  using Type = std::tuple<Progress<Value>>;
};
template <>
struct LeadOf<void, void> {
  using Type = std::tuple<>;
};

// Token: StopToken, std::stop_token or void. Value: the P of its Progress<P>,
// or void.
template <class Worker>
struct Context {
  using P1 = typename Of<Worker>::P1;
  using P2 = typename Of<Worker>::P2;
  using Token = std::conditional_t<kIsToken<P1>, P1, void>;
  using Value =
      typename ValueOfProgress<std::conditional_t<kIsToken<P1>, P2, P1>>::Type;
  using Lead = typename LeadOf<Token, Value>::Type;

  static constexpr bool kHasStopSource = std::is_same_v<Token, std::stop_token>;
  static constexpr bool kHasProgress = !std::is_void_v<Value>;
};

// F called with what is in the tuple Lead, then Args.
template <class F, class Lead, class... Args>
struct Call;
template <class F, class... Lead, class... Args>
struct Call<F, std::tuple<Lead...>, Args...> {
  static constexpr bool kIsPossible = std::is_invocable_v<F&, Lead..., Args...>;
  using Result = std::invoke_result<F&, Lead..., Args...>;
};

struct NoStopSource {
  explicit NoStopSource(std::nostopstate_t) noexcept {}
};

// What the task keeps for its worker until it is over: the other ends of what
// the worker was given.
//
// Affinity:  owning loop; after the executor is gone, where the task ends.
template <class E, class Context>
struct State {
  explicit State(internal_reactor::LoopCore& core) noexcept : delivery(core) {}

  // Nobody wants the result any more.
  void GiveUp() noexcept {
    if constexpr (Context::kHasProgress) delivery.Unlisten();
    if constexpr (Context::kHasStopSource) stop.request_stop();
  }

  [[no_unique_address]] internal_progress::DeliveryOf<
      E, typename Context::Value> delivery;
  [[no_unique_address]] std::conditional_t<Context::kHasStopSource,
                                           std::stop_source, NoStopSource> stop{
      std::nostopstate};
};

}  // namespace internal_worker_context
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_WORKER_CONTEXT_H_
