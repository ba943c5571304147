// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/post_blocks.h
//
// Memory for what other threads post to a loop. A thread takes blocks from a
// cache of its own; the loop gives them back on a stack, which a thread whose
// cache is empty takes as a whole. In steady state nothing is allocated, and
// neither side pays more than a piece of one atomic operation. Threads that
// outrun the loop get new blocks a hundred at a time.

#ifndef QIO_INTERNAL_POST_BLOCKS_H_
#define QIO_INTERNAL_POST_BLOCKS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_post_blocks {

// A free block of either class.
struct Block {
  Block* next;
};

inline constexpr std::size_t kSmallest = 64;
inline constexpr int kClasses = 2;  // 64 and 128 bytes.
inline constexpr int kNoClass = kClasses;

// Of the blocks that a T takes.
template <class T>
inline constexpr int kClassOf = alignof(T) > kSmallest       ? kNoClass
                                : sizeof(T) <= kSmallest     ? 0
                                : sizeof(T) <= 2 * kSmallest ? 1
                                                             : kNoClass;
template <class T>
inline constexpr std::size_t kSizeOf =
    kClassOf<T> == kNoClass ? sizeof(T) : kSmallest << kClassOf<T>;

// Memory of many blocks, which is freed when each of them was. Aligned, so that
// a block knows where its chunk begins.
//
// Affinity:  any thread, all of it.
class Chunk {
 public:
  // All blocks of a new chunk. Null if there is no memory.
  static Block* New(std::size_t block_size) noexcept {
    void* const memory =
        ::operator new(kSize, std::align_val_t{kAlignment}, std::nothrow);
    if (memory == nullptr) return nullptr;
    const std::size_t count = kSize / block_size - 1;
    ::new (memory) Chunk(count);
    std::byte* at = static_cast<std::byte*>(memory) + kSize;
    Block* first = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      at -= block_size;
      first = ::new (at) Block{first};
    }
    return first;
  }

  static void FreeAll(Block* block) noexcept {
    while (block != nullptr) {
      Chunk& chunk = Of(block);
      std::size_t count = 0;
      do {
        block = block->next;
        ++count;
      } while (block != nullptr && &Of(block) == &chunk);
      chunk.Drop(count);
    }
  }
  static void FreeOne(void* block) noexcept { Of(block).Drop(1); }

 private:
  static constexpr std::size_t kAlignment = 8192;
  // Not quite as much, so that malloc(3) can place one next to the other.
  static constexpr std::size_t kSize = kAlignment - kSmallest;

  explicit Chunk(std::size_t count) noexcept : left_(count) {}

  static Chunk& Of(void* block) noexcept {
    return *reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(block) &
                                     ~(kAlignment - 1));
  }

  void Drop(std::size_t count) noexcept {
    // Everybody's last use of a block comes before the end of the memory.
    if (left_.fetch_sub(count, std::memory_order_acq_rel) != count) return;
    ::operator delete(this, std::align_val_t{kAlignment});
  }

  std::atomic<std::size_t> left_;  // Blocks that were not freed.
};

// The memory of one T, which is not kept.
template <class T>
void Free(void* memory) noexcept {
  if constexpr (kClassOf<T> != kNoClass) {
    Chunk::FreeOne(memory);
  } else if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(memory, std::align_val_t{alignof(T)});
  } else {
    ::operator delete(memory);
  }
}

// What a loop gives back.
class Returned {
 public:
  Returned() = default;
  Returned(const Returned&) = delete;
  Returned& operator=(const Returned&) = delete;
  ~Returned() {
    for (Stack& stack : stacks_) {
      Chunk::FreeAll(stack.shared.load(std::memory_order_acquire));
      Chunk::FreeAll(stack.first);
    }
  }

  // Affinity:  owning loop. The block is offered by the next Flush().
  template <class T>
  void Give(void* memory) noexcept {
    if constexpr (kClassOf<T> == kNoClass) {
      Free<T>(memory);
    } else {
      Stack& stack = stacks_[kClassOf<T>];
      auto* block = ::new (memory) Block{stack.first};
      if (stack.first == nullptr) stack.last = block;
      stack.first = block;
      ++stack.count;
      has_some_ = true;
    }
  }

  // Affinity:  owning loop.
  void Flush() noexcept {
    if (!has_some_) return;
    has_some_ = false;
    for (int i = 0; i < kClasses; ++i) {
      if (stacks_[i].first != nullptr) Offer(stacks_[i], kSmallest << i);
    }
  }

  // Affinity:  any thread.
  Block* TakeAll(int size_class) noexcept {
    // Pairs with the release in Offer().
    return stacks_[size_class].shared.exchange(nullptr,
                                               std::memory_order_acquire);
  }

 private:
  // Of each class. A burst may have needed more, which is not kept.
  static constexpr std::size_t kOfferedBytesMax = 1 << 20;

  struct Stack {
    std::atomic<Block*> shared{nullptr};
    // Owning loop: not offered yet, and how many are or will be.
    Block* first = nullptr;
    Block* last = nullptr;
    std::size_t count = 0;
    std::size_t offered = 0;
  };

  static void Offer(Stack& stack, std::size_t size) noexcept {
    Block* const first = std::exchange(stack.first, nullptr);
    const std::size_t count = std::exchange(stack.count, 0);
    Block* top = stack.shared.load(std::memory_order_relaxed);
    if (top == nullptr) stack.offered = 0;  // All were taken.
    if ((stack.offered + count) * size > kOfferedBytesMax) {
      stack.last->next = nullptr;
      Chunk::FreeAll(first);
      return;
    }
    stack.offered += count;
    do {
      stack.last->next = top;
    } while (!stack.shared.compare_exchange_weak(
        top, first, std::memory_order_release, std::memory_order_relaxed));
  }

  Stack stacks_[kClasses];
  bool has_some_ = false;
};

// The calling thread's cache. Trivial, so that using it costs no more than any
// other memory.
struct Cache {
  Block* free[kClasses];
  bool has_ended;  // The thread ends; nothing is kept any more.
};
inline constinit thread_local Cache cache{};

inline void FreeCache() noexcept {
  for (Block*& free : cache.free) {
    Chunk::FreeAll(std::exchange(free, nullptr));
  }
}

// Frees the cache when its thread ends.
struct CacheEnd {
  ~CacheEnd() {
    FreeCache();
    cache.has_ended = true;
  }
};

[[gnu::cold]] inline void* Refill(Returned& returned, int size_class) noexcept {
  Block* block = returned.TakeAll(size_class);
  if (block == nullptr) block = Chunk::New(kSmallest << size_class);
  if (block == nullptr) return nullptr;
  if (cache.has_ended) {
    Chunk::FreeAll(block->next);
  } else {
    [[maybe_unused]] thread_local CacheEnd end;
    cache.free[size_class] = block->next;
  }
  return block;
}

// For one T. Null if there is no memory.
//
// Affinity:  any thread.
template <class T>
void* Allocate(Returned& returned) noexcept {
  if constexpr (kClassOf<T> != kNoClass) {
    Block*& free = cache.free[kClassOf<T>];
    if (free == nullptr) [[unlikely]]
      return Refill(returned, kClassOf<T>);
    return std::exchange(free, free->next);
  } else if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    return ::operator new(sizeof(T), std::align_val_t{alignof(T)},
                          std::nothrow);
  } else {
    return ::operator new(sizeof(T), std::nothrow);
  }
}

}  // namespace internal_post_blocks
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_POST_BLOCKS_H_
