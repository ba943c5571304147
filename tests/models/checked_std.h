// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// tests/models/checked_std.h
//
// Included before any header of qio, has those compiled against atomics, a
// mutex and a condition variable of the Relacy race detector. So what the
// models explore is qio's own code, line by line, under the C++ memory model:
// a relaxed load may return an old value, a compare_exchange_weak may fail for
// nothing, and a thread may be preempted before each operation.
//
// What stands in for std::atomic<T> is as large as T, since qio's layouts are
// asserted; what the checker knows of it is in a table beside. Memory that is
// aligned beyond the usual, as all of qio that threads share, is not used
// again while a run lasts: who touches an atomic in it after its end is found.

#ifndef QIO_TESTS_MODELS_CHECKED_STD_H_
#define QIO_TESTS_MODELS_CHECKED_STD_H_

// All of the standard library and of the system that qio's headers include:
// the macros at the end of this file are only for qio.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <source_location>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/optional.h"

// Not relacy.hpp, whose macros are for code that is written for it.
// clang-format off: the order matters.
#include <relacy/base.hpp>
#include <relacy/context.hpp>
#include <relacy/context_base_impl.hpp>
#include <relacy/backoff.hpp>
#include <relacy/atomic_fence.hpp>
#include <relacy/atomic.hpp>
#include <relacy/var.hpp>
#include <relacy/thread_local.hpp>
#include <relacy/test_suite.hpp>
#include <relacy/stdlib/mutex.hpp>
#include <relacy/stdlib/condition_variable.hpp>
#include <relacy/stdlib/semaphore.hpp>
#include <relacy/stdlib/event.hpp>
// clang-format on
#undef $

namespace models {

using Where = std::source_location;

inline rl::debug_info InfoOf(const Where& where) {
  return {where.function_name(), where.file_name(), where.line()};
}

[[noreturn]] inline void Fail(const char* why, rl::test_result_e what,
                              const Where& where = Where::current()) {
  rl::ctx().fail_test(why, what, InfoOf(where));
  std::abort();  // Not reached: it leaves this thread for good.
}

inline void Expect(bool condition, const char* promise,
                   const Where& where = Where::current()) {
  if (!condition) Fail(promise, rl::test_result_user_assert_failed, where);
}

// A thread may be preempted here.
inline void Preempt() { rl::ctx().sched(); }

// ---- Planted bugs.

// One thing that is wrong, at one place of qio.
struct Planted {
  enum class Kind {
    kNone,
    kWeaker,   // Operations in `function` of `order` have `weaker` instead.
    kBlind,    // Its compare_exchange stores without comparing.
    kSkipped,  // Its stores, exchanges and compare_exchanges do not store.
    kOther,    // Something in the model, called `function`.
  };
  Kind kind = Kind::kNone;
  std::string function = {};  // Its name, as in "Mailbox::Push".
  std::memory_order order = std::memory_order_relaxed;
  std::memory_order weaker = std::memory_order_relaxed;
};

inline Planted planted;

inline bool IsPlanted(std::string_view name) {
  return planted.kind == Planted::Kind::kOther && planted.function == name;
}
inline bool IsPlanted(Planted::Kind kind, const Where& where) {
  return planted.kind == kind &&
         std::strstr(where.function_name(), planted.function.c_str()) !=
             nullptr;
}

// Where a memory order other than relaxed is used.
struct Site {
  const char* function;
  const char* file;
  std::memory_order order;

  bool operator==(const Site&) const = default;  // Literals: by address.
};

// Those that were passed so far.
inline std::vector<Site>& SitesSeen() {
  static auto* sites = new std::vector<Site>();
  return *sites;
}

inline rl::memory_order OrderOf(std::memory_order order, const Where& where) {
  if (order != std::memory_order_relaxed) {
    auto& seen = SitesSeen();
    const Site site{where.function_name(), where.file_name(), order};
    if (std::find(seen.begin(), seen.end(), site) == seen.end()) {
      seen.push_back(site);
    }
    if (order == planted.order && IsPlanted(Planted::Kind::kWeaker, where)) {
      order = planted.weaker;
    }
  }
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_consume:
      return rl::mo_consume;
    case std::memory_order_acquire:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order_seq_cst:
      return rl::mo_seq_cst;
  }
  return rl::mo_seq_cst;
}

// ---- What the checker knows of objects, by their address.

class Shadows {
 public:
  static Shadows& Get() {
    static Shadows* shadows = new Shadows;
    return *shadows;
  }

  template <class S, class... Args>
  void Begin(const void* at, Args... args) {
    auto* shadow = static_cast<S*>(std::malloc(sizeof(S)));
    rl::ctx().disable_preemption();
    ::new (shadow) S(args...);
    rl::ctx().enable_preemption();
    entries_[at] = {shadow,
                    [](void* s) {
                      static_cast<S*>(s)->~S();
                      std::free(s);
                    },
                    BlockOf(at)};
  }
  void End(const void* at) {
    const auto found = entries_.find(at);
    if (found == entries_.end()) return;
    const Entry entry = found->second;
    entries_.erase(found);
    rl::ctx().disable_preemption();
    entry.end(entry.shadow);
    rl::ctx().enable_preemption();
  }
  template <class S>
  S& Of(const void* at, const Where& where) {
    const auto found = entries_.find(at);
    if (found == entries_.end()) {
      Fail("it has ended", rl::test_result_access_to_freed_memory, where);
    }
    if (found->second.block != nullptr) found->second.block->Use(where);
    return *static_cast<S*>(found->second.shadow);
  }

  void* Allocate(std::size_t size, std::size_t alignment) {
    void* memory = std::aligned_alloc(
        alignment, (size + alignment - 1) / alignment * alignment);
    if (rl::is_ctx()) {
      auto* block = static_cast<Block*>(std::calloc(1, sizeof(Block)));
      block->size = size;
      live_[memory] = block;
    }
    return memory;
  }
  void Free(void* memory) {
    if (memory == nullptr) return;
    const auto found = live_.find(memory);
    if (found == live_.end()) {
      if (rl::is_ctx()) Fail("freed twice", rl::test_result_double_free);
      return;
    }
    Block* const block = found->second;
    // Each use by another thread has to have happened before.
    block->End();
    const char* const begin = static_cast<char*>(memory);
    while (true) {
      const auto next = entries_.lower_bound(begin);
      if (next == entries_.end() || next->first >= begin + block->size) break;
      End(next->first);
    }
    live_.erase(found);
    freed_.push_back(memory);
    freed_.push_back(block);
  }

  void BeginRun() {
    // Whatever a run left behind that was given up when it failed.
    entries_.clear();
    live_.clear();
    freed_.clear();
  }
  void EndRun() {
    if (!live_.empty()) {
      Fail("memory is not given back", rl::test_result_memory_leak);
    }
    for (void* memory : freed_) std::free(memory);
    freed_.clear();
  }

 private:
  // Memory that was given out, and when each thread used it last.
  struct Block {
    using Uses = rl::var<int>;

    void Use(const Where& where) {
      Uses*& use = uses[rl::ctx().current_thread()];
      if (use == nullptr) use = ::new (std::malloc(sizeof(Uses))) Uses();
      (*use)(InfoOf(where)).store(1);
    }
    void End() {
      for (Uses*& use : uses) {
        if (use == nullptr) continue;
        (void)(*use)(InfoOf(Where::current())).load();
        use->~Uses();
        std::free(std::exchange(use, nullptr));
      }
    }

    std::size_t size;
    Uses* uses[8];
  };

  struct Entry {
    void* shadow;
    void (*end)(void*);
    Block* block;
  };

  Block* BlockOf(const void* at) const {
    auto after = live_.upper_bound(const_cast<void*>(at));
    if (after == live_.begin()) return nullptr;
    --after;
    const char* const begin = static_cast<const char*>(after->first);
    return at < begin + after->second->size ? after->second : nullptr;
  }

  rl::map<const void*, Entry>::type entries_;
  rl::map<void*, Block*>::type live_;
  rl::vector<void*>::type freed_;
};

// ---- For std::atomic<T>.

template <class T>
class Atomic {
 public:
  using value_type = T;

  Atomic() noexcept : Atomic(T()) {}
  Atomic(T value) noexcept { Shadows::Get().Begin<Shadow>(this, ToRaw(value)); }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
  ~Atomic() { Shadows::Get().End(this); }

  T load(std::memory_order order,
         Where where = Where::current()) const noexcept {
    return FromRaw(Of(where).load(OrderOf(order, where), InfoOf(where)));
  }
  void store(T value, std::memory_order order,
             Where where = Where::current()) noexcept {
    if (IsPlanted(Planted::Kind::kSkipped, where)) return;
    Of(where).store(ToRaw(value), OrderOf(order, where), InfoOf(where));
  }
  T exchange(T value, std::memory_order order,
             Where where = Where::current()) noexcept {
    if (IsPlanted(Planted::Kind::kSkipped, where)) {
      Preempt();
      return newest();
    }
    return FromRaw(
        Of(where).exchange(ToRaw(value), OrderOf(order, where), InfoOf(where)));
  }
  bool compare_exchange_weak(T& expected, T value, std::memory_order success,
                             std::memory_order failure,
                             Where where = Where::current()) noexcept {
    return Compare<true>(expected, value, success, failure, where);
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order success,
                               std::memory_order failure,
                               Where where = Where::current()) noexcept {
    return Compare<false>(expected, value, success, failure, where);
  }
  bool compare_exchange_weak(T& expected, T value, std::memory_order order,
                             Where where = Where::current()) noexcept {
    return Compare<true>(expected, value, order, LoadOf(order), where);
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order order,
                               Where where = Where::current()) noexcept {
    return Compare<false>(expected, value, order, LoadOf(order), where);
  }
  template <class D>
  T fetch_add(D by, std::memory_order order,
              Where where = Where::current()) noexcept {
    return Of(where).fetch_add(by, OrderOf(order, where), InfoOf(where));
  }
  template <class D>
  T fetch_sub(D by, std::memory_order order,
              Where where = Where::current()) noexcept {
    return Of(where).fetch_sub(by, OrderOf(order, where), InfoOf(where));
  }
  T fetch_and(T bits, std::memory_order order,
              Where where = Where::current()) noexcept {
    return Of(where).fetch_and(bits, OrderOf(order, where), InfoOf(where));
  }
  T fetch_or(T bits, std::memory_order order,
             Where where = Where::current()) noexcept {
    return Of(where).fetch_or(bits, OrderOf(order, where), InfoOf(where));
  }

  // What the kernel sees: the newest value.
  T newest(Where where = Where::current()) const noexcept {
    return FromRaw(Of(where).debug_value());
  }

 private:
  // Relacy prints values, and what a pointer points to may be no string.
  using Raw = std::conditional_t<std::is_pointer_v<T>, std::uintptr_t, T>;
  using Shadow = rl::atomic<Raw>;

  static Raw ToRaw(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<Raw>(value);
    } else {
      return value;
    }
  }
  static T FromRaw(Raw raw) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(raw);
    } else {
      return raw;
    }
  }

  Shadow& Of(const Where& where) const noexcept {
    return Shadows::Get().Of<Shadow>(this, where);
  }

  static std::memory_order LoadOf(std::memory_order order) noexcept {
    switch (order) {
      case std::memory_order_acq_rel:
        return std::memory_order_acquire;
      case std::memory_order_release:
        return std::memory_order_relaxed;
      default:
        return order;
    }
  }

  // Weaker on failure than a weakened success allows is not asked for.
  template <bool kWeak>
  bool Compare(T& expected, T value, std::memory_order success,
               std::memory_order failure, const Where& where) noexcept {
    const rl::memory_order on_success = OrderOf(success, where);
    if (IsPlanted(Planted::Kind::kSkipped, where)) return true;
    if (IsPlanted(Planted::Kind::kBlind, where)) {
      Of(where).exchange(ToRaw(value), on_success, InfoOf(where));
      return true;
    }
    const bool acquires = failure != std::memory_order_relaxed &&
                          on_success != rl::mo_relaxed &&
                          on_success != rl::mo_release;
    Raw raw = ToRaw(expected);
    const bool is_done = Of(where).compare_exchange(
        rl::bool_t<kWeak>(), raw, ToRaw(value), on_success,
        acquires ? rl::mo_acquire : rl::mo_relaxed, InfoOf(where));
    expected = FromRaw(raw);
    return is_done;
  }

  [[maybe_unused]] T value_;  // For its size; the value is in the shadow.
};

// ---- For plain data that one thread writes and another one reads: two that
// do so without one happening before the other are found.

template <class T>
class Plain {
 public:
  Plain(T value = T()) noexcept { Shadows::Get().Begin<Shadow>(this, value); }
  Plain(const Plain& other) noexcept : Plain(other.get()) {}
  Plain& operator=(const Plain& other) noexcept {
    set(other.get());
    return *this;
  }
  ~Plain() { Shadows::Get().End(this); }

  T get(Where where = Where::current()) const noexcept {
    return Shadows::Get().Of<Shadow>(this, where)(InfoOf(where)).load();
  }
  void set(T value, Where where = Where::current()) noexcept {
    Shadows::Get().Of<Shadow>(this, where)(InfoOf(where)).store(value);
  }

 private:
  using Shadow = rl::var<T>;
  [[maybe_unused]] T value_;
};

// ---- Sleeping: for the kernel's part. Nothing happens before anything by it,
// though it does in Linux: so that qio is seen not to depend on that.

class Sleepers {
 public:
  void Sleep(const Where& where = Where::current()) {
    threads_[count_++] = rl::ctx().current_thread();
    rl::ctx().park_current_thread(false, false, false, InfoOf(where));
  }
  void WakeOne(const Where& where = Where::current()) {
    if (count_ == 0) return;
    const rl::thread_id_t thread = threads_[0];
    std::copy(threads_ + 1, threads_ + count_, threads_);
    --count_;
    rl::ctx().unpark_thread(thread, false, InfoOf(where));
  }
  void WakeAll() {
    while (count_ != 0) WakeOne();
  }

 private:
  rl::thread_id_t threads_[8] = {};
  int count_ = 0;
};

// ---- For std::mutex and std::condition_variable.

class Mutex {
 public:
  void lock() { mutex_.lock(InfoOf(Where::current())); }
  void unlock() { mutex_.unlock(InfoOf(Where::current())); }

 private:
  rl::mutex mutex_;
};

// Time does not pass: what waits until then waits for ever.
class ConditionVariable {
 public:
  void notify_all() noexcept {
    ++notified_;
    sleepers_.WakeAll();
  }
  template <class Done>
  void wait(std::unique_lock<Mutex>& lock, Done done) {
    while (!done()) {
      const int before = notified_;
      lock.unlock();
      if (notified_ == before) sleepers_.Sleep();
      lock.lock();
    }
  }
  template <class Time, class Done>
  bool wait_until(std::unique_lock<Mutex>& lock, Time, Done done) {
    wait(lock, done);
    return true;
  }

 private:
  Sleepers sleepers_;
  int notified_ = 0;
};

// A thread that qio starts. kMoreThreads of the model bounds how many.
inline int StartThread(pthread_t* thread, void* (*main)(void*),
                       void* argument) {
  *thread =
      reinterpret_cast<pthread_t>(rl::ctx().create_thread(main, argument));
  return 0;
}
inline void Join(pthread_t thread) {
  reinterpret_cast<rl::win_waitable_object*>(thread)->wait(
      false, false, InfoOf(Where::current()));
}

}  // namespace models

// Of what is aligned beyond the usual. Not inline, and so for one source file
// of a program; a test of models has one.
void* operator new(std::size_t size, std::align_val_t alignment) {
  return models::Shadows::Get().Allocate(size,
                                         static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::align_val_t) noexcept {
  models::Shadows::Get().Free(memory);
}

void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  models::Shadows::Get().Free(memory);
}

inline int qio_checked_pthread_create(pthread_t* thread, const void*,
                                      void* (*main)(void*), void* argument) {
  return models::StartThread(thread, main, argument);
}
inline int qio_checked_pthread_join(pthread_t thread, void**) {
  models::Join(thread);
  return 0;
}
inline int qio_checked_pthread_setname_np(pthread_t, const char*) { return 0; }
inline int qio_checked_pthread_detach(pthread_t) { return 0; }

namespace std {
template <class T>
using qio_checked_atomic = models::Atomic<T>;
using qio_checked_mutex = models::Mutex;
using qio_checked_condition_variable = models::ConditionVariable;
}  // namespace std

// From here on, in qio's headers.
#define atomic qio_checked_atomic
#define mutex qio_checked_mutex
#define condition_variable qio_checked_condition_variable
#define pthread_create qio_checked_pthread_create
#define pthread_join qio_checked_pthread_join
#define pthread_detach qio_checked_pthread_detach
#define pthread_setname_np qio_checked_pthread_setname_np
#define close qio_checked_close
#define sched_yield qio_checked_sched_yield

#endif  // QIO_TESTS_MODELS_CHECKED_STD_H_
