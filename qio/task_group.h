// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/task_group.h
//
// TaskGroup<E> is a scope for tasks that are of one piece: it runs so many of
// them at a time, the first error cancels the rest, and Join() tells when all
// are through.
//
//   qio::Coro<Loop, void> Mirror(qio::OnLoop<Loop>& on,
//                                std::vector<std::string> paths) {
//     qio::TaskGroup<Loop> group(on, 8);
//     for (std::string& path : paths) group.Add(on, Copy(on, std::move(path)));
//     co_return co_await group.Join(on);
//   }
//
// It is structured: nothing of a group runs when it is gone. For tasks that
// have nothing to do with each other there is TaskScope (qio/task_scope.h), for
// the results of a few WhenAll() (qio/when.h).

#ifndef QIO_TASK_GROUP_H_
#define QIO_TASK_GROUP_H_

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/internal/operation.h"
#include "qio/internal/task_block.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"
#include "qio/task_scope.h"

namespace qio::inline QIO_ABI {

namespace internal_task_group {
template <class E>
class State;
}  // namespace internal_task_group

template <class E>
class TaskGroup {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.

  static constexpr int kNoLimit = std::numeric_limits<int>::max();

  // Runs `running_max` tasks at a time, at least one.
  //
  // Errors:  throws std::bad_alloc.
  explicit TaskGroup(OnLoop<E>& on,  // qio: pass the witness of its loop
                     int running_max = kNoLimit)
      : state_(State::Pointer::Make(on, on, running_max)) {}
  TaskGroup(const TaskGroup&) = delete;  // qio: tasks hold on to their group
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Destroys the completions of its tasks, here and now: none of them runs any
  // more, and what waits is never started. Workers that run are told to stop,
  // and count as outstanding until they return. A Join() that still waits
  // completes with kAborted. May be called from one of its own completions.
  //
  // Affinity:  owning loop, which checked builds check; or any thread once the
  //            executor is gone.
  ~TaskGroup() {
    internal_reactor::CheckMayTouch(state_->core(), "a TaskGroup");
    state_->Close();
  }

  // TaskGroup::Add()
  //
  // Starts `task`, or lets it wait for its turn if enough are running: it is
  // started when those before it have been, and a completion has returned.
  // Calls completion(on, TaskResult<T>) as Then() does.
  //
  // The first error, of whichever task, cancels the rest: what runs is
  // cancelled, what waits is never started. These, and what is added later,
  // until Join() has told the error, complete with kCancelled. A task that is
  // cancelled by its handle has an error, too.
  //
  // Destroys:  `completion` as Then() does.
  // Errors:    to the completion: as those of `task`. Throws std::bad_alloc;
  //            the task and `completion` end here then.
  // Cost:      none beyond Then()'s if it starts now; one task more if it has
  //            to wait. No allocation in steady state.
  template <class Task>
  TaskHandle<E> Add(OnLoop<E>& on,  // qio: pass the witness of its loop
                    Task&& task);
  template <class Task, class Completion>
  TaskHandle<E> Add(OnLoop<E>& on,  // qio: pass the witness of its loop
                    Task&& task, Completion completion);

  // TaskGroup::Join()
  //
  // A task that completes when all of the group have completed, also those that
  // are added meanwhile: with the first error, if there was one. After that the
  // group is as new. Cancelled, it no longer waits, and the group goes on.
  //
  // Errors:  to the completion: the first error of a task; kAborted if the
  //          group is destroyed. Throws std::bad_alloc.
  QIOTask<E, void> Join(OnLoop<E>& on);  // qio: pass the witness of its loop

  // Cancels all tasks, as an error kCancelled of one of them would.
  void Cancel(OnLoop<E>& on) noexcept {  // qio: pass the witness of its loop
    internal_reactor::CheckSameLoop(on, state_->core(), "a TaskGroup");
    state_->Fail(absl::CancelledError());
  }

  // Tasks that were started, and whose completions have not returned.
  int running() const noexcept { return state_->running(); }
  // Tasks that wait for their turn.
  int waiting() const noexcept { return state_->waiting(); }

 private:
  using State = internal_task_group::State<E>;

  typename State::Pointer state_;
};

// ---------------------------------------------------------------------------

namespace internal_task_group {

using internal_operation::CheckTask;
using internal_operation::LoopCore;
using internal_operation::LoopObject;
using internal_operation::LoopPtr;
using internal_operation::Operation;
using internal_operation::RequireTask;
using internal_operation::StatusOf;
using internal_operation::TaskMaker;
using internal_reactor::Link;
using internal_task_block::TaskBlock;

// A task that is to start later. What is in the list of a group owns itself.
template <class E>
struct Waiting : Link {
  // It has left the list.
  void (*begin)(Waiting*, OnLoop<E>&) noexcept;
};

// Somebody who wants to know when all have completed; in a list likewise.
template <class E>
class Joining;

// What a group is; completions may outlive that.
template <class E>
class State final : public LoopObject {
 public:
  using Pointer = LoopPtr<State>;

  State(LoopCore& loop_core, OnLoop<E>& on, int running_max) noexcept
      : LoopObject(loop_core), running_max_(running_max < 1 ? 1 : running_max) {
    scope_.emplace(on);
  }

  // The group, or its executor, is gone or about to go.
  bool is_closed() const noexcept {
    return has_ended_ || scope_->scope_.core == nullptr;
  }
  TaskScope<E>& scope() noexcept { return *scope_; }

  int running() const noexcept { return tasks_ - waiting_; }
  int waiting() const noexcept { return waiting_; }
  bool is_empty() const noexcept { return tasks_ == 0; }
  bool has_failed() const noexcept { return !error_.ok(); }
  absl::Status TakeError() noexcept {
    return std::exchange(error_, absl::OkStatus());
  }

  bool MayStart() const noexcept {
    return !has_failed() && running() < running_max_;
  }

  void Enter() noexcept { ++tasks_; }
  // A task has ended, completion and all.
  void Leave() noexcept {
    --tasks_;
    if (is_closed()) return;
    const Pointer alive(this);
    OnLoop<E>& witness = this->template on<E>();
    while (waiting_list_.linked() && MayStart()) {
      auto* next = static_cast<Waiting<E>*>(waiting_list_.next);
      EndWait(*next);
      next->begin(next, witness);
      if (is_closed()) return;
    }
    if (is_empty() && joins_.linked()) EndJoins(witness, TakeError());
  }

  void Wait(Waiting<E>& task) noexcept {
    waiting_list_.PushBack(task);
    ++waiting_;
  }
  void EndWait(Waiting<E>& task) noexcept {
    task.Unlink();
    --waiting_;
  }

  // Cancels all. The hook of each may do anything.
  void Fail(const absl::Status& error) noexcept {
    if (has_failed() || is_closed()) return;
    error_ = error;
    const Pointer alive(this);
    // Not more often than there are now: what is added meanwhile is cancelled
    // already.
    for (int left = tasks_; left > 0 && !is_closed(); --left) {
      Link& tasks = scope_->scope_.tasks;
      if (!tasks.linked()) return;
      Link& first = *tasks.next;
      first.Unlink();
      tasks.PushBack(first);
      TaskBlock::FromLink(&first)->Cancel();
    }
  }

  void Close() noexcept {
    has_ended_ = true;
    if (joins_.linked()) EndJoins(this->template on<E>(), HasEnded());
    scope_.reset();
  }

  static absl::Status HasEnded() noexcept {
    return internal_status::MakeOrCode(absl::StatusCode::kAborted, [] {
      return absl::AbortedError("the group of tasks has ended");
    });
  }

 private:
  friend class Joining<E>;

  // None of them is there any more when the executor is gone.
  void EndJoins(OnLoop<E>& on, const absl::Status& status) noexcept {
    while (joins_.linked()) {
      static_cast<Joining<E>*>(joins_.next)->End(on, status);
    }
  }

  const int running_max_;
  int tasks_ = 0;
  int waiting_ = 0;  // Of them.
  bool has_ended_ = false;
  absl::Status error_;
  Link waiting_list_;
  Link joins_;
  std::optional<TaskScope<E>> scope_;
};

// One of the tasks of a group, from Add() until its completion is destroyed.
template <class E>
class Member {
 public:
  explicit Member(LoopPtr<State<E>> state) noexcept : state_(std::move(state)) {
    state_->Enter();
  }
  Member(Member&&) noexcept = default;
  Member& operator=(Member&&) = delete;
  ~Member() {
    if (state_) state_->Leave();
  }

  State<E>& state() const noexcept { return *state_; }

 private:
  LoopPtr<State<E>> state_;
};

struct Nothing {
  template <class... Args>
  void operator()(Args&&...) const noexcept {}
};

// What every completion is in.
template <class E, class T, class Completion>
struct Ended {
  void operator()(OnLoop<E>& on, TaskResult<T> result) {
    State<E>& state = member.state();
    if (!StatusOf(result).ok()) state.Fail(StatusOf(result));
    // Unless what was cancelled has ended the group.
    if (!state.is_closed()) completion(on, std::move(result));
  }

  // Leaves last, when what the completion holds is gone.
  Member<E> member;
  [[no_unique_address]] Completion completion;
};

// Stands in, as a task that has started, for one that waits for its turn: both
// end together, whatever ends them, and nothing is allocated when it comes.
template <class E, class T>
class Later final : public Operation<Later<E, T>, E, T>, private Waiting<E> {
 public:
  using Pointer = typename Operation<Later, E, T>::Pointer;

  Later(LoopCore& core, LoopPtr<State<E>> state, QIOTask<E, T> task) noexcept
      : Later::Operation(core), state_(std::move(state)) {
    task_.emplace(std::move(task));
    this->begin = [](Waiting<E>* waiting, OnLoop<E>& on) noexcept {
      static_cast<Later*>(waiting)->Begin(on);
    };
  }

  static void Start(Pointer self, OnLoop<E>&) {
    Later& later = *self;
    later.state_->Wait(later);
    later.self_ = std::move(self);
  }
  void Stop() noexcept {
    if (this->linked()) state_->EndWait(*this);
    task_.reset();
    TaskMaker::Abandon(handle_);
    self_ = Pointer();
  }
  std::string Describe() const {
    return this->linked() ? "its turn in a group"
                          : TaskMaker::Describe(handle_);
  }

 private:
  void Begin(OnLoop<E>& on) noexcept {
    const Pointer self = std::move(self_);
    absl::Status thrown;
#if defined(__cpp_exceptions)
    try {
      Then();
    } catch (...) {
      thrown = internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
        return internal_exception_status::CurrentException("the operation");
      });
    }
#else
    Then();
#endif
    task_.reset();
    if (!this->wanted()) {  // Its start has cancelled what waits for it.
      TaskMaker::Abandon(handle_);
    } else if (!thrown.ok()) {
      this->Complete(on, std::move(thrown));
    }
  }

  void Then() {
    handle_ = std::move(*task_).Then(
        [self = Pointer(this)](OnLoop<E>& on, TaskResult<T> result) {
          if (self->wanted()) self->Complete(on, std::move(result));
        });
  }

  const LoopPtr<State<E>> state_;
  std::optional<QIOTask<E, T>> task_;  // Until it is started.
  TaskHandle<E> handle_;
  Pointer self_;  // While it waits.
};

template <class E>
class Joining final : public Operation<Joining<E>, E, void>, private Link {
 public:
  using Pointer = typename Operation<Joining, E, void>::Pointer;

  Joining(LoopCore& core, LoopPtr<State<E>> state) noexcept
      : Joining::Operation(core), state_(std::move(state)) {}

  static void Start(Pointer self, OnLoop<E>& on) {
    Joining& joining = *self;
    State<E>& state = *joining.state_;
    if (state.is_closed()) {
      joining.Complete(on, state.HasEnded());
    } else if (state.is_empty()) {
      joining.Complete(on, state.TakeError());
    } else {
      state.joins_.PushBack(joining);
      joining.self_ = std::move(self);
    }
  }
  void Stop() noexcept { Leave(); }
  std::string Describe() const {
    return "a group of tasks, " + std::to_string(state_->running()) +
           " running and " + std::to_string(state_->waiting()) + " waiting";
  }

 private:
  friend class State<E>;

  void End(OnLoop<E>& on, const absl::Status& status) {
    const Pointer alive = Leave();
    this->Complete(on, status);
  }

  Pointer Leave() noexcept {
    this->Unlink();
    return std::move(self_);
  }

  const LoopPtr<State<E>> state_;
  Pointer self_;  // While it waits.
};

}  // namespace internal_task_group

template <class E>
template <class Task>
TaskHandle<E> TaskGroup<E>::Add(OnLoop<E>& on, Task&& task) {
  return Add(on, std::forward<Task>(task), internal_task_group::Nothing());
}

template <class E>
template <class Task, class Completion>
TaskHandle<E> TaskGroup<E>::Add(OnLoop<E>& on, Task&& task,
                                Completion completion) {
  using T = typename internal_operation::RequireTask<E, Task>::T;
  static_assert(CompletionFor<Completion, E, T>,
                "qio: a completion is called as completion(on, result): let it "
                "take an OnLoop<E>& of the task's own loop, then "
                "absl::StatusOr<T>, or absl::Status for void");
  using Later = internal_task_group::Later<E, T>;
  internal_reactor::CheckSameLoop(on, state_->core(), "a TaskGroup");
  internal_operation::CheckTask(on, task);
  QIOTask<E, T> mine = std::move(task);
  typename State::Pointer state = state_;
  if (state->is_closed()) return TaskHandle<E>();
  const bool starts = state->MayStart() && state->waiting() == 0;
  if (!starts) {
    mine =
        Later::MakeTaskOf(on, Later::Pointer::Make(on, state, std::move(mine)));
  }
  TaskHandle<E> handle = std::move(mine).Then(
      state->scope(),
      internal_task_group::Ended<E, T, Completion>{
          internal_task_group::Member<E>(state), std::move(completion)});
  // Cancelled before it was there, perhaps by its own start.
  if (state->has_failed() && !state->is_closed()) handle.Cancel(on);
  return handle;
}

template <class E>
QIOTask<E, void> TaskGroup<E>::Join(  // qio: pass the witness of its loop
    OnLoop<E>& on) {
  using Joining = internal_task_group::Joining<E>;
  internal_reactor::CheckSameLoop(on, state_->core(), "a TaskGroup");
  return Joining::MakeTaskOf(on, Joining::Pointer::Make(on, state_));
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_TASK_GROUP_H_
