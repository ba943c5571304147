// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/owner_thread.h
//
// For authors of executors. OwnerThread is which thread is on a loop now, where
// the host itself does not know.

#ifndef QIO_OWNER_THREAD_H_
#define QIO_OWNER_THREAD_H_

#include <pthread.h>

#include <atomic>
#include <string>

#include "qio/config.h"
#include "qio/diagnostics.h"

namespace qio::inline QIO_ABI {

// Affinity:  any thread, all of it.
class OwnerThread {
 public:
  bool IsMe() const noexcept {
    return owner_.load(std::memory_order_relaxed) == pthread_self();
  }
  bool IsAnother() const noexcept {
    const pthread_t owner = owner_.load(std::memory_order_relaxed);
    return owner != kNobody && owner != pthread_self();
  }

  void DieUnlessFree(const char* what) const {
    if (owner_.load(std::memory_order_relaxed) == kNobody) return;
    internal_diagnostics::Die(std::string("qio: ") + what +
                              " was destroyed while its loop runs");
  }

  // Makes this thread the owner for a scope. False: another one is. Nested
  // scopes of the owner are fine.
  class Owning {
   public:
    explicit Owning(OwnerThread& thread) noexcept : thread_(thread) {
      pthread_t owner = kNobody;
      // Acquire pairs with the release in the destructor: what the previous
      // owner did on the loop is done.
      outermost_ = thread_.owner_.compare_exchange_strong(
          owner, pthread_self(), std::memory_order_acquire);
      owns_ = outermost_ || owner == pthread_self();
    }
    Owning(const Owning&) = delete;
    Owning& operator=(const Owning&) = delete;
    ~Owning() { Release(); }

    explicit operator bool() const noexcept { return owns_; }
    bool outermost() const noexcept { return outermost_; }

    // Ends the scope early.
    void Release() noexcept {
      if (outermost_) {
        thread_.owner_.store(kNobody, std::memory_order_release);
      }
      outermost_ = owns_ = false;
    }

   private:
    OwnerThread& thread_;
    bool outermost_;
    bool owns_;
  };

 private:
  // No thread has this handle on Linux, where it is an address.
  static constexpr pthread_t kNobody = 0;

  std::atomic<pthread_t> owner_{kNobody};
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_OWNER_THREAD_H_
