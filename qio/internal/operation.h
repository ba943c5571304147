// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/operation.h
//
// What an operation is made of that needs no thread: it has the Completer of
// the task that it is, lives in recycled memory of its loop, and stops when
// nobody wants its result any more.

#ifndef QIO_INTERNAL_OPERATION_H_
#define QIO_INTERNAL_OPERATION_H_

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/loop_object.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {
namespace internal_operation {

using internal_loop_core::LoopCore;
using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_reactor::Access;
using internal_task::TaskMaker;

// Derived has
//
//   // Inside Then(): begins. Whoever calls back later holds `self`.
//   static void Start(Pointer self, OnLoop<E>& on);
//   // Nobody wants the result any more.
//   void Stop() noexcept;
//   // What it waits for.
//   std::string Describe() const;
//
// It needs memory when it is made, and none from then on.
template <class Derived, class E, class T>
class Operation : public LoopObject, private DescribedHook {
 public:
  using Pointer = LoopPtr<Derived>;

  // The task that `operation` is. Throws std::bad_alloc.
  static QIOTask<E, T> MakeTaskOf(OnLoop<E>& on, Pointer operation) {
    return MakeTask<T>(
        on, [operation = std::move(operation)](
                OnLoop<E>& start_on, Completer<E, T> completer) mutable {
          Operation& self = *operation;
          self.completer_ = std::move(completer);
          self.completer_->SetCancelHook(start_on, &self);
          Derived::Start(std::move(operation), start_on);
        });
  }

 protected:
  explicit Operation(LoopCore& loop_core) noexcept : LoopObject(loop_core) {
    cancelled = [](CancelHook* hook) noexcept {
      static_cast<Operation*>(hook)->GiveUp();
    };
    describe = [](const DescribedHook* hook) {
      return static_cast<const Derived*>(static_cast<const Operation*>(hook))
          ->Describe();
    };
  }
  ~Operation() = default;

  // It was started, and has neither completed nor been given up.
  bool wanted() const noexcept { return completer_.has_value(); }

  // Only while it is wanted.
  void Complete(OnLoop<E>& on, TaskResult<T> result) {
    Completer<E, T> completer = *std::move(completer_);
    completer_.reset();
    std::move(completer).Complete(on, std::move(result));
  }

  // Ends what could not be started: the exception that is on its way is the
  // result.
  void Drop() noexcept {
    const Pointer alive(static_cast<Derived*>(this));
    completer_.reset();
    alive->Stop();
  }

 private:
  void GiveUp() noexcept {
    const Pointer alive(static_cast<Derived*>(this));
    // Nobody hears of it, and it needs no memory.
    if (wanted()) Complete(this->template on<E>(), absl::CancelledError());
    alive->Stop();
  }

  std::optional<Completer<E, T>> completer_;
};

// Whether Task is a QIOTask of E.
template <class E, class Task>
inline constexpr bool kIsTaskOf = false;
template <class E, class T>
inline constexpr bool kIsTaskOf<E, QIOTask<E, T>> = true;

// What is given where a task of E is wanted; Given as it was deduced for a
// Given&&.
template <class E, class Given>
struct RequireTask {
  using Task = internal_task::TaskIn<Given>;
  static_assert(
      !std::is_void_v<Task>,
      "qio: what is waited for is a QIOTask, or a Coro, which is one");
  static_assert(!std::is_lvalue_reference_v<Given>,
                "qio: a task happens once; move it in");
  static_assert(std::is_void_v<Task> || kIsTaskOf<E, Task>,
                "qio: this task belongs to another loop; hop with "
                "std::move(task).On(on)");
  using T = typename internal_task::PartsOf<Task>::Value;
};

// Of two loops of one brand, which types cannot tell apart. Checked builds.
template <class E, class T>
void CheckTask(OnLoop<E>& on, const QIOTask<E, T>& task) noexcept {
  OnLoop<E>* own = TaskMaker::WitnessOf(task);
  if (own == nullptr) return;
  internal_reactor::CheckSameLoop(on, Access::CoreOf(*own), "a QIOTask");
}

inline const absl::Status& StatusOf(const absl::Status& result) noexcept {
  return result;
}
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) noexcept {
  return result.status();
}

}  // namespace internal_operation
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_OPERATION_H_
