// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/loop_core.h
//
// The part of a loop that others may touch: its mailbox, its wake-up and the
// memory of its tasks. It outlives the executor until whatever was out then,
// a running worker or a LoopRef, is back.

#ifndef QIO_INTERNAL_LOOP_CORE_H_
#define QIO_INTERNAL_LOOP_CORE_H_

#include <sched.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "qio/config.h"
#include "qio/internal/block_pool.h"
#include "qio/internal/fork_mark.h"
#include "qio/internal/mailbox.h"
#include "qio/internal/post_blocks.h"
#include "qio/internal/sys.h"

namespace qio::inline QIO_ABI {

class Reactor;

namespace internal_loop_core {

using internal_mailbox::Mailbox;
using internal_mailbox::Node;

class LoopCore {
 public:
  explicit LoopCore(int wake_fd) noexcept
      : wake_fd_(wake_fd), id_(internal_sys::MonotonicNs()) {}
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;

  // ---- Any thread.

  // Queues `node` for the loop and wakes it if it sleeps. False: the executor
  // is gone and the node still the caller's.
  bool Post(Node* node) noexcept {
    switch (mailbox_.Push(node)) {
      case Mailbox::Pushed::kQueued:
        return true;
      case Mailbox::Pushed::kMustWake:
        WriteWake();
        return true;
      case Mailbox::Pushed::kClosed:
        break;
    }
    return false;
  }

  // Makes room for `bytes` of foreign mail if it is limited, and else sets
  // `bytes` to 0, which is what to give back. False: there is no room (EX-14).
  bool TakeRoom(std::size_t& bytes) noexcept {
    const std::size_t limit = mail_limit_.load(std::memory_order_relaxed);
    if (limit == kNoMailLimit) [[likely]] {
      bytes = 0;
      return true;
    }
    // Relaxed: it counts and orders nothing.
    std::size_t used = mail_bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit || used > limit - bytes) return false;
    } while (!mail_bytes_.compare_exchange_weak(used, used + bytes,
                                                std::memory_order_relaxed));
    return true;
  }
  void GiveRoomBack(std::size_t bytes) noexcept {
    if (bytes == 0) [[likely]]
      return;
    mail_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  std::size_t mail_bytes() const noexcept {
    return mail_bytes_.load(std::memory_order_relaxed);
  }
  void set_mail_limit(std::size_t bytes_max) noexcept {
    mail_limit_.store(bytes_max, std::memory_order_relaxed);
  }

  static constexpr std::size_t kNoMailLimit =
      std::numeric_limits<std::size_t>::max();

  // What was out when the executor went away has come back. The last one
  // frees the core: nothing of it may be touched after this call.
  void Returned() noexcept {
    // Pairs with Retire(): the memory is freed after everybody's last use.
    if (stragglers_.fetch_sub(1, std::memory_order_acq_rel) == 1) Delete();
  }

  // Makes the loop's descriptor readable. Async-signal-safe. Apart, so that a
  // post to a loop that is awake saves no registers for it.
  [[gnu::noinline]] void WriteWake() noexcept {
    // A child has the parent's descriptor, and no loop behind it.
    if (in_child()) return;
    const std::uint64_t one = 1;
    // EAGAIN: the counter is full, so the loop is awake or will be.
    while (internal_sys::Write(wake_fd_, &one, sizeof one) < 0 &&
           errno == EINTR) {
    }
  }

  bool closed() const noexcept { return mailbox_.closed(); }

  internal_post_blocks::Returned& returned() noexcept { return returned_; }

  // This process was forked off the one whose loop this is: all that is left
  // to do here is to end it, without a word to the kernel (EX-17).
  bool in_child() const noexcept { return fork_mark_.in_child(); }

  // A LoopRef was copied, or has ended.
  void AddRef() noexcept {
    refs_.fetch_add(kOneRef, std::memory_order_relaxed);
  }
  void DropRef() noexcept {
    std::uint64_t word = refs_.load(std::memory_order_relaxed);
    std::uint64_t next;
    do {
      next = word - kOneRef;
      if (next == 0) next = kNoteOut;
      // Release: what this thread did through its reference is done before
      // the loop, or whoever frees the core, sees that it is gone.
    } while (!refs_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    if (word == kOneRef && !Post(&note_)) Returned();
  }

  // ---- Owning loop.

  // The first reference of an episode is noted at the loop, which counts it as
  // outstanding until the note about the last one has arrived.
  // True: the loop holds no episode yet and has to begin one.
  bool AddRefOnLoop() noexcept {
    AddRef();
    if (episode_) return false;
    episode_ = true;
    return true;
  }
  // True: the episode is over. False: a new reference was made meanwhile.
  bool NoteArrived() noexcept {
    const std::uint64_t before =
        refs_.fetch_and(~kNoteOut, std::memory_order_acq_rel);
    if (before != kNoteOut) return false;
    episode_ = false;
    return true;
  }
  // `run` is called when the note about the last LoopRef arrives.
  void set_note(Node::Run* run) noexcept { note_.run = run; }
  static LoopCore& FromNote(Node* note) noexcept {
    return static_cast<Note*>(note)->core;
  }

  // Makes the loop's descriptor readable, as a foreign waker would.
  void Kick() noexcept {
    ++wakes_;
    WriteWake();
  }

  int Take(internal_mailbox::NodeQueue& queue) noexcept {
    const int wakers = mailbox_.Take(queue);
    wakes_ += wakers;
    return wakers;
  }

  // Refuses mail from now on, waits for wakers that are between their push and
  // their write, and moves what came in time to `queue`.
  void Close(internal_mailbox::NodeQueue& queue) noexcept {
    wakes_ += mailbox_.Close(queue);
    if (in_child()) return;  // The wakers are not in this process.
    while (wakes_read_ < wakes_) {
      if (!ReadWakes()) ::sched_yield();
    }
  }

  // Takes the count out of the eventfd, so that poll(2) can wait for the next
  // write. False: it was zero.
  bool ReadWakes() noexcept {
    std::uint64_t count = 0;
    if (internal_sys::Read(wake_fd_, &count, sizeof count) !=
        static_cast<ssize_t>(sizeof count)) {
      return false;
    }
    wakes_read_ += count;
    return true;
  }

  // The executor gives the core up while `out` things are not back.
  void Retire(std::int64_t out) noexcept {
    if (stragglers_.fetch_add(out, std::memory_order_acq_rel) + out == 0) {
      Delete();
    }
  }

  Mailbox& mailbox() noexcept { return mailbox_; }
  std::uint64_t id() const noexcept { return id_; }
  internal_block_pool::BlockPool& blocks() noexcept { return blocks_; }

  // Null once the executor is gone.
  Reactor* reactor() const noexcept { return reactor_; }
  void set_reactor(Reactor* reactor) noexcept { reactor_ = reactor; }

 private:
  // Apart, since every destructor of the library ends with it.
  [[gnu::noinline]] void Delete() noexcept { delete this; }

  // refs_: how many LoopRefs there are, times two, and in bit 0 whether the
  // note about the last one is on its way to the loop. Bit 0 is set by whoever
  // drops the last reference, cleared by the loop.
  static constexpr std::uint64_t kNoteOut = 1;
  static constexpr std::uint64_t kOneRef = 2;

  Mailbox mailbox_;

  const int wake_fd_;
  const internal_fork_mark::ForkMark fork_mark_;
  std::atomic<std::size_t> mail_limit_{kNoMailLimit};

  alignas(64) std::atomic<std::uint64_t> refs_{0};
  // What is still out when the executor is gone. Below zero while some came
  // back before the executor had counted them.
  std::atomic<std::int64_t> stragglers_{0};
  // Of posts that wait, made while there was a limit.
  std::atomic<std::size_t> mail_bytes_{0};
  struct Note : Node {
    explicit Note(LoopCore& c) noexcept : core(c) {}
    LoopCore& core;
  };
  Note note_{*this};

  // Owning loop.
  alignas(64) Reactor* reactor_ = nullptr;
  const std::uint64_t id_;
  std::uint64_t wakes_ = 0;       // Wake-ups that were announced,
  std::uint64_t wakes_read_ = 0;  // and those read back out of the eventfd.
  bool episode_ = false;
  internal_block_pool::BlockPool blocks_;
  internal_post_blocks::Returned returned_;
};

}  // namespace internal_loop_core
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_LOOP_CORE_H_
