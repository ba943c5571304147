// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executor.h
//
// Executor: the concept of an event loop that qio can run on, as a list of
// small requirements, each with a sentence for who misses it. Those in
// executors/ meet it; executors/README.md shows how a loop of your own does.

#ifndef QIO_EXECUTOR_H_
#define QIO_EXECUTOR_H_

#include <concepts>
#include <type_traits>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/on_loop.h"
#include "qio/reactor_host.h"

namespace qio::inline QIO_ABI {

// E has a reactor and a witness, and offers workers.
template <class E>
concept HostsAReactor = std::derived_from<E, ReactorHost<E>>;

// Nobody derives from E, so nobody else hands out its witness.
template <class E>
concept IsFinal = std::is_final_v<E>;

// E stays where it is: callbacks hold on to its address.
template <class E>
concept StaysInPlace = !std::is_move_constructible_v<E>;

// E says whether this thread is on its loop now.
template <class E>
concept KnowsItsLoop = requires(const E& executor) {
  { executor.IsOnLoop() } noexcept -> std::same_as<bool>;
};

// E says whether some other thread is.
template <class E>
concept KnowsOtherThreads = requires(const E& executor) {
  { executor.RunsElsewhere() } noexcept -> std::same_as<bool>;
};

// E calls a function on its loop at once, if this thread may be on it.
template <class E>
concept EntersItsLoop = requires(E& executor, void (&f)(OnLoop<E>&)) {
  { executor.Enter(f) } -> std::convertible_to<absl::Status>;
};

template <class E>
concept Executor = HostsAReactor<E> && IsFinal<E> && StaysInPlace<E> &&
                   KnowsItsLoop<E> && KnowsOtherThreads<E> && EntersItsLoop<E>;

namespace internal_executor {

// Says which requirement E misses. Class templates over an executor begin with
//   static_assert(internal_executor::RequireExecutor<E>::kOk);
template <class E>
struct RequireExecutor {
  static_assert(HostsAReactor<E>,
                "qio::Executor: E needs the public base qio::ReactorHost<E>");
  static_assert(IsFinal<E>,
                "qio::Executor: E needs to be final, so that nobody derives "
                "from it to forge a witness");
  static_assert(StaysInPlace<E>,
                "qio::Executor: E must be neither copied nor moved");
  static_assert(KnowsItsLoop<E>,
                "qio::Executor: E needs bool IsOnLoop() const noexcept");
  static_assert(KnowsOtherThreads<E>,
                "qio::Executor: E needs bool RunsElsewhere() const noexcept");
  static_assert(EntersItsLoop<E>,
                "qio::Executor: E needs absl::Status Enter(f), which calls "
                "f(OnLoop<E>&)");
  static constexpr bool kOk = true;
};

}  // namespace internal_executor
}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTOR_H_
