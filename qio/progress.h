// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/progress.h
//
// Progress<P> is how a worker tells the loop how far it is, while it runs. The
// worker takes one, first or after its stop token; who starts it says what is
// to be called:
//
//   qio::RunInThread(on, [](qio::Progress<int> percent, std::string path) {
//     for (int i = 0; i <= 100; ++i) percent.Report(i);
//     return Digest(path);
//   }, path)
//       .OnProgress([bar](qio::OnLoop<Loop>& on, int percent) {
//         bar->Set(on, percent);
//       })
//       .Then(...);
//
// What is reported while the loop is busy is coalesced: it sees the newest.

#ifndef QIO_PROGRESS_H_
#define QIO_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "qio/config.h"
#include "qio/loop_object.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/sendable.h"

namespace qio::inline QIO_ABI {

namespace internal_task {
struct TaskMaker;
}  // namespace internal_task

namespace internal_progress {

using internal_loop_object::LoopFunction;
using internal_mailbox::Node;
using internal_reactor::LoopCore;

// The newest value on its way from one worker to its loop: three places, of
// which the worker fills one while the loop reads another, and the third
// changes hands. Neither waits for the other.
template <class P>
class Cell : public Node {
 public:
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  // Worker thread.
  void Report(P&& value) {
    if (!has_listener_) return;
    places_[filling_].emplace(std::move(value));
    // This exchange and the one in Take() order what they hand to each other.
    const std::uint8_t before = between_.exchange(
        static_cast<std::uint8_t>(filling_ | kNew), std::memory_order_acq_rel);
    filling_ = before & kPlace;
    // What is on its way will find this value. If the executor is gone, the
    // mark stays, and nothing is posted again.
    if ((before & kNew) == 0) core_.Post(this);
  }

 protected:
  explicit Cell(LoopCore& core) noexcept : core_(core) {}
  ~Cell() = default;

  // Owning loop, once for each post: the newest value.
  P& Take() noexcept {
    reading_ = between_.exchange(reading_, std::memory_order_acq_rel) & kPlace;
    return *places_[reading_];
  }

  // Owning loop, before the worker runs; it asks no more often than that.
  void set_has_listener() noexcept { has_listener_ = true; }
  bool has_listener() const noexcept { return has_listener_; }

 private:
  static constexpr std::uint8_t kPlace = 3;
  static constexpr std::uint8_t kNew = 4;

  LoopCore& core_;
  bool has_listener_ = false;
  std::uint8_t filling_ = 0;              // The worker's.
  std::uint8_t reading_ = 1;              // The loop's.
  std::atomic<std::uint8_t> between_{2};  // Either's, and whether it is new.
  std::optional<P> places_[3];
};

// The same with what is to be called on the loop. In the memory of its task,
// which is recycled when the worker is back, behind all that was posted here.
//
// Affinity:  owning loop, all of it.
template <class E, class P>
class Delivery final : public Cell<P> {
 public:
  explicit Delivery(LoopCore& core) noexcept : Cell<P>(core) {
    this->run = [](Node* node, void* on) {
      auto& self = *static_cast<Delivery*>(node);
      P& value = self.Take();
      if (!self.listener_ || on == nullptr) return;
      self.listener_(*static_cast<OnLoop<E>*>(on), std::move(value));
    };
  }

  void Listen(LoopFunction<E, P> listener) noexcept {
    listener_ = std::move(listener);
    this->set_has_listener();
  }
  using Cell<P>::has_listener;

  // Nothing is delivered any more.
  void Unlisten() noexcept { listener_.Reset(); }

 private:
  LoopFunction<E, P> listener_;
};

struct NoDelivery {
  explicit NoDelivery(LoopCore&) noexcept {}
};

template <class E, class P>
struct ChooseDelivery {
  using Type = Delivery<E, P>;
};
template <class E>
struct ChooseDelivery<E, void> {
  using Type = NoDelivery;
};

// Of a worker that reports a P, or nothing if P is void.
template <class E, class P>
using DeliveryOf = typename ChooseDelivery<E, P>::Type;

}  // namespace internal_progress

// Affinity:  worker thread: one at a time, until the worker has returned.
template <class P>
class Progress {
  static_assert(internal_sendable::RequireSendableResult<P>::kOk);

 public:
  using qio_sendable = void;  // Stays with its worker.
  using Value = P;

  Progress(Progress&& other) noexcept
      : cell_(std::exchange(other.cell_, nullptr)) {}
  Progress(const Progress&) = delete;  // qio: one worker reports; move it
  Progress& operator=(Progress other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }

  // Sends `value` to the loop, in place of one that it has not seen yet. What
  // comes when the task is cancelled, or without OnProgress(), is dropped.
  //
  // Order:     before the completion, never after it.
  // Destroys:  values that were not delivered on the worker's thread, or where
  //            the task ends.
  // Cost:      no allocation; a wake-up only if the loop sleeps.
  void Report(P value) {
    if (cell_ != nullptr) cell_->Report(std::move(value));
  }

 private:
  friend struct internal_task::TaskMaker;

  explicit Progress(internal_progress::Cell<P>& cell) noexcept : cell_(&cell) {}

  internal_progress::Cell<P>* cell_;
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_PROGRESS_H_
