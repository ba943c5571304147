// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/when.h
//
// Several tasks as one. WhenAll() has the results of all, or the first error;
// WhenAny() that of whichever is first:
//
//   qio::WhenAll(on, Resolve(on, host), qio::RunInThread(on, &ReadKey, path))
//       .Then(scope, [](qio::OnLoop<Loop>& on,
//                       absl::StatusOr<std::tuple<Addresses, Key>> both) {
//         if (both.ok()) Connect(on, std::get<0>(*both), std::get<1>(*both));
//       });
//
// Structured: what is not needed any more is cancelled, and completes before
// the whole does; cancelled or abandoned, the whole takes all of them along. Of
// tasks that are not known beforehand, or are to run a few at a time, make a
// TaskGroup (qio/task_group.h).

#ifndef QIO_WHEN_H_
#define QIO_WHEN_H_

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/internal/operation.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {

// WhenAll()
//
// A task that starts all of `tasks`, in their order, and has the results of
// all: a QIOTask<E, std::tuple<Ts...>>, where void is a std::monostate. The
// first error cancels the rest; it is the result, once all have completed. A
// worker is told to stop then, and not waited for.
//
// Destroys:  results that are not wanted, on the loop, with the whole.
// Errors:    throws std::bad_alloc; the tasks end here then. Starting needs no
//            memory. What the start of a task throws is an error of the whole.
// Cost:      one task and some memory of the loop's; no allocation in steady
//            state, up to some forty tasks.
template <class E, class... Tasks>
auto WhenAll(OnLoop<E>& on, Tasks&&... tasks);

// The same of any number of one kind: a QIOTask<E, std::vector<T>> in the order
// of `tasks`, or a QIOTask<E, void> of those of void. Of none it is soon done.
//
// Cost:  the result's memory more, allocated here.
template <class E, class Task>
auto WhenAll(OnLoop<E>& on, std::vector<Task>&& tasks);
template <class E, class Task>
void WhenAll(  // qio: a task happens once; WhenAll(on, std::move(tasks))
    OnLoop<E>&, std::vector<Task>&) = delete;

// What a WhenAny() comes to.
template <class T>
struct Winner {
  std::size_t index;     // Which of the tasks it was.
  TaskResult<T> result;  // Its value, or its error.
};

// WhenAny()
//
// A task that starts all of `tasks`, which have results of one type T, and has
// the result of the first that completes, be it an error: a
// QIOTask<E, Winner<T>>. The others are cancelled, and it completes when they
// have.
//
// Destroys:  as WhenAll().
// Errors:    as WhenAll().
// Cost:      as WhenAll().
template <class E, class First, class... Rest>
auto WhenAny(OnLoop<E>& on, First&& first, Rest&&... rest);

// The same of any number.
//
// Errors:  to the completion: kInvalidArgument if there is none.
template <class E, class Task>
auto WhenAny(OnLoop<E>& on, std::vector<Task>&& tasks);
template <class E, class Task>
void WhenAny(  // qio: a task happens once; WhenAny(on, std::move(tasks))
    OnLoop<E>&, std::vector<Task>&) = delete;

// ---------------------------------------------------------------------------

namespace internal_when {

using internal_operation::CheckTask;
using internal_operation::LoopCore;
using internal_operation::LoopPtr;
using internal_operation::Operation;
using internal_operation::RequireTask;
using internal_operation::StatusOf;
using internal_operation::TaskMaker;

// Objects side by side in a block of the loop's memory.
template <class P>
class Row {
 public:
  static_assert(alignof(P) <= internal_block_pool::BlockPool::kAlignment,
                "qio: a result must not be aligned beyond a cache line");

  // Throws std::bad_alloc.
  Row(LoopCore& core, std::size_t capacity)
      : core_(core),
        size_(capacity * sizeof(P)),
        begin_(static_cast<P*>(
            internal_reactor::HoldBlock(*core.reactor(), size_))),
        end_(begin_) {}
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;
  ~Row() {
    std::destroy(begin_, end_);
    internal_reactor::ReleaseBlock(core_, begin_, size_);
  }

  // Not more than there is room for.
  template <class Arg>
  void Add(Arg&& arg) noexcept {
    ::new (static_cast<void*>(end_)) P(std::forward<Arg>(arg));
    ++end_;
  }

  P* begin() const noexcept { return begin_; }
  P* end() const noexcept { return end_; }

 private:
  LoopCore& core_;
  const std::size_t size_;
  P* const begin_;
  P* end_;
};

// One of the tasks of a whole W, which keeps it in place.
template <class E, class T, class W>
struct Part {
  // Its completion, and what keeps the whole in being. As small as a pointer:
  // there is room for it in every task, and starting needs no memory.
  class Arrival {
   public:
    Arrival(Part& part, W& whole) noexcept : part_(&part) {
      part.whole = LoopPtr<W>(&whole);
    }
    Arrival(Arrival&& other) noexcept
        : part_(std::exchange(other.part_, nullptr)) {}
    Arrival& operator=(Arrival&&) = delete;
    ~Arrival() {
      if (part_ == nullptr) return;
      const LoopPtr<W> last = std::move(part_->whole);
    }

    void operator()(OnLoop<E>& on, TaskResult<T> result) {
      part_->result.emplace(std::move(result));
      part_->whole->OnArrival(on, *part_);
    }

   private:
    Part* part_;
  };

  explicit Part(QIOTask<E, T>&& given) noexcept : task(std::move(given)) {}
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  // Of one that was a success.
  auto TakeValue() {
    if constexpr (std::is_void_v<T>) {
      return std::monostate();
    } else {
      return *std::move(*result);
    }
  }

  QIOTask<E, T> task;  // Until it is started.
  TaskHandle<E> handle;
  LoopPtr<W> whole;  // While its completion exists.
  std::optional<TaskResult<T>> result;
};

// A task of several, its parts. Derived has
//
//   template <class F> void ForEachPart(F f) const;
//   // Looks at a result; true: the rest is not wanted any more.
//   template <class P> bool Decides(P& part);
//   // The result of the whole, once the parts that were started have ended.
//   TaskResult<T> Outcome();
//   // "all", or "the first".
//   static constexpr char kWaitsFor[];
template <class Derived, class E, class T>
class Whole : public Operation<Derived, E, T> {
 public:
  using Pointer = typename Operation<Derived, E, T>::Pointer;

  static void Start(Pointer self, OnLoop<E>& on) {
    // The start of a part may throw, which is an error of the whole then.
    struct Guard {
      ~Guard() {
        if (whole != nullptr) whole->Drop();
      }
      Whole* whole;
    } guard{self.get()};
    self->derived().ForEachPart([&](auto& part) { self->Begin(on, part); });
    guard.whole = nullptr;
    self->PartEnded(on);
  }

  template <class P>
  void OnArrival(OnLoop<E>& on, P& part) {
    if (!is_decided_ && derived().Decides(part)) {
      is_decided_ = true;
      derived().ForEachPart([&](auto& other) { other.handle.Cancel(on); });
    }
    PartEnded(on);
  }

  void Stop() noexcept {
    derived().ForEachPart(
        [](const auto& part) { TaskMaker::Abandon(part.handle); });
  }

  // "all of 5 tasks, 2 of them still out: ReadTheTape(...), a timer".
  std::string Describe() const {
    constexpr int kNamedMax = 3;
    std::string names;
    int parts = 0, out = 0;
    derived().ForEachPart([&](const auto& part) {
      ++parts;
      if (part.result.has_value()) return;
      if (++out > kNamedMax) return;
      if (out > 1) names += ", ";
      names += TaskMaker::Describe(part.handle);
    });
    return std::string(Derived::kWaitsFor) + " of " + std::to_string(parts) +
           " tasks, " + std::to_string(out) + " of them still out: " + names +
           (out > kNamedMax ? ", ..." : "");
  }

 protected:
  explicit Whole(LoopCore& core) noexcept : Operation<Derived, E, T>(core) {}

 private:
  Derived& derived() noexcept { return static_cast<Derived&>(*this); }
  const Derived& derived() const noexcept {
    return static_cast<const Derived&>(*this);
  }

  template <class P>
  void Begin(OnLoop<E>& on, P& part) {
    // Decided, or ended, by what was started before.
    if (is_decided_ || !this->wanted()) return;
    ++running_;
    part.handle =
        std::move(part.task).Then(typename P::Arrival(part, derived()));
    if (!this->wanted()) {
      TaskMaker::Abandon(part.handle);
    } else if (is_decided_) {
      part.handle.Cancel(on);
    }
  }

  void PartEnded(OnLoop<E>& on) {
    if (--running_ == 0 && this->wanted()) {
      this->Complete(on, derived().Outcome());
    }
  }

  // Parts whose completions are to come; and one while they are started.
  std::size_t running_ = 1;
  bool is_decided_ = false;
};

// The first error of them decides.
template <class Derived, class E, class T>
class All : public Whole<Derived, E, T> {
 public:
  static constexpr char kWaitsFor[] = "all";

  template <class P>
  bool Decides(P& part) {
    error_ = StatusOf(*part.result);
    return !error_.ok();
  }

 protected:
  using Whole<Derived, E, T>::Whole;

  const absl::Status& error() const noexcept { return error_; }

 private:
  absl::Status error_;
};

template <class T>
using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class E, class... Ts>
class AllOfThese final
    : public All<AllOfThese<E, Ts...>, E, std::tuple<Value<Ts>...>> {
 public:
  using Result = std::tuple<Value<Ts>...>;

  AllOfThese(LoopCore& core, QIOTask<E, Ts>... tasks) noexcept
      : AllOfThese::All(core), parts_(std::move(tasks)...) {}

  template <class F>
  void ForEachPart(F f) const {
    std::apply([&](auto&... part) { (f(part), ...); }, parts_);
  }

  TaskResult<Result> Outcome() {
    if (!this->error().ok()) return this->error();
    return std::apply([](auto&... part) { return Result(part.TakeValue()...); },
                      parts_);
  }

 private:
  // As the parts of a Row are no part of it.
  mutable std::tuple<Part<E, Ts, AllOfThese>...> parts_;
};

template <class T>
using ValuesOf =
    std::conditional_t<std::is_void_v<T>, void, std::vector<Value<T>>>;

template <class E, class T>
class AllOfMany final : public All<AllOfMany<E, T>, E, ValuesOf<T>> {
 public:
  template <class Task>
  AllOfMany(LoopCore& core, std::vector<Task> tasks)
      : AllOfMany::All(core), parts_(core, tasks.size()) {
    if constexpr (!std::is_void_v<T>) values_.reserve(tasks.size());
    for (Task& task : tasks) parts_.Add(std::move(task));
  }

  template <class F>
  void ForEachPart(F f) const {
    for (auto& part : parts_) f(part);
  }

  TaskResult<ValuesOf<T>> Outcome() {
    if constexpr (std::is_void_v<T>) {
      return this->error();
    } else {
      if (!this->error().ok()) return this->error();
      for (auto& part : parts_) values_.push_back(part.TakeValue());
      return std::move(values_);
    }
  }

 private:
  Row<Part<E, T, AllOfMany>> parts_;
  [[no_unique_address]] std::conditional_t<std::is_void_v<T>, std::monostate,
                                           std::vector<Value<T>>> values_;
};

template <class E, class T>
class Any final : public Whole<Any<E, T>, E, Winner<T>> {
 public:
  static constexpr char kWaitsFor[] = "the first";

  template <class Task>
  Any(LoopCore& core, std::vector<Task> tasks)
      : Any::Whole(core), parts_(core, tasks.size()) {
    for (Task& task : tasks) parts_.Add(std::move(task));
  }
  template <class... Tasks>
  explicit Any(LoopCore& core, QIOTask<E, T> first, Tasks... tasks)
      : Any::Whole(core), parts_(core, 1 + sizeof...(tasks)) {
    parts_.Add(std::move(first));
    (parts_.Add(std::move(tasks)), ...);
  }

  template <class F>
  void ForEachPart(F f) const {
    for (auto& part : parts_) f(part);
  }

  bool Decides(Part<E, T, Any>& part) {
    winner_ = &part;
    return true;
  }

  TaskResult<Winner<T>> Outcome() {
    if (winner_ == nullptr) {
      return internal_status::MakeOrCode(
          absl::StatusCode::kInvalidArgument,
          [] { return absl::InvalidArgumentError("WhenAny() of no tasks"); });
    }
    return Winner<T>{static_cast<std::size_t>(winner_ - parts_.begin()),
                     *std::move(winner_->result)};
  }

 private:
  Row<Part<E, T, Any>> parts_;
  Part<E, T, Any>* winner_ = nullptr;
};

template <class W, class E, class... Tasks>
auto Make(OnLoop<E>& on, Tasks... tasks) {
  return W::MakeTaskOf(on, LoopPtr<W>::Make(on, std::move(tasks)...));
}

}  // namespace internal_when

template <class E, class... Tasks>
auto WhenAll(OnLoop<E>& on,  // qio: pass the witness of its loop
             Tasks&&... tasks) {
  using Whole = internal_when::AllOfThese<
      E, typename internal_when::RequireTask<E, Tasks>::T...>;
  (internal_when::CheckTask(on, tasks), ...);
  return internal_when::Make<Whole>(
      on, internal_task::TaskIn<Tasks>(std::move(tasks))...);
}

template <class E, class Task>
auto WhenAll(OnLoop<E>& on,  // qio: pass the witness of its loop
             std::vector<Task>&& tasks) {
  using T = typename internal_when::RequireTask<E, Task>::T;
  for (const Task& task : tasks) internal_when::CheckTask(on, task);
  return internal_when::Make<internal_when::AllOfMany<E, T>>(on,
                                                             std::move(tasks));
}

template <class E, class First, class... Rest>
auto WhenAny(OnLoop<E>& on,  // qio: pass the witness of its loop
             First&& first, Rest&&... rest) {
  using T = typename internal_when::RequireTask<E, First>::T;
  static_assert(
      (std::is_same_v<T, typename internal_when::RequireTask<E, Rest>::T> &&
       ...),
      "qio: the tasks of a WhenAny() have results of one type");
  internal_when::CheckTask(on, first);
  (internal_when::CheckTask(on, rest), ...);
  return internal_when::Make<internal_when::Any<E, T>>(
      on, internal_task::TaskIn<First>(std::move(first)),
      internal_task::TaskIn<Rest>(std::move(rest))...);
}

template <class E, class Task>
auto WhenAny(OnLoop<E>& on,  // qio: pass the witness of its loop
             std::vector<Task>&& tasks) {
  using T = typename internal_when::RequireTask<E, Task>::T;
  for (const Task& task : tasks) internal_when::CheckTask(on, task);
  return internal_when::Make<internal_when::Any<E, T>>(on, std::move(tasks));
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_WHEN_H_
