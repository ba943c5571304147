// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/worker_pool.h
//
// WorkerPool: a bounded number of threads for blocking work, started on
// demand and kept. An executor makes one when it first needs it; give several
// executors the same one to share its threads:
//
//   auto pool = std::make_shared<qio::WorkerPool>();
//   executor.UseWorkers(on, pool);
//
// Work that has not started can be taken by any thread that is free: a task
// that blocks holds up nothing but itself (TK-24).

#ifndef QIO_WORKER_POOL_H_
#define QIO_WORKER_POOL_H_

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/internal/adaptive_spin.h"
#include "qio/internal/fork_mark.h"
#include "qio/internal/sys.h"
#include "qio/internal/worker_thread.h"
#include "qio/status.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

class WorkerPool final : public Workers {
 public:
  struct Options {
    // Blocking work waits more than it computes, so more threads than
    // processors; 16 keep a disk or a few servers busy, and cost 16 stacks.
    int threads_max = 16;
    // A bound for memory, not for speed: a queue of 65,536 has been growing
    // for seconds. What comes beyond it completes with Busy.
    int queue_max = 65'536;
    // Pauses before a thread sleeps; 0 never spins.
    std::uint32_t spin_limit = internal_adaptive_spin::kWorkerSpinLimit;
    // What its threads are called, in 15 characters at most.
    const char* name = "qio-worker";
    Diagnostics diagnostics{};

    // Of the DNS lane: lookups hang for seconds, and four that do are enough.
    static Options Dns() {
      Options options;
      options.threads_max = 4;
      options.queue_max = 4'096;
      options.name = "qio-dns";
      return options;
    }
  };

  WorkerPool() : WorkerPool(Options()) {}
  explicit WorkerPool(Options options)
      : core_(std::make_shared<Core>(options)) {}

  // Refuses what has not started and waits for what has, saying after a second
  // for whom. If a Shutdown() was given up before, the stragglers are left
  // alone: they keep what they need alive. In a forked child, where it has no
  // threads, a pool takes no work, waits for nothing, and leaves its memory.
  //
  // Affinity:  any thread but a worker's own.
  ~WorkerPool() override;

  void Submit(internal_workers::Work* first) noexcept override;
  std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point deadline) override;
  ProcessorHints* processor_hints() noexcept override { return &core_->hints; }

  // Threads there are now. Any thread.
  int threads() const {
    std::lock_guard lock(core_->mutex);
    return core_->roster.size();
  }

 private:
  using Work = internal_workers::Work;
  using Lock = std::unique_lock<std::mutex>;

  // What a thread has taken from the queue: it runs these one by one, and any
  // thread that is free may claim one from it.
  class Shelf {
   public:
    static constexpr int kSize = 16;

    // Pool's mutex held, both. The shelf is empty.
    void Put(Work* work) noexcept {
      places_[0].store(work, std::memory_order_relaxed);
      end_.store(1, std::memory_order_relaxed);
    }
    // The first `count` of a chain. Returns the rest.
    Work* PutFirst(int count, Work* chain) noexcept {
      for (int place = 0; place < count; ++place) {
        places_[place].store(chain, std::memory_order_relaxed);
        chain = chain->next;
      }
      end_.store(count, std::memory_order_relaxed);
      return chain;
    }
    int end() const noexcept { return end_.load(std::memory_order_relaxed); }

    // The owner, or another thread with the pool's mutex held; null if it was
    // claimed before. Relaxed but for the work's own sake: what was put here
    // was put under the mutex, which a thief holds, and which the owner held or
    // was woken by the holder of.
    Work* Claim(int place) noexcept {
      return places_[place].load(std::memory_order_relaxed) == nullptr
                 ? nullptr
                 : places_[place].exchange(nullptr, std::memory_order_relaxed);
    }
    // The owner, when it is through.
    void Clear() noexcept { end_.store(0, std::memory_order_relaxed); }

   private:
    std::atomic<int> end_{0};  // Places from here on are empty.
    std::array<std::atomic<Work*>, kSize> places_{};
  };

  struct Core;

  struct Thread : internal_worker_thread::Member {
    // Taken over by the thread itself when it begins.
    std::shared_ptr<Core> core;
    pthread_t handle{};
    Shelf shelf;
    // 1: there is work on its shelf, or the pool stops. Set by whoever takes
    // this thread off the parked list; pairs with the acquire in Park().
    std::atomic<std::uint32_t> woken{0};
    Thread* next_parked = nullptr;
    Thread* next_started = nullptr;
  };

  // What the threads share; it outlives the pool if one of them does.
  struct Core {
    explicit Core(const Options& o) : options(o) {}
    ~Core();

    void Submit(Work* chain, const std::shared_ptr<Core>& self) noexcept;
    // Adds a thread. Returns 0 or the errno of pthread_create(3).
    int StartThread(const std::shared_ptr<Core>& self) noexcept;
    // Takes a thread off the parked list and puts `work` on its shelf, if that
    // is not null.
    Thread* UnparkFor(Work* work) noexcept;
    // Up to `count` threads, each with a piece of queued work, if there is one.
    // Returns them linked by next_parked, to be woken without the mutex.
    Thread* Unpark(int count) noexcept;
    Work* Pop() noexcept;
    // All that has not started: for refusing it.
    Work* TakeUnstarted() noexcept;

    // Worker threads.
    void Main(Thread& self) noexcept;
    bool FillShelf(Thread& self) noexcept;
    Work* Steal() noexcept;
    // False: the shelf was empty from the start.
    bool RunShelf(Thread& self) noexcept;
    void Run(Thread& self, Work* work, bool is_last) noexcept;
    bool SpinForWork(internal_adaptive_spin::AdaptiveSpin& spin) noexcept;
    // Gives the mutex up and does not take it again.
    void Park(Thread& self, Lock& lock) noexcept;

    const Options options;
    const internal_fork_mark::ForkMark fork_mark;
    ProcessorHints hints;

    mutable std::mutex mutex;
    // All below under the mutex, except that `queued` is read, and `free`
    // raised, without it.
    Work* first = nullptr;
    Work* last = nullptr;
    std::atomic<int> queued{0};
    // Threads that look for work, or will after what they just finish.
    std::atomic<int> free{0};
    // Threads that were given a shelf and are not through with it.
    int stocked = 0;
    int parked_count = 0;
    Thread* parked = nullptr;
    Thread* started = nullptr;
    internal_worker_thread::Roster roster;
    bool stopping = false;
    bool given_up = false;  // A Shutdown() returned while threads ran.
  };

  static void Wake(Thread* unparked) noexcept {
    while (unparked != nullptr) {
      Thread* next = unparked->next_parked;
      unparked->woken.store(1, std::memory_order_release);
      internal_sys::FutexWakeOne(unparked->woken);
      unparked = next;
    }
  }

  static void Refuse(Work* chain, const absl::Status& why) noexcept {
    while (chain != nullptr) {
      Work* next = chain->next;
      chain->ops->refuse(chain, why);
      chain = next;
    }
  }

  // Also without memory: a task is told whatever happens (EX-07).
  static absl::Status WasShutDown() noexcept {
    return internal_status::MakeOrCode(absl::StatusCode::kUnavailable, [] {
      return ShutdownError("the worker pool was shut down");
    });
  }
  static absl::Status IsFull() noexcept {
    return internal_status::MakeOrCode(
        absl::StatusCode::kResourceExhausted,
        [] { return BusyError("the queue of the worker pool is full"); });
  }

  std::shared_ptr<Core> core_;
};

// ---------------------------------------------------------------------------

inline void WorkerPool::Submit(Work* first) noexcept {
  core_->Submit(first, core_);
}

inline void WorkerPool::Core::Submit(
    Work* chain, const std::shared_ptr<Core>& self) noexcept {
  if (fork_mark.in_child()) {
    Refuse(chain, internal_worker_thread::IsTheParents());
    return;
  }
  Lock lock(mutex);
  if (stopping) {
    lock.unlock();
    Refuse(chain, WasShutDown());
    return;
  }
  int count = queued.load(std::memory_order_relaxed);
  // Those that look for work find one piece each.
  const int looking = free.load(std::memory_order_relaxed) - parked_count;
  if (chain->next == nullptr && count == 0 && looking == 0 &&
      parked != nullptr) {
    // The commonest: one piece, for a thread that sleeps.
    Thread* const thread = UnparkFor(chain);
    thread->next_parked = nullptr;
    lock.unlock();
    Wake(thread);
    return;
  }
  // As much of the chain as there is room for.
  Work* accepted = nullptr;
  Work* beyond = chain;
  for (; beyond != nullptr && count < options.queue_max; ++count) {
    accepted = beyond;
    beyond = beyond->next;
  }
  if (accepted != nullptr) {
    accepted->next = nullptr;
    (first == nullptr ? first : last->next) = chain;
    last = accepted;
  }
  queued.store(count, std::memory_order_relaxed);

  // The parked ones get theirs.
  Thread* const unparked = Unpark(count - looking);
  int error = 0;
  for (int lacking = queued.load(std::memory_order_relaxed) - looking;
       lacking > 0 && error == 0 && roster.size() < options.threads_max;
       --lacking) {
    error = StartThread(self);
  }
  // Queued is as good as accepted only if somebody is there to take it (TK-04).
  Work* const stranded = roster.size() == 0 ? TakeUnstarted() : nullptr;
  lock.unlock();

  Wake(unparked);
  if (stranded != nullptr) {
    Refuse(stranded, internal_worker_thread::NotStarted(error));
  }
  if (beyond != nullptr) {
    Refuse(beyond, IsFull());
  }
}

inline int WorkerPool::Core::StartThread(
    const std::shared_ptr<Core>& self) noexcept {
  auto* thread = new (std::nothrow) Thread;
  if (thread == nullptr) return ENOMEM;
  thread->core = self;
  const int error = internal_worker_thread::StartThread(
      &thread->handle, options.name,
      [](void* argument) -> void* {
        auto& self = *static_cast<Thread*>(argument);
        // Keeps the core alive while this thread is in it, and is let go last.
        const std::shared_ptr<Core> core = std::move(self.core);
        core->Main(self);
        return nullptr;
      },
      thread);
  if (error != 0) {
    delete thread;
    return error;
  }
  thread->next_started = started;
  started = thread;
  roster.Add(*thread);
  free.fetch_add(1, std::memory_order_relaxed);
  return 0;
}

inline WorkerPool::Thread* WorkerPool::Core::UnparkFor(Work* work) noexcept {
  Thread* thread = parked;
  parked = thread->next_parked;
  --parked_count;
  free.fetch_sub(1, std::memory_order_relaxed);
  if (work != nullptr) {
    thread->shelf.Put(work);
    ++stocked;
  }
  return thread;
}

inline WorkerPool::Thread* WorkerPool::Core::Unpark(int count) noexcept {
  Thread* unparked = nullptr;
  for (; count > 0 && parked != nullptr; --count) {
    Thread* thread = UnparkFor(first != nullptr ? Pop() : nullptr);
    thread->next_parked = unparked;
    unparked = thread;
  }
  return unparked;
}

inline WorkerPool::Work* WorkerPool::Core::Pop() noexcept {
  Work* work = first;
  first = work->next;
  if (first == nullptr) last = nullptr;
  queued.store(queued.load(std::memory_order_relaxed) - 1,
               std::memory_order_relaxed);
  return work;
}

inline WorkerPool::Work* WorkerPool::Core::TakeUnstarted() noexcept {
  Work* chain = std::exchange(first, nullptr);
  last = nullptr;
  queued.store(0, std::memory_order_relaxed);
  while (Work* work = Steal()) {
    work->next = chain;
    chain = work;
  }
  return chain;
}

inline void WorkerPool::Core::Main(Thread& self) noexcept {
  internal_adaptive_spin::AdaptiveSpin spin(options.spin_limit);
  Lock lock(mutex);
  for (bool has_spun = false;;) {
    if (FillShelf(self)) {
      free.fetch_sub(1, std::memory_order_relaxed);
      lock.unlock();
    } else if (stopping) {
      break;
    } else if (!has_spun && spin.enabled()) {
      lock.unlock();
      has_spun = true;
      SpinForWork(spin);
      lock.lock();
      continue;
    } else {
      Park(self, lock);
    }
    has_spun = false;
    const bool was_stocked = RunShelf(self);
    lock.lock();
    if (was_stocked) --stocked;
  }
  free.fetch_sub(1, std::memory_order_relaxed);
  roster.Remove(self);
}

inline bool WorkerPool::Core::FillShelf(Thread& self) noexcept {
  const int count = queued.load(std::memory_order_relaxed);
  if (count == 0) {
    Work* stolen = Steal();
    if (stolen == nullptr) return false;
    self.shelf.Put(stolen);
    ++stocked;
    return true;
  }
  // A fair share: what is not started can be taken back, but at a price.
  const int take = std::clamp(count / roster.size(), 1, Shelf::kSize);
  first = self.shelf.PutFirst(take, first);
  if (first == nullptr) last = nullptr;
  queued.store(count - take, std::memory_order_relaxed);
  ++stocked;
  return true;
}

inline bool WorkerPool::Core::RunShelf(Thread& self) noexcept {
  const int end = self.shelf.end();
  if (end > 0) {
    for (int place = 0; place < end - 1; ++place) {
      // Null: somebody else was free for it.
      if (Work* work = self.shelf.Claim(place)) Run(self, work, false);
    }
    Work* const last = self.shelf.Claim(end - 1);
    self.shelf.Clear();
    if (last != nullptr) {
      Run(self, last, true);
      return true;
    }
  }
  free.fetch_add(1, std::memory_order_relaxed);
  return end != 0;
}

inline void WorkerPool::Core::Run(Thread& self, Work* work,
                                  bool is_last) noexcept {
  const internal_workers::WorkOps* const ops = work->ops;
  self.doing.store(ops->name, std::memory_order_relaxed);
  ops->run(work);
  self.doing.store(nullptr, std::memory_order_relaxed);
  // Before the loop can know the result, and start the next: so that one task
  // after another does not make one thread after another.
  if (is_last) free.fetch_add(1, std::memory_order_relaxed);
  ops->publish(work);
}

inline WorkerPool::Work* WorkerPool::Core::Steal() noexcept {
  if (stocked == 0) return nullptr;
  for (Thread* thread = started; thread != nullptr;
       thread = thread->next_started) {
    const int end = thread->shelf.end();
    for (int place = 0; place < end; ++place) {
      if (Work* work = thread->shelf.Claim(place)) return work;
    }
  }
  return nullptr;
}

inline bool WorkerPool::Core::SpinForWork(
    internal_adaptive_spin::AdaptiveSpin& spin) noexcept {
  const int cpu = internal_sys::CurrentCpu();
  hints.worker.store(cpu, std::memory_order_relaxed);
  if (cpu == hints.loop.load(std::memory_order_relaxed)) return false;
  return spin.Until(
      [this] { return queued.load(std::memory_order_relaxed) != 0; });
}

inline void WorkerPool::Core::Park(Thread& self, Lock& lock) noexcept {
  self.woken.store(0, std::memory_order_relaxed);
  self.next_parked = parked;
  parked = &self;
  ++parked_count;
  lock.unlock();
  while (self.woken.load(std::memory_order_acquire) == 0) {
    internal_sys::FutexWait(self.woken, 0);
  }
}

inline std::vector<std::string> WorkerPool::Shutdown(
    std::chrono::steady_clock::time_point deadline) {
  Core& core = *core_;
  if (core.fork_mark.in_child()) return {};
  Lock lock(core.mutex);
  core.stopping = true;
  Work* const unstarted = core.TakeUnstarted();
  Thread* const unparked = core.Unpark(core.parked_count);
  lock.unlock();
  Wake(unparked);
  Refuse(unstarted, WasShutDown());
  lock.lock();
  core.given_up = !core.roster.WaitUntilEmpty(lock, deadline);
  return core.roster.Names();
}

inline WorkerPool::~WorkerPool() {
  Core& core = *core_;
  if (core.fork_mark.in_child()) {
    // Who holds its mutex, and a share of it, is not in this process.
    internal_worker_thread::Leak(std::move(core_));
    return;
  }
  Lock lock(core.mutex);
  if (!core.given_up) {
    lock.unlock();
    const std::vector<std::string> names =
        Shutdown(std::chrono::steady_clock::now() + std::chrono::seconds(1));
    if (!names.empty()) {
      core.options.diagnostics.Report(
          "qio: the end of a worker pool waits for " +
          internal_worker_thread::Join(names));
    }
    lock.lock();
    core.roster.WaitUntilEmpty(lock);
  }
  const bool is_empty = core.roster.size() == 0;
  lock.unlock();
  for (Thread* thread = core.started; thread != nullptr;
       thread = thread->next_started) {
    if (is_empty) {
      pthread_join(thread->handle, nullptr);
    } else {
      pthread_detach(thread->handle);
    }
  }
}

inline WorkerPool::Core::~Core() {
  while (started != nullptr) {
    delete std::exchange(started, started->next_started);
  }
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_WORKER_POOL_H_
