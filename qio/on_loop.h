// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/on_loop.h
//
// OnLoop<E> is the witness: whoever holds an OnLoop<E>& runs on the loop of an
// executor of type E, now. A function that may only be called there takes one
// as its first parameter, so a call from elsewhere does not compile.
//
//   bool Cancel(qio::OnLoop<Loop>& on);  // Owning loop; no comment needed.
//
// Callbacks receive it, and E::Enter() gives a program its first one. It lives
// inside the executor, so a reference to it dangles only where the executor
// itself is gone.

#ifndef QIO_ON_LOOP_H_
#define QIO_ON_LOOP_H_

#include <cstddef>

#include "qio/config.h"

namespace qio::inline QIO_ABI {

template <class E>
class ReactorHost;

template <class E>
class OnLoop {
 public:
  using qio_sendable = void;  // Stays on its loop.

  OnLoop() = delete;               // qio: only an executor makes a witness
  OnLoop(const OnLoop&) = delete;  // qio: pass a witness on as OnLoop<E>&
  OnLoop& operator=(const OnLoop&) = delete;
  void operator&() const = delete;  // qio: a witness has no address to keep
  static void* operator new(std::size_t) = delete;  // qio: no witness on a heap
  static void* operator new[](std::size_t) = delete;
  static void* operator new(  // qio: a witness stays where it is
      std::size_t, void*) = delete;

  // The executor whose loop this is.
  E& executor() const noexcept { return executor_; }

 private:
  friend class ReactorHost<E>;
  explicit OnLoop(E& e) : executor_(e) {}  // qio: only an executor makes one

  E& executor_;
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_ON_LOOP_H_
