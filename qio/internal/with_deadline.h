// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/with_deadline.h
//
// QIOTask::WithDeadline() and WithTimeout(), which task.h declares.

#ifndef QIO_INTERNAL_WITH_DEADLINE_H_
#define QIO_INTERNAL_WITH_DEADLINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/loop_object.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"
#include "qio/timer.h"

namespace qio::inline QIO_ABI {
namespace internal_with_deadline {

using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_reactor::Access;
using internal_task::TaskMaker;

// "deadline exceeded after 250 ms of waiting for ReadTheTape(...)".
inline absl::Status Exceeded(std::int64_t waited_ns, const std::string& what) {
  return absl::DeadlineExceededError("deadline exceeded after " +
                                     std::to_string(waited_ns / 1'000'000) +
                                     " ms of waiting for " + what);
}

// A task and its deadline: whichever comes first is the result of another.
template <class E, class T>
class Operation final : public LoopObject,
                        private DescribedHook,
                        private internal_reactor::TimerNode {
 public:
  using Pointer = LoopPtr<Operation>;

  // Either when the time is up, or so long after the start.
  struct When {
    std::int64_t deadline_ns = 0;
    std::int64_t timeout_ns = -1;
  };

  Operation(internal_reactor::LoopCore& core, QIOTask<E, T> task,
            When when) noexcept
      : LoopObject(core), task_(std::move(task)), when_(when) {
    cancelled = [](CancelHook* hook) noexcept {
      static_cast<Operation*>(hook)->Stop();
    };
    describe = [](const DescribedHook* hook) {
      return TaskMaker::Describe(static_cast<const Operation*>(hook)->handle_);
    };
    ops = &kTimerOps;
  }
  ~Operation() {
    if (linked()) Access::CancelTimer(*core().reactor(), *this);
  }

  static void Start(Pointer self, OnLoop<E>& on, Completer<E, T> completer) {
    Reactor& reactor = Access::Of(on);
    if (!self->HasTimeout()) self->started_ns_ = Access::NowNs(reactor);
    self->completer_ = std::move(completer);
    self->completer_->SetCancelHook(on, self.get());
    self->handle_ = std::move(*self->task_)
                        .Then([self](OnLoop<E>& then_on, TaskResult<T> result) {
                          self->OnResult(then_on, std::move(result));
                        });
    self->task_.reset();
    if (!self->completer_) {  // Its start has cancelled what waits for it.
      TaskMaker::Abandon(self->handle_);
      return;
    }
    if (self->HasTimeout()) {
      Access::ArmTimerAfter(reactor, *self, self->when_.timeout_ns);
    } else {
      Access::ArmTimer(reactor, *self, self->when_.deadline_ns);
    }
  }

 private:
  static void Fire(internal_reactor::TimerNode* node, void* on) {
    static_cast<Operation*>(node)->OnDeadline(*static_cast<OnLoop<E>*>(on));
  }
  static constexpr internal_reactor::TimerNode::Ops kTimerOps{&Fire, nullptr};

  bool HasTimeout() const noexcept { return when_.timeout_ns >= 0; }

  void OnResult(OnLoop<E>& on, TaskResult<T> result) {
    Access::CancelTimer(Access::Of(on), *this);
    Take().Complete(on, std::move(result));
  }

  void OnDeadline(OnLoop<E>& on) {
    const Pointer alive(this);
    if (HasTimeout()) started_ns_ = deadline_ns - when_.timeout_ns;
    const std::int64_t waited_ns = Access::NowNs(Access::Of(on)) - started_ns_;
    absl::Status exceeded = internal_status::MakeOrCode(
        absl::StatusCode::kDeadlineExceeded,
        [&] { return Exceeded(waited_ns, TaskMaker::Describe(handle_)); });
    Completer<E, T> completer = Take();
    TaskMaker::Abandon(handle_);
    std::move(completer).Complete(on, std::move(exceeded));
  }

  // Nobody wants the result any more.
  void Stop() noexcept {
    const Pointer alive(this);
    Access::CancelTimer(*core().reactor(), *this);
    completer_.reset();
    TaskMaker::Abandon(handle_);
  }

  Completer<E, T> Take() noexcept {
    Completer<E, T> completer = *std::move(completer_);
    completer_.reset();
    return completer;
  }

  std::optional<QIOTask<E, T>> task_;  // Until it is started.
  TaskHandle<E> handle_;
  std::optional<Completer<E, T>> completer_;
  const When when_;
  std::int64_t started_ns_ = 0;
};

template <class E, class T>
QIOTask<E, T> Limit(OnLoop<E>& on, QIOTask<E, T> task,
                    typename Operation<E, T>::When when) {
  using Pointer = typename Operation<E, T>::Pointer;
  Pointer operation = Pointer::Make(on, std::move(task), when);
  return MakeTask<T>(
      on, [operation = std::move(operation)](
              OnLoop<E>& start_on, Completer<E, T> completer) mutable {
        Operation<E, T>::Start(std::move(operation), start_on,
                               std::move(completer));
      });
}

}  // namespace internal_with_deadline

template <class E, class T>
template <class TimePoint>
QIOTask<E, T> QIOTask<E, T>::WithDeadline(TimePoint deadline) && {
  static_assert(internal_timer::kIsDeadline<TimePoint>,
                "qio: a deadline is a std::chrono::steady_clock::time_point; "
                "the wall clock may be set back");
  OnLoop<E>* on = internal_task::TaskMaker::WitnessOf(*this);
  if (on == nullptr) return std::move(*this);
  return internal_with_deadline::Limit(
      *on, std::move(*this),
      {internal_timer::SaturatedNs(deadline.time_since_epoch()), -1});
}

template <class E, class T>
template <class Duration>
QIOTask<E, T> QIOTask<E, T>::WithTimeout(Duration timeout) && {
  static_assert(internal_timer::kIsDuration<Duration>,
                "qio: a timeout has a unit: std::chrono::milliseconds(5)");
  OnLoop<E>* on = internal_task::TaskMaker::WitnessOf(*this);
  if (on == nullptr) return std::move(*this);
  const std::int64_t timeout_ns = internal_timer::SaturatedNs(timeout);
  return internal_with_deadline::Limit(*on, std::move(*this),
                                       {0, timeout_ns < 0 ? 0 : timeout_ns});
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_WITH_DEADLINE_H_
