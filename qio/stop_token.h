// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/stop_token.h
//
// StopToken tells a worker that nobody waits for it any more: its task was
// cancelled, or its scope or its executor ended. A worker that can stop early
// takes one as its first parameter, and is given one by RunInThread():
//
//   qio::RunInThread(on, [](qio::StopToken stop, std::string path) {
//     Hasher hasher(path);
//     while (!stop.stop_requested() && hasher.Next()) {
//     }
//     return hasher.Digest();
//   }, path).Then(...);
//
// It costs nothing. A worker may take a std::stop_token in its place, for
// functions that want one, or to be woken by a std::stop_callback: that costs
// one allocation a task.
//
// QEMU has no such thing: a QIOTask runs to its end.

#ifndef QIO_STOP_TOKEN_H_
#define QIO_STOP_TOKEN_H_

#include <atomic>

#include "qio/config.h"

namespace qio::inline QIO_ABI {

namespace internal_task {
struct TaskMaker;
}  // namespace internal_task

// Affinity:  worker thread, and whom the worker lends it to, until the worker
//            has returned.
class StopToken {
 public:
  using qio_sendable = void;  // Stays with its worker.

  // True, from some moment on, if the result is not wanted any more. What the
  // worker returns then is dropped.
  //
  // Cost:  one relaxed load.
  bool stop_requested() const noexcept {
    return skip_->load(std::memory_order_relaxed);
  }

 private:
  friend struct internal_task::TaskMaker;

  explicit StopToken(const std::atomic<bool>& skip) noexcept : skip_(&skip) {}

  const std::atomic<bool>* skip_;
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_STOP_TOKEN_H_
