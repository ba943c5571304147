// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/held_callback.h
//
// What a Watch and a Timer have in common: a callback in a block of the loop's
// memory, which may be retired, by itself too, while it runs.

#ifndef QIO_INTERNAL_HELD_CALLBACK_H_
#define QIO_INTERNAL_HELD_CALLBACK_H_

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "qio/config.h"
#include "qio/reactor.h"

namespace qio::inline QIO_ABI {
namespace internal_held_callback {

using internal_loop_core::LoopCore;

// The part that does not know the callback's type. `Node`, a WatchNode or a
// TimerNode, is what the reactor calls.
//
// Affinity:  owning loop; after the executor is gone, where the owner is.
template <class Node>
class HeldCallback : public Node {
 public:
  HeldCallback(const HeldCallback&) = delete;
  HeldCallback& operator=(const HeldCallback&) = delete;

  // Ends the callback and gives the block back: now or, if the callback runs,
  // when it returns. It is never destroyed under its own feet. The caller has
  // taken the node out of the reactor.
  void Retire() noexcept {
    retired_ = true;
    if (running_ == 0) Destroy();
  }

  // Ends the callback, now or when it returns; the block stays with its owner.
  void Drop() noexcept {
    dropped_ = true;
    if (running_ == 0) DestroyFunction();
  }

  LoopCore& core() const noexcept { return core_; }

 protected:
  using DestroyIn = void(HeldCallback*) noexcept;

  HeldCallback(LoopCore& core, std::size_t size, DestroyIn* destroy) noexcept
      : core_(core), size_(size), destroy_(destroy) {}
  ~HeldCallback() = default;

  // Exists while the callback runs; then does what was put off meanwhile.
  class Running {
   public:
    explicit Running(HeldCallback& held) noexcept : held_(held) {
      ++held_.running_;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      if (--held_.running_ != 0) return;
      if (held_.retired_) {
        held_.Destroy();
      } else if (held_.dropped_) {
        held_.DestroyFunction();
      }
    }

   private:
    HeldCallback& held_;
  };

 private:
  void DestroyFunction() noexcept {
    dropped_ = true;
    if (auto* destroy = std::exchange(destroy_, nullptr)) destroy(this);
  }

  void Destroy() noexcept {
    DestroyFunction();
    internal_reactor::ReleaseBlock(core_, this, size_);
  }

  LoopCore& core_;
  const std::size_t size_;
  DestroyIn* destroy_;  // Of the callback; null when that is done.
  int running_ = 0;     // Calls that have not returned: nested loops.
  bool retired_ = false;
  bool dropped_ = false;
};

// The callback itself, behind the part that `State` (a HeldCallback) holds.
template <class State, class F>
class WithFunction final : public State {
 public:
  static WithFunction* New(Reactor& reactor, F&& f) {
    void* memory = internal_reactor::HoldBlock(reactor, sizeof(WithFunction));
    static_assert(
        alignof(WithFunction) <= internal_block_pool::BlockPool::kAlignment,
        "qio: a callback must not be aligned beyond a cache line");
    LoopCore& core = *internal_reactor::Access::core(reactor);
    struct Guard {
      ~Guard() {
        if (memory != nullptr) {
          internal_reactor::ReleaseBlock(core, memory, sizeof(WithFunction));
        }
      }
      LoopCore& core;
      void* memory;
    } guard{core, memory};
    auto* made = ::new (memory) WithFunction(core, std::move(f));
    guard.memory = nullptr;
    return made;
  }

  F& f() noexcept { return f_; }

 private:
  WithFunction(LoopCore& core, F&& f)
      : State(core, sizeof(WithFunction), &DestroyF,
              static_cast<WithFunction*>(nullptr)),
        f_(std::move(f)) {}
  ~WithFunction() {}  // Never called: see HeldCallback::Destroy().

  static void DestroyF(typename State::Held* self) noexcept {
    std::destroy_at(std::addressof(static_cast<WithFunction*>(self)->f_));
  }

  union {
    F f_;  // Ends before the block does.
  };
};

}  // namespace internal_held_callback
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_HELD_CALLBACK_H_
