// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/block_pool.h
//
// Recycled memory of one loop. In steady state nothing is allocated: what a
// task, a post, a watch or a timer gives back is what the next one gets.

#ifndef QIO_INTERNAL_BLOCK_POOL_H_
#define QIO_INTERNAL_BLOCK_POOL_H_

#include <array>
#include <bit>
#include <cstddef>
#include <new>
#include <utility>

#include "qio/config.h"

#if defined(__SANITIZE_ADDRESS__)
#define QIO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QIO_ASAN 1
#endif
#endif
#ifndef QIO_ASAN
#define QIO_ASAN 0
#endif
#if QIO_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace qio::inline QIO_ABI {
namespace internal_block_pool {

// Blocks of 64, 128, and so on to 4096 bytes, each size from slabs that are
// freed with the pool; what is larger is allocated and freed one by one.
//
// Affinity:  owning loop, all of it.
// Errors:    Allocate() throws std::bad_alloc and leaves everything as it was.
class BlockPool {
 public:
  // Every block is aligned to a cache line.
  static constexpr std::size_t kAlignment = 64;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool() {
    while (slabs_ != nullptr) {
      Slab* slab = slabs_;
      slabs_ = slab->next;
      ::operator delete(slab, std::align_val_t{kAlignment});
    }
  }

  void* Allocate(std::size_t size) {
    if (size > kLargest) {
      return ::operator new(size, std::align_val_t{kAlignment});
    }
    Block*& free = free_[ClassOf(size)];
    if (free == nullptr) [[unlikely]]
      Refill(ClassOf(size));
    Block* block = free;
    free = block->next;
    SetAccessible(block, kAlignment << ClassOf(size), true);
    return block;
  }

  // `size` is what was asked for.
  void Free(void* memory, std::size_t size) noexcept {
    if (size > kLargest) {
      ::operator delete(memory, std::align_val_t{kAlignment});
      return;
    }
    Block*& free = free_[ClassOf(size)];
    free = ::new (memory) Block{free};
    SetAccessible(free, kAlignment << ClassOf(size), false);
  }

  // For whoever is not on the loop, once the loop is gone: what is in a slab
  // stays there until the pool ends.
  static void FreeFromElsewhere(void* memory, std::size_t size) noexcept {
    if (size > kLargest) {
      ::operator delete(memory, std::align_val_t{kAlignment});
    }
  }

  // A slab of `count` blocks of `size` bytes that are never given back here;
  // for a caller that recycles them itself.
  void* AllocateSlab(std::size_t size, std::size_t count) {
    void* memory =
        ::operator new(kAlignment + size * count, std::align_val_t{kAlignment});
    slabs_ = ::new (memory) Slab{slabs_};
    return static_cast<std::byte*>(memory) + kAlignment;
  }

 private:
  struct Block {
    Block* next;
  };
  struct Slab {
    Slab* next;
  };

  static constexpr std::size_t kClasses = 7;
  static constexpr std::size_t kLargest = kAlignment << (kClasses - 1);
  static constexpr std::size_t kSlabBytes = 8192;

  static constexpr std::size_t ClassOf(std::size_t size) noexcept {
    return size <= kAlignment ? 0
                              : static_cast<std::size_t>(
                                    std::bit_width((size - 1) / kAlignment));
  }

  // AddressSanitizer reports a use of what is free, but for its link.
  static void SetAccessible([[maybe_unused]] Block* block,
                            [[maybe_unused]] std::size_t size,
                            [[maybe_unused]] bool accessible) noexcept {
#if QIO_ASAN
    if (accessible) {
      __asan_unpoison_memory_region(block + 1, size - sizeof(Block));
    } else {
      __asan_poison_memory_region(block + 1, size - sizeof(Block));
    }
#endif
  }

  void Refill(std::size_t size_class) {
    const std::size_t size = kAlignment << size_class;
    const std::size_t count = kSlabBytes / size;
    auto* const at = static_cast<std::byte*>(AllocateSlab(size, count));
    // The first one last: neighbours are taken one after the other, as the
    // processor expects of memory.
    for (std::size_t i = count; i-- != 0;) Free(at + i * size, size);
  }

  std::array<Block*, kClasses> free_{};
  Slab* slabs_ = nullptr;
};

// An object in a block. Throws what the constructor throws; the block is back
// then.
template <class T, class... Args>
T* New(BlockPool& pool, Args&&... args) {
  static_assert(alignof(T) <= BlockPool::kAlignment,
                "qio: a callback must not be aligned beyond a cache line");
  struct Guard {
    ~Guard() {
      if (memory != nullptr) pool.Free(memory, sizeof(T));
    }
    BlockPool& pool;
    void* memory;
  } guard{pool, pool.Allocate(sizeof(T))};
  T* object = ::new (guard.memory) T(std::forward<Args>(args)...);
  guard.memory = nullptr;
  return object;
}

template <class T>
void Delete(BlockPool& pool, T* object) noexcept {
  object->~T();
  pool.Free(object, sizeof(T));
}

}  // namespace internal_block_pool
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_BLOCK_POOL_H_
