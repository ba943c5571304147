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
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
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
  // What depends on the callback's type.
  struct Ops : Node::Ops {
    void (*destroy)(HeldCallback*) noexcept;
    std::size_t size;  // Of the block.
  };

  HeldCallback(const HeldCallback&) = delete;
  HeldCallback& operator=(const HeldCallback&) = delete;

  // There is no callback, and room for one of the type that `ops` belongs to.
  bool CanTake(const Ops& ops) const noexcept {
    return dropped_ && running_ == 0 && this->ops == &ops;
  }

  // Ends the callback and gives the block back: now or, if the callback runs,
  // when it returns. It is never destroyed under its own feet. The caller has
  // taken the node out of the reactor.
  void Retire() noexcept {
    retired_ = dropped_ = true;
    const Running now(*this);
  }

  // Ends the callback, now or when it returns; the block stays with its owner.
  [[gnu::always_inline]] void Drop() noexcept {
    dropped_ = true;
    if (must_destroy_) [[unlikely]]
      EndCallback();
  }

  LoopCore& core() const noexcept { return core_; }

 protected:
  HeldCallback(LoopCore& core, const Ops& ops) noexcept : core_(core) {
    this->ops = &ops;
  }
  ~HeldCallback() = default;

  // Exists while the callback runs, or ends; then does what was put off
  // meanwhile.
  class Running {
   public:
    explicit Running(HeldCallback& held) noexcept : held_(held) {
      ++held_.running_;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    [[gnu::always_inline]] ~Running() {
      // Still counted: what the callback held may come back here as it goes.
      if (held_.must_destroy_ && held_.dropped_ && held_.running_ == 1) {
        held_.must_destroy_ = false;
        held_.own_ops().destroy(&held_);
      }
      if (--held_.running_ == 0 && held_.retired_) [[unlikely]] {
        internal_reactor::ReleaseBlock(held_.core_, &held_,
                                       held_.own_ops().size);
      }
    }

   private:
    HeldCallback& held_;
  };

 private:
  template <class, class>
  friend class WithFunction;

  [[gnu::noinline]] void EndCallback() noexcept { const Running now(*this); }

  const Ops& own_ops() const noexcept {
    return static_cast<const Ops&>(*this->ops);
  }

  std::int16_t running_ = 0;  // Calls that have not returned: nested loops.
  bool retired_ = false;
  bool dropped_ = true;        // There is no callback, or it is to end.
  bool must_destroy_ = false;  // There is one, which is not trivial to end.
  LoopCore& core_;
};

// The callback itself, behind the part that `State` (a HeldCallback) holds.
template <class State, class F>
class WithFunction final : public State {
 public:
  using Callback = F;

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
    auto* made = ::new (memory) WithFunction(core);
    made->Put(std::move(f));
    guard.memory = nullptr;
    return made;
  }

  // The next callback of the same type, where there is none.
  void Put(F&& f) {
    ::new (static_cast<void*>(std::addressof(f_))) F(std::move(f));
    if constexpr (!std::is_trivially_destructible_v<F>) {
      this->must_destroy_ = true;
    }
    this->dropped_ = false;
  }

  F& f() noexcept { return f_; }

  static void Destroy(typename State::Held* self) noexcept {
    std::destroy_at(std::addressof(static_cast<WithFunction*>(self)->f_));
  }

 private:
  explicit WithFunction(LoopCore& core)
      : State(core, State::template kOps<WithFunction>) {}
  ~WithFunction() {}  // Never called: see HeldCallback::Running.

  union {
    F f_;  // Ends before the block does.
  };
};

}  // namespace internal_held_callback
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_HELD_CALLBACK_H_
