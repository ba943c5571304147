// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/loop_object.h
//
// For the libraries above the core: what channels, listeners and operations are
// made of, in recycled memory of their loop:
// LoopPtr<T>, an object that several things on the loop refer to, and
// LoopFunction<E, Args...>, a function of the user's. Both may outlive the
// executor.
//
// Affinity:  owning loop; after the executor is gone, where the owner is.

#ifndef QIO_LOOP_OBJECT_H_
#define QIO_LOOP_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "qio/config.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"

namespace qio::inline QIO_ABI {
namespace internal_loop_object {

using internal_loop_core::LoopCore;
using internal_reactor::Access;

// A T in a block of the loop of `on`. Throws what its constructor throws; the
// block is back then.
template <class T, class E, class... Args>
T* NewInBlock(OnLoop<E>& on, Args&&... args) {
  static_assert(alignof(T) <= internal_block_pool::BlockPool::kAlignment,
                "qio: a callback must not be aligned beyond a cache line");
  LoopCore& core = Access::CoreOf(on);
  struct Guard {
    ~Guard() {
      if (memory != nullptr) {
        internal_reactor::ReleaseBlock(core, memory, sizeof(T));
      }
    }
    LoopCore& core;
    void* memory;
  } guard{core, internal_reactor::HoldBlock(Access::Of(on), sizeof(T))};
  T* made = ::new (guard.memory) T(core, std::forward<Args>(args)...);
  guard.memory = nullptr;
  return made;
}

template <class T>
void DeleteInBlock(T* object) noexcept {
  LoopCore& core = object->core();
  object->~T();
  internal_reactor::ReleaseBlock(core, object, sizeof(T));
}

// The base of what a LoopPtr points to.
class LoopObject {
 public:
  explicit LoopObject(LoopCore& core) noexcept : core_(core) {}
  LoopObject(const LoopObject&) = delete;
  LoopObject& operator=(const LoopObject&) = delete;

  LoopCore& core() const noexcept { return core_; }

  // The witness, for what is called without one. The executor still lives.
  template <class E>
  OnLoop<E>& on() const noexcept {
    return *static_cast<OnLoop<E>*>(Access::witness(*core_.reactor()));
  }

 protected:
  ~LoopObject() = default;

 private:
  template <class>
  friend class LoopPtr;

  LoopCore& core_;
  std::int32_t references_ = 0;
};

template <class T>
class LoopPtr {
 public:
  LoopPtr() = default;
  explicit LoopPtr(T* object) noexcept : object_(object) {
    if (object_ != nullptr) ++object_->references_;
  }
  LoopPtr(const LoopPtr& other) noexcept : LoopPtr(other.object_) {}
  LoopPtr(LoopPtr&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)) {}
  LoopPtr& operator=(LoopPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~LoopPtr() {
    if (object_ != nullptr && --object_->references_ == 0) {
      DeleteInBlock(object_);
    }
  }

  // Errors:  throws std::bad_alloc.
  template <class E, class... Args>
  static LoopPtr Make(OnLoop<E>& on, Args&&... args) {
    return LoopPtr(NewInBlock<T>(on, std::forward<Args>(args)...));
  }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

// A function called as f(on, args...), which may be replaced or ended while it
// runs, by itself too: it is destroyed when it has returned.
template <class E, class... Args>
class LoopFunction {
 public:
  LoopFunction() = default;

  // Errors:  throws std::bad_alloc, and what moving `f` throws.
  template <class F>
  LoopFunction(OnLoop<E>& on, F&& f)
      : held_(NewInBlock<With<std::decay_t<F>>>(on, std::forward<F>(f))) {}

  LoopFunction(LoopFunction&& other) noexcept
      : held_(std::exchange(other.held_, nullptr)) {}
  // What was held ends last, when this object is in order again.
  LoopFunction& operator=(LoopFunction&& other) noexcept {
    LoopFunction old(std::exchange(held_, std::exchange(other.held_, nullptr)));
    return *this;
  }
  ~LoopFunction() { Reset(); }

  void Reset() noexcept {
    Held* held = std::exchange(held_, nullptr);
    if (held == nullptr) return;
    held->is_retired = true;
    if (held->running == 0) held->end(held);
  }

  explicit operator bool() const noexcept { return held_ != nullptr; }

  // Nothing of this object is touched after the function has been called.
  void operator()(OnLoop<E>& on, Args... args) const {
    struct Running {
      explicit Running(Held& h) noexcept : held(h) { ++held.running; }
      ~Running() {
        if (--held.running == 0 && held.is_retired) [[unlikely]] {
          held.end(&held);
        }
      }
      Held& held;
    } running(*held_);
    running.held.call(running.held, on, std::forward<Args>(args)...);
  }

 private:
  struct Held {
    using Call = void(Held&, OnLoop<E>&, Args&&...);
    using End = void(Held*) noexcept;

    Held(LoopCore& c, Call* call_it, End* end_it) noexcept
        : call(call_it), end(end_it), loop_core(c) {}

    Call* const call;
    End* const end;
    LoopCore& loop_core;
    std::int32_t running = 0;  // Calls that have not returned: nested loops.
    bool is_retired = false;
  };

  template <class F>
  struct With final : Held {
    template <class Given>
    With(LoopCore& core, Given&& given)
        : Held(
              core,
              [](Held& self, OnLoop<E>& on, Args&&... args) {
                Access::Calling<F>(Access::Of(on));
                static_cast<With&>(self).f(on, std::forward<Args>(args)...);
              },
              [](Held* self) noexcept {
                DeleteInBlock(static_cast<With*>(self));
              }),
          f(std::forward<Given>(given)) {}

    LoopCore& core() const noexcept { return this->loop_core; }

    F f;
  };

  explicit LoopFunction(Held* held) noexcept : held_(held) {}

  Held* held_ = nullptr;
};

}  // namespace internal_loop_object
}  // namespace qio::inline QIO_ABI

#endif  // QIO_LOOP_OBJECT_H_
