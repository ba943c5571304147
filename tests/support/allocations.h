// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/allocations.h
//
// Counts what `operator new` is asked for, and makes it fail. Linking this
// library replaces the operator in the whole program.

#ifndef QIO_TESTS_SUPPORT_ALLOCATIONS_H_
#define QIO_TESTS_SUPPORT_ALLOCATIONS_H_

#include <cstdint>

namespace qio::support {

// How often any thread has called operator new so far.
std::uint64_t AllocationsSoFar();

// How many bytes are allocated by operator new and not yet deleted, as the
// allocator rounds them.
std::int64_t BytesAlive();

// While it lives, this thread's allocations fail from the `nth` on (0: all of
// them), `times` in all. One at a time on a thread.
class FailingAllocations {
 public:
  static constexpr int kForEver = 1 << 30;

  explicit FailingAllocations(int nth, int times = kForEver);
  FailingAllocations(const FailingAllocations&) = delete;
  FailingAllocations& operator=(const FailingAllocations&) = delete;
  ~FailingAllocations();

  // Whether one has failed: a test that ends without it tested nothing.
  bool bit() const;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_ALLOCATIONS_H_
