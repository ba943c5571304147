// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/fork_mark.h
//
// ForkMark tells whether this is a process that was forked off the one that
// made it, for the price of reading a byte: the byte is in a page that the
// kernel wipes in a child. What shares descriptors or threads with a parent
// has one.

#ifndef QIO_INTERNAL_FORK_MARK_H_
#define QIO_INTERNAL_FORK_MARK_H_

#include <atomic>
#include <new>

#include "qio/config.h"
#include "qio/internal/sys.h"

namespace qio::inline QIO_ABI {
namespace internal_fork_mark {

// Affinity:  any thread; signal handler.
class ForkMark {
 public:
  ForkMark() noexcept : page_(internal_sys::MapWipedOnFork()) {
    if (page_ != nullptr) ::new (page_) Mark{kHere};
  }
  ForkMark(const ForkMark&) = delete;
  ForkMark& operator=(const ForkMark&) = delete;
  ~ForkMark() {
    if (page_ != nullptr) internal_sys::Unmap(page_);
  }

  // False if that is not known: there was no memory, or Linux is older than
  // 4.14.
  bool in_child() const noexcept {
    return page_ != nullptr &&
           static_cast<Mark*>(page_)->load(std::memory_order_relaxed) != kHere;
  }

 private:
  using Mark = std::atomic<unsigned char>;
  static constexpr unsigned char kHere = 1;

  void* const page_;
};

}  // namespace internal_fork_mark
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_FORK_MARK_H_
