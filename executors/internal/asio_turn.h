// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/internal/asio_turn.h
//
// How a turn of an AsioExecutor comes about: the handler that Asio calls, who
// may be on the loop, and what is left when one of the two has ended.

#ifndef QIO_EXECUTORS_INTERNAL_ASIO_TURN_H_
#define QIO_EXECUTORS_INTERNAL_ASIO_TURN_H_

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_asio_turn {

// Who is on the loop. A turn that finds another thread there leaves a note: so
// no thread waits, and whoever leaves sees to the turn.
//
// One word: nobody (0); the handle of a thread, with kNote in its low bits if a
// turn is due, and kMail if it has to look for mail before it leaves; or kGone,
// for ever, when the executor has ended.
//
// Affinity:  any thread, but Leave() and TakeNote(), for the thread on it.
class Strand {
 public:
  enum class Entered { kGone, kBusy, kNested, kOutermost };

  Entered TryEnter() noexcept { return EnterOr(0); }
  Entered EnterOrLeaveNote() noexcept { return EnterOr(kNote); }
  Entered EnterOrTellOfMail() noexcept { return EnterOr(kMail); }

  // False: it was left something, and the caller still is on the loop. After
  // true, it touches nothing of the executor's: that may be gone.
  bool Leave() noexcept {
    std::uintptr_t word = Me();
    // Pairs with the acquire in EnterOr(): what was done here is done.
    return word_.compare_exchange_strong(word, 0, std::memory_order_release,
                                         std::memory_order_relaxed);
  }

  // True: there was a note. Whoever told of mail is done with it, too.
  bool TakeNote() noexcept {
    if (word_.load(std::memory_order_relaxed) == Me()) return false;
    return (word_.fetch_and(~kLeft, std::memory_order_acquire) & kNote) != 0;
  }

  // False: somebody is on the loop.
  bool Close() noexcept {
    std::uintptr_t word = 0;
    return word_.compare_exchange_strong(word, kGone,
                                         std::memory_order_acq_rel);
  }

  bool IsMe() const noexcept { return Owner() == Me(); }
  bool IsAnother() const noexcept {
    const std::uintptr_t owner = Owner();
    return owner != 0 && owner != kGone && owner != Me();
  }

 private:
  static constexpr std::uintptr_t kNote = 1;
  static constexpr std::uintptr_t kGone = 2;
  static constexpr std::uintptr_t kMail = 4;
  static constexpr std::uintptr_t kLeft = kNote | kMail;

  // On Linux the address of a thread's control block, which is aligned to 64
  // bytes: none of the bits above.
  static std::uintptr_t Me() noexcept {
    return reinterpret_cast<std::uintptr_t>(pthread_self());
  }
  std::uintptr_t Owner() const noexcept {
    return word_.load(std::memory_order_relaxed) & ~kLeft;
  }

  Entered EnterOr(std::uintptr_t left) noexcept {
    const std::uintptr_t me = Me();
    std::uintptr_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word == kGone) return Entered::kGone;
      if ((word & ~kLeft) == me) return Entered::kNested;
      const std::uintptr_t next = word == 0 ? me : word | left;
      // Release: the note says that the turn's handler is used up.
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return word == 0 ? Entered::kOutermost : Entered::kBusy;
      }
    }
  }

  std::atomic<std::uintptr_t> word_{0};
};

// What a handler holds on to: it may be run, or destroyed, after the executor's
// end. At most one handler is under way, and its memory is here.
struct Cell {
  void* executor = nullptr;
  void (*turn)(void* executor, bool nested) = nullptr;
  void (*host_gone)(void* executor) noexcept = nullptr;
  // A note stands for work of the io_context, until it is answered.
  void* host = nullptr;
  void (*note_left)(void* host) noexcept = nullptr;
  Strand strand;

  static constexpr std::size_t kMemorySize = 256;
  bool memory_used = false;
  alignas(std::max_align_t) std::byte memory[kMemorySize];
};

template <class T>
struct CellAllocator {
  using value_type = T;

  explicit CellAllocator(Cell* c) noexcept : cell(c) {}
  template <class U>
  CellAllocator(const CellAllocator<U>& other) noexcept : cell(other.cell) {}

  T* allocate(std::size_t n) {
    if (cell->memory_used || n * sizeof(T) > Cell::kMemorySize) {
      return std::allocator<T>().allocate(n);
    }
    cell->memory_used = true;
    return reinterpret_cast<T*>(cell->memory);
  }
  void deallocate(T* memory, std::size_t n) noexcept {
    if (reinterpret_cast<std::byte*>(memory) != cell->memory) {
      return std::allocator<T>().deallocate(memory, n);
    }
    cell->memory_used = false;
  }
  template <class U>
  bool operator==(const CellAllocator<U>& other) const noexcept {
    return cell == other.cell;
  }

  Cell* cell;
};

// The handler of every turn.
struct Handler {
  using allocator_type = CellAllocator<void>;
  allocator_type get_allocator() const noexcept {
    return allocator_type(cell.get());
  }

  // Looks whatever the error: that the wait was cancelled is one way to ask
  // for a turn.
  template <class... Error>
  void operator()(const Error&...) const {
    switch (cell->strand.EnterOrLeaveNote()) {
      case Strand::Entered::kGone:
        return;
      case Strand::Entered::kBusy:
        // Not too late: this handler itself is work until it returns.
        return cell->note_left(cell->host);
      case Strand::Entered::kNested:
        return cell->turn(cell->executor, true);
      case Strand::Entered::kOutermost:
        return cell->turn(cell->executor, false);
    }
  }

  std::shared_ptr<Cell> cell;
};

}  // namespace internal_asio_turn
}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_INTERNAL_ASIO_TURN_H_
