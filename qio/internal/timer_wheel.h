// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/timer_wheel.h
//
// Timers by the millisecond: a hierarchical wheel whose levels are chosen by
// the highest bit in which a deadline differs from now. Arming and cancelling
// cost the same at any population, and timers of one millisecond keep the
// order in which they were armed.

#ifndef QIO_INTERNAL_TIMER_WHEEL_H_
#define QIO_INTERNAL_TIMER_WHEEL_H_

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_timer_wheel {

// Of nanoseconds: at the ends of the range if the sum is beyond them.
constexpr std::int64_t SaturatedAdd(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  using Limits = std::numeric_limits<std::int64_t>;
  return b > 0 ? Limits::max() : Limits::min();
}

// A member of a circular list; alone it points at itself.
struct Link {
  Link* prev = this;
  Link* next = this;

  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool linked() const noexcept { return next != this; }
  void Unlink() noexcept {
    prev->next = next;
    next->prev = prev;
    prev = next = this;
  }
  // Links `node` at the end of the list whose head this is.
  void PushBack(Link& node) noexcept {
    node.prev = prev;
    node.next = this;
    prev->next = &node;
    prev = &node;
  }
  // Moves all of `from` to the end of this list.
  void TakeAll(Link& from) noexcept {
    if (!from.linked()) return;
    from.next->prev = prev;
    prev->next = from.next;
    from.prev->next = this;
    prev = from.prev;
    from.prev = from.next = &from;
  }
};

// What is in a wheel. The owner keeps it in place while it is linked.
struct WheelNode : Link {
  static constexpr int kTickBits = 48;  // 8,900 years.

  std::uint64_t tick : kTickBits = 0;  // The millisecond in which it is due.
  std::uint64_t slot : 16 = 0;  // The last one it was in, of all levels.
};

class TimerWheel {
 public:
  using Tick = std::uint64_t;
  static constexpr Tick kNever = std::numeric_limits<Tick>::max();

  explicit TimerWheel(Tick now) : now_(now) {}

  // `node` must not be linked. A tick that is not in the future is due at the
  // next Advance(), whatever its argument; one beyond kLongest never comes.
  void Arm(WheelNode& node, Tick tick) noexcept {
    if (tick > kLongest) tick = kLongest;
    node.tick = tick;
    if (tick <= now_) {
      due_.PushBack(node);
      return;
    }
    const int level =
        (63 - std::countl_zero((tick ^ now_) | kSlotMask)) / kSlotBits;
    const Tick slot = (tick >> (level * kSlotBits)) & kSlotMask;
    const auto at = static_cast<std::size_t>(level);
    node.slot = static_cast<std::uint16_t>(at << kSlotBits | slot);
    slots_[node.slot].PushBack(node);
    occupied_[at] |= Tick{1} << slot;
  }

  // `node` is linked here, or in a list of the owner's before or after it was
  // here: clearing the bit of a slot that is empty does no harm.
  void Cancel(WheelNode& node) noexcept {
    node.Unlink();
    if (!slots_[node.slot].linked()) {
      occupied_[node.slot >> kSlotBits] &=
          ~(Tick{1} << (node.slot & kSlotMask));
    }
  }

  // The tick at which Advance() next has something to do, at the latest the
  // tick of the earliest timer. kNever if there is none; 0 if one is due.
  Tick NextTick() const noexcept {
    return due_.linked() ? 0 : NextTickOfSlots();
  }

  // Makes due what is due at `now`, earliest first.
  void Advance(Tick now) noexcept {
    for (;;) {
      const Tick next = NextTickOfSlots();
      if (next > now) break;
      now_ = next;
      Cascade();
    }
    if (now > now_) now_ = now;
  }

  // Moves the timers that are due to the end of `list`, in order.
  void TakeDue(Link& list) noexcept { list.TakeAll(due_); }

  // Any timer at all, unlinked, or null: for emptying the wheel.
  WheelNode* PopAny() noexcept {
    for (int level = 0; level < kLevels; ++level) {
      if (occupied_[level] == 0) continue;
      auto* node = static_cast<WheelNode*>(
          SlotsOf(level)[std::countr_zero(occupied_[level])].next);
      Cancel(*node);
      return node;
    }
    if (!due_.linked()) return nullptr;
    auto* node = static_cast<WheelNode*>(due_.next);
    node->Unlink();
    return node;
  }

  Tick now() const noexcept { return now_; }

 private:
  static constexpr int kSlotBits = 6;
  static constexpr int kLevels = 8;
  static constexpr Tick kSlotMask = (Tick{1} << kSlotBits) - 1;
  // A count of nanoseconds ends before.
  static constexpr Tick kLongest = (Tick{1} << WheelNode::kTickBits) - 1;
  static_assert(WheelNode::kTickBits == kSlotBits * kLevels);

  Link* SlotsOf(int level) noexcept { return &slots_[level << kSlotBits]; }

  Tick NextTickOfSlots() const noexcept {
    for (int level = 0; level < kLevels; ++level) {
      if (occupied_[level] == 0) continue;
      // All slots in use are past now's own slot of that level, so the lowest
      // bit is the earliest; and a lower level is earlier than a higher one.
      const Tick slot = static_cast<Tick>(std::countr_zero(occupied_[level]));
      const int shift = level * kSlotBits;
      return (now_ >> (shift + kSlotBits) << (shift + kSlotBits)) |
             slot << shift;
    }
    return kNever;
  }

  // now_ has just entered a slot of some level: its timers go further down,
  // those of this very millisecond become due.
  void Cascade() noexcept {
    for (int level = kLevels - 1; level > 0; --level) {
      const auto slot =
          static_cast<std::size_t>((now_ >> (level * kSlotBits)) & kSlotMask);
      if ((occupied_[level] & (Tick{1} << slot)) == 0) continue;
      occupied_[level] &= ~(Tick{1} << slot);
      Link moved;
      moved.TakeAll(SlotsOf(level)[slot]);
      while (moved.linked()) {
        auto* node = static_cast<WheelNode*>(moved.next);
        node->Unlink();
        Arm(*node, node->tick);
      }
    }
    const auto slot = static_cast<std::size_t>(now_ & kSlotMask);
    occupied_[0] &= ~(Tick{1} << slot);
    due_.TakeAll(SlotsOf(0)[slot]);
  }

  Tick now_;
  std::array<Tick, kLevels> occupied_{};
  std::array<Link, kLevels << kSlotBits> slots_;
  Link due_;
};

}  // namespace internal_timer_wheel
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_TIMER_WHEEL_H_
