// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/mailbox.h
//
// How anything reaches a loop from another thread: an intrusive list with many
// producers and one consumer, whose single atomic word also says whether the
// consumer sleeps. Many pushes to a sleeping loop cost one wake-up.

#ifndef QIO_INTERNAL_MAILBOX_H_
#define QIO_INTERNAL_MAILBOX_H_

#include <atomic>
#include <cstdint>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_mailbox {

// Something to be run on the loop. Whoever queues a node owns its memory until
// `run` is called, once; `run` then disposes of it.
struct Node {
  // `on` is the loop's witness (an OnLoop<E>*, without its type), or null when
  // the executor is going away on this thread: then destroy, do not call.
  using Run = void(Node* self, void* on);

  Node* next = nullptr;
  Run* run = nullptr;
};

// A list of nodes in the order they are to be run. Not thread-safe.
class NodeQueue {
 public:
  bool empty() const noexcept { return head_ == nullptr; }

  void Append(Node* node) noexcept {
    node->next = nullptr;
    *tail_ = node;
    tail_ = &node->next;
  }

  // `first` ... `last`, already linked.
  void AppendChain(Node* first, Node* last) noexcept {
    last->next = nullptr;
    *tail_ = first;
    tail_ = &last->next;
  }

  Node* Pop() noexcept {
    Node* node = head_;
    head_ = node->next;
    if (head_ == nullptr) tail_ = &head_;
    return node;
  }

 private:
  Node* head_ = nullptr;
  Node** tail_ = &head_;
};

class Mailbox {
 public:
  enum class Pushed {
    kQueued,    // The loop is awake, or somebody else is waking it.
    kMustWake,  // The loop sleeps and this caller has to wake it.
    kClosed,    // Nobody will ever look; the nodes are still the caller's.
  };

  // Affinity: any thread. The release pairs with the acquire in Take(): what
  // the caller wrote before is seen by the loop when it runs the node.
  Pushed Push(Node* node) noexcept {
    std::uintptr_t word = word_.load(std::memory_order_relaxed);
    do {
      if (word == kClosed) {
        // Pairs with the release half of Close(): what the loop wrote before
        // it closed is visible to whoever was refused.
        (void)word_.load(std::memory_order_acquire);
        return Pushed::kClosed;
      }
      // kParked goes along as the end of the list: so the loop learns that a
      // waker is under way.
      node->next = reinterpret_cast<Node*>(word);
    } while (!word_.compare_exchange_weak(
        word, reinterpret_cast<std::uintptr_t>(node), std::memory_order_release,
        std::memory_order_relaxed));
    return word == kParked ? Pushed::kMustWake : Pushed::kQueued;
  }

  // Affinity: any thread; a hint off the loop.
  bool empty() const noexcept {
    return word_.load(std::memory_order_relaxed) <= kParked;
  }
  bool closed() const noexcept {
    return word_.load(std::memory_order_acquire) == kClosed;
  }

  // Affinity: owning loop, the four below.

  // Moves what has gathered to the end of `queue`, oldest first. Returns how
  // many wakers (0 or 1) that mail has sent on their way.
  int Take(NodeQueue& queue) noexcept { return Exchange(kEmpty, queue); }

  // The same, for the last time: every later push is refused.
  int Close(NodeQueue& queue) noexcept { return Exchange(kClosed, queue); }

  // To be called before the loop sleeps. False: there is mail, do not sleep.
  bool Park() noexcept {
    std::uintptr_t word = kEmpty;
    return word_.compare_exchange_strong(word, kParked,
                                         std::memory_order_acq_rel) ||
           word == kParked;
  }

  // To be called after it slept, or when it will not sleep after all.
  void Unpark() noexcept {
    if (word_.load(std::memory_order_relaxed) != kParked) return;
    std::uintptr_t word = kParked;
    word_.compare_exchange_strong(word, kEmpty, std::memory_order_acq_rel);
  }

 private:
  // The word is one of these, or a pointer to the newest node.
  static constexpr std::uintptr_t kEmpty = 0;
  static constexpr std::uintptr_t kParked = 1;
  static constexpr std::uintptr_t kClosed = 2;

  int Exchange(std::uintptr_t leave, NodeQueue& queue) noexcept {
    std::uintptr_t word = word_.exchange(leave, std::memory_order_acq_rel);
    if (word <= kClosed) return 0;
    int wakers = 0;
    Node* const newest = reinterpret_cast<Node*>(word);
    Node* oldest = nullptr;
    for (Node* node = newest; node != nullptr;) {
      Node* older = node->next;
      if (reinterpret_cast<std::uintptr_t>(older) == kParked) {
        ++wakers;
        older = nullptr;
      }
      node->next = oldest;
      oldest = node;
      node = older;
    }
    queue.AppendChain(oldest, newest);
    return wakers;
  }

  alignas(64) std::atomic<std::uintptr_t> word_{kEmpty};
};

}  // namespace internal_mailbox
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_MAILBOX_H_
