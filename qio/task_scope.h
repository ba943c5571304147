// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/task_scope.h
//
// TaskScope<E> is how long somebody wants results: make it a member beside
// what completions use, and none of them runs once it is gone. The answer to
// the oldest bug of callbacks, the object that died first.
//
//   class Session {
//     ...
//     void Load(qio::OnLoop<Loop>& on) {
//       qio::RunInThread(on, &ReadFile, path_).Then(scope_, [this](auto& on,
//           absl::StatusOr<std::string> text) { Show(on, text); });
//     }
//     qio::TaskScope<Loop> scope_;  // Last, so that it ends first.
//   };

#ifndef QIO_TASK_SCOPE_H_
#define QIO_TASK_SCOPE_H_

#include "qio/config.h"
#include "qio/executor.h"
#include "qio/internal/task_block.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"

namespace qio::inline QIO_ABI {

template <class E, class T>
class QIOTask;

namespace internal_task_group {
template <class E>
class State;
}  // namespace internal_task_group

template <class E>
class TaskScope {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.

  explicit TaskScope(OnLoop<E>& on)  // qio: pass the witness of its loop
      noexcept {
    Reactor& reactor = internal_reactor::Access::Of(on);
    scope_.core = &internal_reactor::Access::CoreOf(on);
    internal_reactor::Access::scopes(reactor).PushBack(scope_);
    internal_reactor::Access::set_abandon_tasks(
        reactor, &internal_task_block::AbandonAllTasks);
  }
  TaskScope(const TaskScope&) = delete;  // qio: tasks hold on to their scope
  TaskScope& operator=(const TaskScope&) = delete;

  // Destroys the completions of its tasks, here and now: none of them runs any
  // more. Workers that run are told that nobody waits, and count as outstanding
  // until they return. May be called from one of its own completions.
  //
  // Affinity:  owning loop, which checked builds check; or any thread once the
  //            executor is gone.
  ~TaskScope() {
    if (scope_.core == nullptr) return;
    internal_reactor::CheckMayTouch(*scope_.core, "a TaskScope");
    internal_task_block::TaskBlock::AbandonAll(scope_.tasks);
    scope_.Unlink();
  }

 private:
  template <class, class>
  friend class QIOTask;
  template <class>
  friend class internal_task_group::State;

  internal_task_block::Scope scope_;
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_TASK_SCOPE_H_
