// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/support/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace qio::support {
namespace {

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::int64_t> bytes_alive{0};

struct Failing {
  int nth = -1;  // How many more succeed; -1: nothing fails.
  int times = 0;
  bool bit = false;
};
thread_local constinit Failing failing;

bool Fails() {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (failing.nth < 0) return false;
  if (failing.nth > 0) {
    --failing.nth;
    return false;
  }
  if (failing.times == 0) return false;
  --failing.times;
  failing.bit = true;
  return true;
}

void* Counted(void* memory) {
  bytes_alive.fetch_add(static_cast<std::int64_t>(::malloc_usable_size(memory)),
                        std::memory_order_relaxed);
  return memory;
}

void Free(void* memory) {
  bytes_alive.fetch_sub(static_cast<std::int64_t>(::malloc_usable_size(memory)),
                        std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

std::int64_t BytesAlive() {
  return bytes_alive.load(std::memory_order_relaxed);
}

std::uint64_t AllocationsSoFar() {
  return allocations.load(std::memory_order_relaxed);
}

FailingAllocations::FailingAllocations(int nth, int times) {
  failing = {nth, times, false};
}

FailingAllocations::~FailingAllocations() { failing = {}; }

bool FailingAllocations::bit() const { return failing.bit; }

}  // namespace qio::support

// All forms: a sanitizer has its own for each that is not replaced, and looks
// whether new and delete match.

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return qio::support::Fails()
             ? nullptr
             : qio::support::Counted(std::malloc(size + !size));
}
void* operator new(std::size_t size, std::align_val_t alignment,
                   const std::nothrow_t&) noexcept {
  const auto align = static_cast<std::size_t>(alignment);
  // aligned_alloc() wants a multiple of the alignment.
  const std::size_t rounded = (size + !size + align - 1) / align * align;
  return qio::support::Fails()
             ? nullptr
             : qio::support::Counted(std::aligned_alloc(align, rounded));
}
void* operator new(std::size_t size) {
  void* memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  void* memory = operator new(size, alignment, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* operator new[](std::size_t size) { return operator new(size); }
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return operator new(size, alignment);
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void* operator new[](std::size_t size, std::align_val_t alignment,
                     const std::nothrow_t& tag) noexcept {
  return operator new(size, alignment, tag);
}

void operator delete(void* memory) noexcept { qio::support::Free(memory); }
void operator delete(void* memory, std::size_t) noexcept {
  qio::support::Free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  qio::support::Free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  qio::support::Free(memory);
}
void operator delete[](void* memory) noexcept { qio::support::Free(memory); }
void operator delete[](void* memory, std::size_t) noexcept {
  qio::support::Free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  qio::support::Free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  qio::support::Free(memory);
}
