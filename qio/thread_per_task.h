// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/thread_per_task.h
//
// ThreadPerTask makes a thread for each piece of work, as QEMU's
// qio_task_run_in_thread does. For a few long pieces that must not wait for
// each other; a WorkerPool is an order of magnitude faster for many.
//
//   executor.UseWorkers(on, std::make_shared<qio::ThreadPerTask>());

#ifndef QIO_THREAD_PER_TASK_H_
#define QIO_THREAD_PER_TASK_H_

#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/internal/fork_mark.h"
#include "qio/internal/worker_thread.h"
#include "qio/status.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

class ThreadPerTask final : public Workers {
 public:
  struct Options {
    const char* name = "qio-task";  // 15 characters at most.
    Diagnostics diagnostics{};
  };

  ThreadPerTask() : ThreadPerTask(Options()) {}
  explicit ThreadPerTask(Options options)
      : core_(std::make_shared<Core>(options)) {}

  // Waits for all threads, saying after a second for whom. If a Shutdown() was
  // given up before, the stragglers are left alone.
  //
  // Affinity:  any thread but a worker's own.
  ~ThreadPerTask() override;

  void Submit(internal_workers::Work* first) noexcept override;
  std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point deadline) override;

 private:
  using Work = internal_workers::Work;

  struct Core {
    explicit Core(const Options& o) : options(o) {}

    const Options options;
    const internal_fork_mark::ForkMark fork_mark;
    std::mutex mutex;
    // Under the mutex.
    internal_worker_thread::Roster roster;
    bool stopping = false;
    bool given_up = false;
  };

  struct Thread : internal_worker_thread::Member {
    std::shared_ptr<Core> core;
    Work* work = nullptr;
  };

  // Returns 0, or the errno for which there is no thread.
  int StartThread(Work* work) noexcept;
  static void* Main(void* argument) noexcept;

  std::shared_ptr<Core> core_;
};

// ---------------------------------------------------------------------------

inline void ThreadPerTask::Submit(Work* first) noexcept {
  const bool in_child = core_->fork_mark.in_child();
  while (first != nullptr) {
    Work* const work = first;
    first = work->next;
    const internal_workers::WorkOps* const ops = work->ops;
    if (in_child) {
      ops->refuse(work, internal_worker_thread::IsTheParents());
    } else if (const int error = StartThread(work)) {
      ops->refuse(work, internal_worker_thread::NotStarted(error));
    }
  }
}

inline int ThreadPerTask::StartThread(Work* work) noexcept {
  std::unique_ptr<Thread> thread(new (std::nothrow) Thread);
  if (thread == nullptr) return ENOMEM;
  thread->core = core_;
  thread->work = work;
  thread->doing.store(work->ops->name, std::memory_order_relaxed);
  {
    std::lock_guard lock(core_->mutex);
    if (core_->stopping) return ESHUTDOWN;
    core_->roster.Add(*thread);
  }
  pthread_t handle;
  const int error = internal_worker_thread::StartThread(
      &handle, core_->options.name, &Main, thread.get());
  if (error != 0) {
    std::lock_guard lock(core_->mutex);
    core_->roster.Remove(*thread);
    return error;
  }
  pthread_detach(handle);
  (void)thread.release();  // The thread's own.
  return 0;
}

inline void* ThreadPerTask::Main(void* argument) noexcept {
  const std::unique_ptr<Thread> self(static_cast<Thread*>(argument));
  // Let go last, after the lock below.
  const std::shared_ptr<Core> core = self->core;
  const internal_workers::WorkOps* const ops = self->work->ops;
  ops->run(self->work);
  ops->publish(self->work);
  std::lock_guard lock(core->mutex);
  core->roster.Remove(*self);
  return nullptr;
}

inline std::vector<std::string> ThreadPerTask::Shutdown(
    std::chrono::steady_clock::time_point deadline) {
  if (core_->fork_mark.in_child()) return {};
  std::unique_lock lock(core_->mutex);
  core_->stopping = true;
  core_->given_up = !core_->roster.WaitUntilEmpty(lock, deadline);
  return core_->roster.Names();
}

inline ThreadPerTask::~ThreadPerTask() {
  if (core_->fork_mark.in_child()) {
    // Who holds its mutex, and a share of it, is not in this process.
    internal_worker_thread::Leak(std::move(core_));
    return;
  }
  if (core_->given_up) return;
  const std::vector<std::string> names =
      Shutdown(std::chrono::steady_clock::now() + std::chrono::seconds(1));
  if (!names.empty()) {
    core_->options.diagnostics.Report(
        "qio: the end of ThreadPerTask waits for " +
        internal_worker_thread::Join(names));
  }
  std::unique_lock lock(core_->mutex);
  core_->roster.WaitUntilEmpty(lock);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_THREAD_PER_TASK_H_
