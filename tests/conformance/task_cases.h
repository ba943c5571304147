// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/task_cases.h
//
// TK: what a task promises, on any executor; and what EX promises of tasks.

#ifndef QIO_TESTS_CONFORMANCE_TASK_CASES_H_
#define QIO_TESTS_CONFORMANCE_TASK_CASES_H_

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/conformance/harness.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/support/allocations.h"
#include "qio/support/held_asleep.h"
#include "qio/support/in_child.h"
#include "qio/support/loop_log.h"
#include "qio/support/pipe.h"
#include "qio/support/proc.h"
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/thread_per_task.h"
#include "qio/timer.h"
#include "qio/watch.h"
#include "qio/worker_pool.h"
#include "qio/workers.h"

namespace qio::conformance {

using support::LoopLog;
using support::Traced;
using What = support::LoopLog::What;

// Where workers wait until the test opens it. Outlives the workers.
class Gate {
 public:
  // Worker thread.
  void Pass() {
    std::unique_lock lock(mutex_);
    ++reached_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }

  // Test's thread.
  void WaitUntilReached(int workers = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_ >= workers; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int reached_ = 0;
  bool open_ = false;
};

// A result that counts how many of it there are, and orders no threads.
class Counted {
 public:
  using qio_sendable = Counted;

  explicit Counted(std::atomic<int>* alive) : alive_(alive) { Add(1); }
  Counted(Counted&& other) noexcept : alive_(other.alive_) { Add(1); }
  Counted& operator=(Counted&& other) = delete;
  ~Counted() { Add(-1); }

 private:
  void Add(int count) { alive_->fetch_add(count, std::memory_order_relaxed); }

  std::atomic<int>* alive_;
};

// Workers without threads: work is run, and its result given to the loop, when
// and where the test says so.
class HandWorkers final : public Workers {
 public:
  enum class When {
    kByHand,    // By the functions below.
    kAtOnce,    // When it is handed over.
    kInTheGap,  // When the loop is about to sleep, and asks where workers run.
    kToASpin,   // Then too, and it looks for the result instead of sleeping.
  };

  explicit HandWorkers(When when = When::kByHand) : when_(when) {}

  void Submit(internal_workers::Work* first) noexcept override {
    {
      std::lock_guard lock(mutex_);
      while (first != nullptr) started_.Push(std::exchange(first, first->next));
    }
    if (when_ == When::kAtOnce) FinishAll();
  }
  std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point) override {
    return {};
  }
  ProcessorHints* processor_hints() noexcept override {
    if (when_ >= When::kInTheGap) FinishAll();
    return when_ == When::kToASpin ? &hints_ : nullptr;
  }

  // Each does it to the oldest, on this thread. False: there was none.
  bool RunOne() noexcept {
    internal_workers::Work* work = Pop(started_);
    if (work == nullptr) return false;
    work->ops->run(work);
    std::lock_guard lock(mutex_);
    ran_.Push(work);
    return true;
  }
  bool PublishOne() noexcept {
    internal_workers::Work* work = Pop(ran_);
    if (work != nullptr) work->ops->publish(work);
    return work != nullptr;
  }
  void FinishAll() noexcept {
    while (RunOne()) {
    }
    while (PublishOne()) {
    }
  }

 private:
  using Work = internal_workers::Work;

  struct List {
    void Push(Work* work) noexcept {
      work->next = nullptr;
      (first == nullptr ? first : last->next) = work;
      last = work;
    }
    Work* first = nullptr;
    Work* last = nullptr;
  };

  Work* Pop(List& list) noexcept {
    std::lock_guard lock(mutex_);
    Work* work = list.first;
    if (work != nullptr) list.first = work->next;
    return work;
  }

  const When when_;
  ProcessorHints hints_;
  std::mutex mutex_;
  List started_, ran_;
};

template <class H, class W>
std::shared_ptr<W> Use(Loop<H>& loop, std::shared_ptr<W> workers) {
  loop.Enter([&](auto& on) { on.executor().UseWorkers(on, workers); });
  return workers;
}

template <class H>
std::shared_ptr<WorkerPool> UsePool(Loop<H>& loop, int threads_max,
                                    int queue_max = 65'536) {
  WorkerPool::Options options;
  options.threads_max = threads_max;
  options.queue_max = queue_max;
  return Use(loop, std::make_shared<WorkerPool>(options));
}

template <class H>
std::int64_t Outstanding(Loop<H>& loop) {
  std::int64_t count = 0;
  loop.Enter([&](auto& on) { count = on.executor().outstanding(on); });
  return count;
}

// Where `item` was destroyed, if that was once.
inline std::thread::id EndedOn(const LoopLog& log, int item) {
  std::thread::id thread;
  if (log.Count(What::kDestroyed, item) != 1) return thread;
  for (const LoopLog::Event& event : log.events()) {
    if (event.what == What::kDestroyed && event.item == item) {
      thread = event.thread;
    }
  }
  return thread;
}

// Attaches a completion that logs what becomes of it. It tells `status`, which
// must outlive it, how the task ended.
template <class E, class T>
TaskHandle<E> ThenItem(QIOTask<E, T> task,
                       std::type_identity_t<TaskScope<E>*> scope, LoopLog& log,
                       int item, absl::Status* status = nullptr) {
  log.Add(What::kPosting, item);
  auto completion = [traced = Traced(log, item), status](OnLoop<E>&,
                                                         TaskResult<T> result) {
    traced.Run([&] {
      if (status == nullptr) return;
      if constexpr (std::is_void_v<T>) {
        *status = result;
      } else {
        *status = result.status();
      }
    });
  };
  const TaskHandle<E> handle =
      scope != nullptr ? std::move(task).Then(*scope, std::move(completion))
                       : std::move(task).Then(std::move(completion));
  log.Add(What::kPosted, item);
  return handle;
}

// A task that waits at a gate.
template <class E>
QIOTask<E, int> PassGate(OnLoop<E>& on, Gate& gate) {
  return RunInThread(
      on,
      [](Gate* gate) {
        gate->Pass();
        return 1;
      },
      AssumeSendable(&gate));
}

template <class H>
struct Tk01_EveryTaskCompletesOnce {
  static constexpr char kRule[] =
      "A started task completes exactly once when the worker returns and the "
      "loop is iterated";

  static void Run() {
    constexpr int kBatches = 40, kTasks = 50;
    LoopLog log;
    std::atomic<int> runs{0};
    LoopThread<H> loop;
    loop.Call([&](auto& on) {
      on.executor().UseWorkers(on, std::make_shared<WorkerPool>(
                                       WorkerPool::Options{.threads_max = 3}));
    });
    for (int batch = 0; batch < kBatches; ++batch) {
      loop.Call([&](auto& on) {
        for (int i = 0; i < kTasks; ++i) {
          ThenItem(RunInThread(
                       on, [](std::atomic<int>* runs) { ++*runs; },
                       AssumeSendable(&runs)),
                   nullptr, log, batch * kTasks + i);
        }
      });
    }
    while (log.Count(What::kDestroyed) < kBatches * kTasks) {
      std::this_thread::yield();
    }
    loop.Join();
    BOOST_TEST(runs.load() == kBatches * kTasks);
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(Outstanding(loop.loop()) == 1);  // The LoopRef.
  }
};

template <class H>
struct Tk01_OneOutcomeUnderEverySchedule {
  static constexpr char kRule[] =
      "In whatever order the worker returns, its result arrives, the loop "
      "turns, and task, scope and executor are ended: one completion at most, "
      "the right one, and everything destroyed once";

  static void Run() {
    for (int schedule = 0; schedule < kSteps * kSteps * kSteps * kSteps;
         ++schedule) {
      std::array<Step, 4> steps;
      for (int rest = schedule; Step & step : steps) {
        step = static_cast<Step>(rest % kSteps);
        rest /= kSteps;
      }
      // A schedule begins with what makes a difference.
      if (steps[0] == kTurn || steps[0] == kPublish) continue;
      RunSchedule(steps);
    }
  }

 private:
  using E = typename H::Executor;
  enum Step {
    kRun,
    kPublish,
    kTurn,
    kCancel,
    kCancelInATurn,  // In a call that is queued before the result.
    kEndScope,
    kEndExecutor,
    kSteps
  };
  enum : int { kInput = 1, kResult, kCompletion };

  static void RunSchedule(const std::array<Step, 4>& steps) {
    LoopLog log;
    absl::Status status;
    const auto workers = std::make_shared<HandWorkers>();
    Loop<H> loop;
    Use(loop, workers);
    std::optional<TaskScope<E>> scope;
    TaskHandle<E> handle;
    loop.Enter([&](auto& on) {
      scope.emplace(on);
      handle = ThenItem(RunInThread(
                            on,
                            [](Traced input, LoopLog* log) {
                              input.Run();
                              return Traced(*log, kResult);
                            },
                            Traced(log, kInput), AssumeSendable(&log)),
                        &*scope, log, kCompletion, &status);
    });

    // What is expected.
    bool ran = false, published = false, alive = true;
    bool pending = true, cancelled = false, called = false, worked = false;
    std::thread::id worker, loop_thread = std::this_thread::get_id();
    std::string so_far;
    auto cancel = [&](auto& on) {
      const bool wins = handle.Cancel(on);
      BOOST_TEST(wins == (pending && !cancelled), so_far);
      cancelled |= pending;
    };
    auto take = [&](Step step) {
      so_far += "RPTCQSX"[step];
      switch (step) {
        case kRun:
          if (ran) break;
          ran = true;
          worked = pending && !cancelled;
          std::thread([&] { workers->RunOne(); }).join();
          break;
        case kPublish:
          if (!ran || published) break;
          published = true;
          std::thread([&] {
            worker = std::this_thread::get_id();
            workers->PublishOne();
          }).join();
          // Nobody is there to be given it.
          if (worked && !alive) {
            BOOST_TEST((EndedOn(log, kResult) == worker), so_far);
          }
          break;
        case kCancelInATurn:
          if (!alive) break;
          loop.Enter([&](auto& on) { Post(on, cancel); });
          [[fallthrough]];
        case kTurn:
          for (int i = 0; i < 6; ++i) loop.harness().RunOnce();
          if (!pending || !(cancelled || published)) break;
          pending = false;
          called = true;
          BOOST_TEST((absl::IsCancelled(status) == cancelled), so_far);
          BOOST_TEST((status.ok() == !cancelled), so_far);
          break;
        case kCancel:
          if (!alive) break;
          loop.Enter(cancel);
          break;
        case kEndScope:
          scope.reset();
          pending = false;
          break;
        case kEndExecutor:
          loop.DestroyExecutor();
          alive = pending = false;
          break;
        case kSteps:
          break;
      }
      BOOST_TEST(log.Count(What::kStarted, kCompletion) == called, so_far);
      BOOST_TEST(log.Count(What::kDestroyed, kCompletion) == !pending, so_far);
      BOOST_TEST(log.Count(What::kStarted, kInput) == worked, so_far);
      BOOST_TEST(log.Count(What::kDestroyed, kInput) == ran, so_far);
    };
    for (const Step step : steps) take(step);
    for (const Step step : {kRun, kPublish, kTurn}) take(step);
    if (alive) BOOST_TEST(Outstanding(loop) == 0, so_far);
    for (const Step step : {kEndExecutor, kEndScope}) take(step);
    BOOST_TEST((EndedOn(log, kCompletion) == loop_thread), so_far);
    BOOST_TEST(log.Count(What::kDestroyed, kResult) == worked, so_far);
    BOOST_TEST(log.OnceEach() == "", so_far);
  }
};

template <class H>
struct Tk02_CompletionsRunOnTheirOwnLoop {
  static constexpr char kRule[] =
      "A completion runs on the owning loop, never inside Then and never on "
      "the "
      "worker, also if loops share workers and if there is an error";

  static void Run() {
    constexpr int kTasks = 300;
    LoopLog logs[2];
    const auto pool = std::make_shared<WorkerPool>(
        WorkerPool::Options{.threads_max = 2, .queue_max = 100});
    LoopThread<H> loops[2];
    std::thread::id threads[2];
    for (int which = 0; which < 2; ++which) {
      loops[which].Call([&](auto& on) {
        threads[which] = std::this_thread::get_id();
        on.executor().UseWorkers(on, pool);
      });
    }
    for (int which = 0; which < 2; ++which) {
      loops[which].Call([&](auto& on) {
        for (int i = 0; i < kTasks; ++i) {
          // Some are too many for the queue.
          ThenItem(RunInThread(
                       on, [](int i) { return i; }, i),
                   nullptr, logs[which], i);
        }
      });
    }
    for (int which = 0; which < 2; ++which) {
      while (logs[which].Count(What::kDestroyed) < kTasks) {
        std::this_thread::yield();
      }
      loops[which].Join();
      BOOST_TEST(logs[which].AllCalledOnce() == "");
      BOOST_TEST(logs[which].NeverInline() == "");
      BOOST_TEST(logs[which].OnlyOn(threads[which]) == "");
    }
  }
};

template <class H>
struct Tk03_AFullQueueIsAnErrorOfTheTask {
  static constexpr char kRule[] =
      "Then is never refused: that the queue is full, or the pool stopped, "
      "comes through the completion, and not inline";

  static void Run() {
    constexpr int kTasks = 10, kQueue = 3;
    LoopLog log;
    Gate gate;
    std::array<absl::Status, kTasks + 2> statuses;
    Loop<H> loop;
    const auto pool = UsePool(loop, 1, kQueue);
    loop.Enter([&](auto& on) {
      ThenItem(PassGate(on, gate), nullptr, log, 0, &statuses[0]);
    });
    gate.WaitUntilReached();
    loop.Enter([&](auto& on) {
      for (int i = 1; i <= kTasks; ++i) {
        ThenItem(RunInThread(on, [] {}), nullptr, log, i,
                 &statuses[static_cast<std::size_t>(i)]);
      }
    });
    BOOST_TEST(log.Count(What::kStarted) == 0);
    constexpr int kBusy = kTasks - kQueue;
    loop.TurnUntil([&] { return log.Count(What::kEnded) == kBusy; });
    loop.TurnALot();
    BOOST_TEST(log.Count(What::kEnded) == kBusy);
    gate.Open();
    loop.TurnUntil([&] { return log.Count(What::kEnded) == kTasks + 1; });
    BOOST_TEST(std::count_if(statuses.begin(), statuses.end(),
                             &absl::IsResourceExhausted) == kBusy);
    BOOST_TEST(std::count(statuses.begin(), statuses.end(), absl::OkStatus()) ==
               kQueue + 2);

    (void)pool->Shutdown(std::chrono::steady_clock::now());
    loop.Enter([&](auto& on) {
      ThenItem(RunInThread(on, [] {}), nullptr, log, kTasks + 1,
               &statuses[kTasks + 1]);
    });
    BOOST_TEST(log.Count(What::kEnded) == kTasks + 1);
    loop.TurnUntil([&] { return log.Count(What::kEnded) == kTasks + 2; });
    BOOST_TEST(absl::IsUnavailable(statuses[kTasks + 1]));
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(log.NeverInline() == "");
  }
};

template <class H>
struct Tk03_WithoutMemoryNothingIsHalfStarted {
  static constexpr char kRule[] =
      "Without memory RunInThread or Then throws std::bad_alloc, the arguments "
      "and the completion are destroyed there, and nothing was started";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    // The first is thrown by RunInThread, when recycled memory is used up, or
    // by Then, whose completion is too large to be in the task's own.
    for (const bool is_large : {false, true}) {
      int thrown = 0;
      for (int item = 1; thrown == 0 && item < 10'000; item += 2) {
        loop.Enter([&](auto& on) {
          const int before = log.Count(What::kDestroyed);
          std::array<char, 1024> much{};
          Traced input(log, is_large ? -item : item);
          Traced captured(log, is_large ? -item - 1 : item + 1);
          auto worker = [](Traced) {};
          std::optional<support::FailingAllocations> failing;
          if (!is_large) failing.emplace(0);
          try {
            auto task = RunInThread(on, worker, std::move(input));
            failing.emplace(0);
            if (is_large) {
              std::move(task).Then([much, captured = std::move(captured)](
                                       auto&, absl::Status) { (void)much; });
            } else {
              std::move(task).Then(
                  [captured = std::move(captured)](auto&, absl::Status) {});
            }
          } catch (const std::bad_alloc&) {
            ++thrown;
          }
          failing.reset();
          if (is_large) BOOST_TEST(thrown == 1);
          // But for what it never came to take.
          const int kept = input.holds() + captured.holds();
          BOOST_TEST(log.Count(What::kDestroyed) - before ==
                     (thrown == 1 ? 2 - kept : 0));
        });
      }
      BOOST_TEST(thrown == 1);
    }
    const std::int64_t started = Outstanding(loop);
    int ran = 0;
    while (workers->RunOne()) ++ran;
    BOOST_TEST(started == ran);
    while (workers->PublishOne()) {
    }
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Tk03_WorkersAreChosenWhenATaskStarts {
  static constexpr char kRule[] =
      "A task that was made before the executor got other workers starts on "
      "those";

  static void Run() {
    LoopLog log;
    absl::Status status = absl::UnknownError("");
    Loop<H> loop;
    UsePool(loop, 1).reset();
    loop.Enter([&](auto& on) {
      auto task = RunInThread(on, [] { return 1; });
      // The last of those before.
      on.executor().UseWorkers(
          on, std::make_shared<HandWorkers>(HandWorkers::When::kAtOnce));
      ThenItem(std::move(task), nullptr, log, 1, &status);
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
    BOOST_TEST(status.ok());
  }
};

template <class H>
struct Tk04_NoThreadIsAnErrorOfTheTask {
  static constexpr char kRule[] =
      "That no thread can be made is an error with EAGAIN, delivered by the "
      "task; being queued counts as success only if a live worker exists";

  static void Run() {
    const support::ChildEnd end = support::RunInChild(&RunInChild);
    BOOST_TEST(end.signal == 0);
    BOOST_TEST(end.code == 0, end.errors);
    BOOST_TEST(end.errors == "");
  }

 private:
  // What is thrown in here ends the child.
  static void RunInChild() noexcept {
    ::alarm(20);  // The watchdog's does not come along.
    LoopLog log;
    Loop<H> loop;
    const auto pool = std::make_shared<WorkerPool>();
    const auto with_a_thread = std::make_shared<WorkerPool>();
    const auto threads = std::make_shared<ThreadPerTask>();
    Use(loop, with_a_thread);
    Expect(StartAndEnd(loop, log, 1)[0].ok(), "a task before the limit");

    LimitThreads();
    pthread_t thread;
    Expect(::pthread_create(
               &thread, nullptr, [](void*) -> void* { return nullptr; },
               nullptr) == EAGAIN,
           "the limit to bite");

    Use(loop, pool);
    for (const absl::Status& status : StartAndEnd(loop, log, 5)) {
      Expect(Errno(status) == EAGAIN, "EAGAIN from a pool");
    }
    Expect(pool->threads() == 0, "a pool without threads");
    // With a thread there is somebody to do it all.
    Use(loop, with_a_thread);
    for (const absl::Status& status : StartAndEnd(loop, log, 100)) {
      Expect(status.ok(), "success where there is one thread");
    }
    Expect(with_a_thread->threads() == 1, "one thread");
    Use(loop, threads);
    for (const absl::Status& status : StartAndEnd(loop, log, 5)) {
      Expect(Errno(status) == EAGAIN, "EAGAIN from ThreadPerTask");
    }

    // It is no longer so later.
    UnlimitThreads();
    Expect(StartAndEnd(loop, log, 5)[4].ok(), "success of ThreadPerTask");
    Use(loop, pool);
    Expect(StartAndEnd(loop, log, 5)[4].ok(), "success of the pool");
    Expect(log.AllCalledOnce() == "" && log.NeverInline() == "",
           "each completion to be called once, and not inline");
  }

  // From here on this process gets no thread.
  static void LimitThreads() {
    // The limit does not bite for the machine's first user.
    constexpr uid_t kNobody = 54'321;
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) {
      // In a sandbox there is nobody else to be: no room for a stack, then.
      SetStackSize(std::size_t{1} << 46);
      return;
    }
    SetThreadsMax(0);
  }
  static void UnlimitThreads() {
    SetStackSize(std::size_t{1} << 23);
    rlimit limit;
    ::getrlimit(RLIMIT_NPROC, &limit);
    SetThreadsMax(limit.rlim_max);
  }
  static void SetThreadsMax(rlim_t count) {
    rlimit limit;
    ::getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = count;
    Expect(::setrlimit(RLIMIT_NPROC, &limit) == 0, "a limit");
  }
  static void SetStackSize(std::size_t size) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    Expect(::pthread_attr_setstacksize(&attributes, size) == 0 &&
               ::pthread_setattr_default_np(&attributes) == 0,
           "another size of stacks");
    ::pthread_attr_destroy(&attributes);
  }

  static std::vector<absl::Status> StartAndEnd(Loop<H>& loop, LoopLog& log,
                                               int count) {
    std::vector<absl::Status> statuses(static_cast<std::size_t>(count));
    const int before = log.Count(What::kEnded);
    loop.Enter([&](auto& on) {
      for (int i = 0; i < count; ++i) {
        ThenItem(RunInThread(on, [] { return 1; }), nullptr, log, before + i,
                 &statuses[static_cast<std::size_t>(i)]);
      }
    });
    while (log.Count(What::kEnded) < before + count) loop.harness().RunOnce();
    return statuses;
  }

  static void Expect(bool is, const char* what) {
    if (is) return;
    std::fprintf(stderr, "expected %s\n", what);
    ::_exit(1);
  }
};

template <class H>
struct Tk05_WhatTheWorkerWroteTheCompletionReads {
  static constexpr char kRule[] =
      "What the worker wrote before it returned, the completion sees, and the "
      "worker what was written before Then (ThreadSanitizer looks on)";

  static void Run() {
    constexpr int kTasks = 1000;
    // Plain data.
    struct Job {
      int number = 0;
      std::array<int, 16> squares{};
    };
    std::vector<Job> jobs(kTasks);
    int calls = 0, wrong = 0;
    Loop<H> loop;
    UsePool(loop, 3);
    loop.Enter([&](auto& on) {
      for (int i = 0; i < kTasks; ++i) {
        Job& job = jobs[static_cast<std::size_t>(i)];
        job.number = i;
        RunInThread(
            on,
            [](Job* job) {
              job->squares.fill(job->number * job->number);
              return std::to_string(job->number);
            },
            AssumeSendable(&job))
            .Then([&, i](auto&, absl::StatusOr<std::string> text) {
              ++calls;
              wrong += *text != std::to_string(i);
              for (const int square : job.squares) wrong += square != i * i;
              job.squares.fill(0);
            });
      }
    });
    loop.TurnUntil([&] { return calls == kTasks; });
    BOOST_TEST(wrong == 0);
  }
};

template <class H>
struct Tk06_CompletionsLiveAndDieOnTheirLoop {
  static constexpr char kRule[] =
      "A completion and its captures are invoked and destroyed on the loop's "
      "thread only, even if the worker ends last";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kRounds = 30, kOfAKind = 4;
    LoopLog log;
    std::thread::id thread;
    int item = 0;
    LoopThread<H> loop;
    std::optional<TaskScope<E>> scope;
    std::vector<TaskHandle<E>> handles;
    for (int round = 0; round < kRounds; ++round) {
      // Those at the gate end last; the others when they like.
      Gate gate;
      loop.Call([&](auto& on) {
        thread = std::this_thread::get_id();
        scope.emplace(on);
        handles.clear();
        for (int i = 0; i < 2 * kOfAKind; ++i) {
          handles.push_back(ThenItem(PassGate(on, gate), &*scope, log, item++));
          handles.push_back(ThenItem(RunInThread(on, [] { return 1; }), &*scope,
                                     log, item++));
        }
      });
      loop.Call([&](auto& on) {
        for (int i = 0; i < kOfAKind; ++i) {
          handles[static_cast<std::size_t>(i)].Cancel(on);
        }
        ThenItem(RunInThread(on, [] { return 1; }), nullptr, log, item++);
      });
      int destroyed = 0;
      loop.Call([&](auto&) {
        scope.reset();
        destroyed = log.Count(What::kDestroyed);
      });
      BOOST_TEST(destroyed >= item - 1);
      gate.Open();
      // The workers let go of the gate.
      bool idle = false;
      while (!idle) {
        loop.Call([&](auto& on) {
          idle = on.executor().outstanding(on) == 1;  // The LoopRef.
        });
      }
    }
    loop.Join();
    BOOST_TEST(log.Count(What::kDestroyed) == item);
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(log.OnlyOn(thread) == "");
  }
};

template <class H>
struct Tk07_CancelAgainstFinish {
  static constexpr char kRule[] =
      "Cancel races with finish, 10,000 times: exactly one wins, the "
      "completion "
      "says which, and Cancel returns whether it was it";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kRounds = 10'000;
    std::atomic<int> alive{0}, may_end{0};
    int wins = 0, calls = 0, wrong = 0;
    Loop<H> loop;
    UsePool(loop, 1);
    for (int round = 0; round < kRounds; ++round) {
      // Some rounds are decided.
      const bool must_win = round % 50 == 0, must_lose = round % 50 == 1;
      bool has_won = false;
      TaskHandle<E> handle;
      may_end = !must_win;
      const int before = calls;
      loop.Enter([&](auto& on) {
        handle = RunInThread(
                     on,
                     [](std::atomic<int>* may_end, std::atomic<int>* alive) {
                       while (may_end->load() == 0) std::this_thread::yield();
                       return Counted(alive);
                     },
                     AssumeSendable(&may_end), AssumeSendable(&alive))
                     .Then([&](auto& on, absl::StatusOr<Counted> result) {
                       ++calls;
                       wrong += absl::IsCancelled(result.status()) != has_won;
                       wrong += result.ok() == has_won;
                       wrong += handle.Cancel(on);
                     });
      });
      for (volatile int wait = 0; wait < round % 331 * 10;) wait = wait + 1;
      for (int i = round % 3; i > 0; --i) loop.harness().RunOnce();
      if (must_lose) {
        while (calls == before) loop.harness().RunOnce();
      }
      loop.Enter([&](auto& on) {
        has_won = handle.Cancel(on);
        wrong += handle.Cancel(on);
      });
      wins += has_won;
      wrong += must_win && !has_won;
      wrong += must_lose && has_won;
      may_end = 1;
      while (calls == before) loop.harness().RunOnce();
      wrong += calls != before + 1;
    }
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(calls == kRounds);
    BOOST_TEST(wrong == 0);
    BOOST_TEST(wins > 0);
    BOOST_TEST(wins < kRounds);
    BOOST_TEST(alive.load() == 0);
  }
};

template <class H>
struct Tk07_AHandleOutlivesItsTask {
  static constexpr char kRule[] =
      "A handle of a task that is over cancels nothing, whatever its memory is "
      "used for now";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log, other_log;
    Loop<H> loop, other;
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    Use(other, workers);
    std::vector<TaskHandle<E>> old(1);
    for (int i = 0; i < 200; ++i) {
      loop.Enter([&](auto& on) {
        for (const TaskHandle<E>& handle : old) {
          BOOST_TEST(!TaskHandle<E>(handle).Cancel(on));
        }
        old.push_back(ThenItem(RunInThread(on, [] {}), nullptr, log, i));
        for (TaskHandle<E>& handle : old) {
          if (&handle != &old.back()) BOOST_TEST(!handle.Cancel(on));
        }
      });
      // Nor is it of any other loop's.
      other.Enter([&](auto& on) {
        if (i == 0) ThenItem(RunInThread(on, [] {}), nullptr, other_log, 0);
        BOOST_TEST(!old.back().Cancel(on));
      });
      workers->FinishAll();
      loop.TurnUntil([&] { return log.Count(What::kEnded) == i + 1; });
    }
    other.TurnUntil([&] { return other_log.Count(What::kEnded) == 1; });
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Tk08_CancelDoesNotWaitForTheWorker {
  static constexpr char kRule[] =
      "After Cancel the completion runs once, with Cancelled, without waiting "
      "for the worker, whose late result is destroyed once";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    Gate gate;
    absl::Status status;
    Loop<H> loop;
    const auto pool = UsePool(loop, 1);
    TaskHandle<E> handle;
    loop.Enter([&](auto& on) {
      handle = ThenItem(RunInThread(
                            on,
                            [](Gate* gate, LoopLog* log) {
                              gate->Pass();
                              return Traced(*log, 2);
                            },
                            AssumeSendable(&gate), AssumeSendable(&log)),
                        nullptr, log, 1, &status);
    });
    gate.WaitUntilReached();
    loop.Enter([&](auto& on) {
      BOOST_TEST(handle.Cancel(on));
      BOOST_TEST(!handle.Cancel(on));
      BOOST_TEST(log.Count(What::kStarted) == 0);
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded, 1) == 1; });
    BOOST_TEST(absl::IsCancelled(status));
    BOOST_TEST(log.Count(What::kDestroyed, 1) == 1);
    // The worker counts until it is back.
    BOOST_TEST(Outstanding(loop) == 1);
    gate.Open();
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(log.Count(What::kDestroyed, 2) == 1);
    BOOST_TEST((EndedOn(log, 2) != std::this_thread::get_id()));
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Tk08_AfterItsScopeNoCompletionRuns {
  static constexpr char kRule[] =
      "Destroying a TaskScope destroys its completions there and then, and "
      "none "
      "runs; workers go on, and their late results are destroyed once";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kRunning = 2, kQueued = 3, kArrived = 2, kCancelled = 2;
    constexpr int kTasks = kRunning + kQueued + kArrived + kCancelled;
    LoopLog log, results;
    Gate gate;
    std::atomic<int> returned{0};
    Loop<H> loop;
    const auto pool = UsePool(loop, kRunning);
    std::optional<TaskScope<E>> scope, other;
    loop.Enter([&](auto& on) { scope.emplace(on), other.emplace(on); });
    std::vector<TaskHandle<E>> handles;
    auto start = [&](int first, int count, Gate& at) {
      loop.Enter([&](auto& on) {
        for (int i = first; i < first + count; ++i) {
          handles.push_back(
              ThenItem(RunInThread(
                           on,
                           [](Gate* gate, LoopLog* results,
                              std::atomic<int>* returned, int i) {
                             gate->Pass();
                             ++*returned;
                             return Traced(*results, i);
                           },
                           AssumeSendable(&at), AssumeSendable(&results),
                           AssumeSendable(&returned), i),
                       &*scope, log, i));
        }
        ThenItem(PassGate(on, at), &*other, log, kTasks + first);
      });
    };
    // Their results are in the loop's mail.
    Gate open;
    open.Open();
    start(0, kArrived, open);
    while (returned < kArrived) std::this_thread::yield();
    start(kArrived, kTasks - kArrived, gate);
    gate.WaitUntilReached(kRunning);
    loop.Enter([&](auto& on) {
      for (int i = kTasks - kCancelled; i < kTasks; ++i) {
        BOOST_TEST(handles[static_cast<std::size_t>(i)].Cancel(on));
      }
      scope.reset();
      BOOST_TEST(log.Count(What::kDestroyed) == kTasks);
    });
    BOOST_TEST(log.Count(What::kStarted) == 0);
    BOOST_TEST((log.OnlyOn(std::this_thread::get_id()) == ""));
    gate.Open();
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    // The other scope's tasks have run.
    BOOST_TEST(log.Count(What::kStarted) == 2);
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(returned >= kArrived + kRunning);
    BOOST_TEST(results.Count(What::kDestroyed) == returned);
    BOOST_TEST(results.OnceEach() == "");
  }
};

template <class H>
struct Tk08_AScopeMayEndInItsOwnCompletion {
  static constexpr char kRule[] =
      "A scope may be destroyed by one of its completions, or by what that "
      "held";

  static void Run() {
    using E = typename H::Executor;
    for (const bool is_held : {false, true}) {
      LoopLog log;
      Loop<H> loop;
      const auto workers = Use(loop, std::make_shared<HandWorkers>());
      auto scope = std::make_shared<std::unique_ptr<TaskScope<E>>>();
      loop.Enter([&](auto& on) {
        *scope = std::make_unique<TaskScope<E>>(on);
        TaskScope<E>& s = **scope;
        for (int i = 0; i < 3; ++i) {
          // Each holds it, the second one ends it.
          RunInThread(on, [] { return 1; })
              .Then(s, [&, i, held = is_held ? scope : nullptr,
                        item = Traced(log, i)](auto&, absl::StatusOr<int>) {
                item.Run([&] {
                  if (i != 1) return;
                  auto* which = is_held ? held.get() : scope.get();
                  which->reset();
                  BOOST_TEST(log.Count(What::kDestroyed) == 2);
                });
              });
        }
      });
      if (is_held) scope.reset();
      workers->FinishAll();
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      BOOST_TEST(log.Count(What::kStarted) == 2);
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Tk08_AScopeMayBeHeldByItsCompletions {
  static constexpr char kRule[] =
      "An object that its own tasks' completions keep alive, scope and all, "
      "ends with the executor";

  static void Run() {
    using E = typename H::Executor;
    struct Session {
      Session(OnLoop<E>& on, LoopLog& log) : item(log, 0), scope(on) {}
      Traced item;
      TaskScope<E> scope;
    };
    LoopLog log;
    const auto workers = std::make_shared<HandWorkers>();
    {
      Loop<H> loop;
      Use(loop, workers);
      loop.Enter([&](auto& on) {
        auto session = std::make_shared<Session>(on, log);
        for (int i = 1; i < 4; ++i) {
          RunInThread(on, [] {}).Then(
              session->scope,
              [session, item = Traced(log, i)](auto&, absl::Status) {});
        }
      });
      BOOST_TEST(log.Count(What::kDestroyed) == 0);
      loop.DestroyExecutor();
      BOOST_TEST(log.Count(What::kDestroyed) == 4);
    }
    workers->FinishAll();
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Tk08_AnOperationIsToldThatNobodyWaits {
  static constexpr char kRule[] =
      "An operation without a thread is told once that its result is not "
      "wanted "
      "any more, and not once it has completed";

  static void Run() {
    using E = typename H::Executor;
    struct Operation : CancelHook {
      Operation() {
        cancelled = [](CancelHook* hook) noexcept {
          ++static_cast<Operation*>(hook)->told;
        };
      }
      int told = 0;
      std::optional<Completer<E, int>> completer;
    };
    enum End { kCancel, kScope, kExecutor, kComplete, kSent, kDropped, kEnds };
    for (int end = 0; end < kEnds; ++end) {
      LoopLog log;
      Operation operation;
      absl::Status status;
      Loop<H> loop;
      std::optional<TaskScope<E>> scope;
      TaskHandle<E> handle;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        auto task =
            MakeTask<int>(on, [&](auto& on, Completer<E, int> completer) {
              completer.SetCancelHook(on, &operation);
              operation.completer.emplace(std::move(completer));
            });
        BOOST_TEST(!operation.completer.has_value());
        handle = ThenItem(std::move(task), &*scope, log, 1, &status);
        BOOST_TEST(operation.completer->wanted());
      });
      const bool ends = end == kCancel || end == kScope || end == kExecutor;
      loop.Enter([&](auto& on) {
        if (end == kCancel) BOOST_TEST(handle.Cancel(on));
        if (end == kScope) scope.reset();
        if (end == kComplete) std::move(*operation.completer).Complete(on, 7);
        if (end == kDropped) operation.completer.reset();
        if (end == kSent) {
          std::thread([c = std::move(*operation.completer)
                               .ToSendable()]() mutable {
            std::move(c).Post(7);
          }).join();
        }
      });
      if (end == kExecutor) loop.DestroyExecutor();
      BOOST_TEST(operation.told == ends);
      if (ends) BOOST_TEST(!operation.completer->wanted());
      const bool runs = end != kScope && end != kExecutor;
      if (end != kExecutor) {
        loop.TurnUntil([&] { return log.Count(What::kEnded) == runs; });
        operation.completer.reset();
        loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      }
      BOOST_TEST(log.Count(What::kStarted) == runs);
      BOOST_TEST(operation.told == ends);
      if (end == kCancel) BOOST_TEST(absl::IsCancelled(status));
      if (end == kComplete || end == kSent) BOOST_TEST(status.ok());
      if (end == kDropped) BOOST_TEST(absl::IsAborted(status));
      if (end == kExecutor) operation.completer.reset();
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Tk09_WorkerAndLoopShareNoUnsynchronisedWord {
  static constexpr char kRule[] =
      "A task is cancelled, or its scope ended, just when its worker writes "
      "the "
      "result: nothing is lost, and no word is written by both "
      "(ThreadSanitizer looks on)";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kRounds = 1500;
    // Relaxed, all of it: what orders the two threads is qio's own.
    std::atomic<int> alive{0}, running{0};
    int calls = 0, wrong = 0;
    Loop<H> loop;
    UsePool(loop, 2);
    for (int round = 0; round < kRounds; ++round) {
      running.store(0, std::memory_order_relaxed);
      std::optional<TaskScope<E>> scope;
      TaskHandle<E> handle;
      const int before = calls;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        handle = RunInThread(
                     on,
                     [](std::atomic<int>* running, std::atomic<int>* alive) {
                       running->store(1, std::memory_order_relaxed);
                       return Counted(alive);
                     },
                     AssumeSendable(&running), AssumeSendable(&alive))
                     .Then(*scope, [&](auto&, absl::StatusOr<Counted> result) {
                       ++calls;
                       wrong += !absl::IsCancelled(result.status());
                     });
      });
      while (running.load(std::memory_order_relaxed) == 0) {
        if (round % 8 == 0) std::this_thread::yield();
      }
      const bool is_cancelled = round % 2 == 0;
      loop.Enter([&](auto& on) {
        if (is_cancelled) {
          wrong += !handle.Cancel(on);
        } else {
          scope.reset();
        }
      });
      while (Outstanding(loop) != 0) loop.harness().RunOnce();
      wrong += calls != before + is_cancelled;
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(alive.load() == 0);
  }
};

template <class H>
struct Tk10_ThePostIsTheWorkersLastTouch {
  static constexpr char kRule[] =
      "As soon as a completion ran, task, loop and executor may be freed: no "
      "worker touches them any more (sanitizers look on)";

  static void Run() {
    constexpr int kRounds = 150;
    const std::shared_ptr<Workers> workers[] = {
        std::make_shared<WorkerPool>(WorkerPool::Options{.threads_max = 1}),
        std::make_shared<ThreadPerTask>()};
    int calls = 0;
    for (int round = 0; round < kRounds; ++round) {
      Loop<H> loop;
      Use(loop, workers[round % 3 == 0]);
      loop.Enter([&](auto& on) {
        // Too large for the task's own block.
        RunInThread(
            on, [](std::array<char, 600> bytes) { return bytes; },
            std::array<char, 600>{})
            .Then(
                [&](auto&, absl::StatusOr<std::array<char, 600>>) { ++calls; });
      });
      while (calls == round) loop.harness().RunOnce();
      loop.DestroyExecutor();
    }
    BOOST_TEST(calls == kRounds);
  }
};

template <class H>
struct Tk11_AnExceptionOfTheWorkerIsAStatus {
  static constexpr char kRule[] =
      "What a worker throws reaches the completion as an error that names its "
      "type and message";

  struct OurOwn {};

  static void Run() {
    LoopLog log;
    std::vector<absl::Status> statuses(5);
    Loop<H> loop;
    UsePool(loop, 2);
    loop.Enter([&](auto& on) {
      ThenItem(RunInThread(
                   on,
                   [](std::string what, Traced) -> std::string {
                     throw std::runtime_error(what);
                   },
                   std::string("no such file"), Traced(log, 10)),
               nullptr, log, 0, &statuses[0]);
      ThenItem(RunInThread(on, [] { throw 42; }), nullptr, log, 1,
               &statuses[1]);
      ThenItem(RunInThread(on, []() -> absl::Status { throw OurOwn(); }),
               nullptr, log, 2, &statuses[2]);
      ThenItem(
          RunInThread(on, []() -> absl::StatusOr<int> { throw "a string"; }),
          nullptr, log, 3, &statuses[3]);
      ThenItem(RunInThread(on, []() -> int { throw std::bad_alloc(); }),
               nullptr, log, 4, &statuses[4]);
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 5; });
    const char* const parts[5][2] = {{"std::runtime_error", "no such file"},
                                     {"threw int", ""},
                                     {"OurOwn", ""},
                                     {"char const*", ""},
                                     {"std::bad_alloc", ""}};
    for (std::size_t i = 0; i < 5; ++i) {
      const std::string text(statuses[i].message());
      BOOST_TEST(absl::IsUnknown(statuses[i]));
      for (const char* part : parts[i]) {
        BOOST_TEST((text.find(part) != text.npos), text);
      }
    }
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST((EndedOn(log, 10) != std::this_thread::get_id()));
  }
};

template <class H>
struct Tk12_AThrowingCompletionIsFreedOnce {
  static constexpr char kRule[] =
      "A completion that throws leaves the host's run call, or ends the "
      "program "
      "with a message; its task is freed once, and the others complete";

  struct Thrown {};

  static void Run() {
    if constexpr (H::kExceptions == Exceptions::kLeaveRun) {
      RunThrowing();
    } else {
      const support::ChildEnd end = support::RunInChild(&RunThrowing);
      BOOST_TEST(end.signal == SIGABRT);
      BOOST_TEST((end.errors.find("exception") != end.errors.npos),
                 "it said: " << end.errors);
    }
  }

 private:
  using E = typename H::Executor;

  static void RunThrowing() {
    LoopLog log;
    Loop<H> loop;
    Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kAtOnce));
    loop.Enter([&](auto& on) {
      for (int i = 0; i < 4; ++i) {
        TaskHandle<E> handle =
            RunInThread(
                on, [](LoopLog* log, int i) { return Traced(*log, 10 + i); },
                AssumeSendable(&log), i)
                .Then([&loop, i, item = Traced(log, i)](
                          auto& on, absl::StatusOr<Traced>) {
                  item.Run([&] {
                    // One with a result, and one that was cancelled.
                    if (i == 1 || i == 2) throw Thrown();
                    loop.harness().Stop(on);
                  });
                });
        if (i == 2) handle.Cancel(on);
      }
    });
    int thrown = 0;
    while (log.Count(What::kEnded) < 4) {
      try {
        loop.harness().Run();
      } catch (const Thrown&) {
        ++thrown;
      }
    }
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(thrown == 2);
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Tk13_AnyAllocationMayFail {
  static constexpr char kRule[] =
      "Whichever allocation fails from start to completion, once or from then "
      "on: nothing leaks, and one completion runs, or none if Then threw";

  static void Run() {
    for (const int times : {1, support::FailingAllocations::kForEver}) {
      int nth = 0;
      while (RunFailing(nth, times)) ++nth;
      BOOST_TEST(nth > 2);
    }
  }

 private:
  // False: no allocation has failed.
  static bool RunFailing(int nth, int times) {
    LoopLog log;
    bool bit = false, has_thrown = false;
    int calls = 0;
    {
      Loop<H> loop;
      Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kAtOnce));
      std::optional<support::FailingAllocations> failing;
      const absl::Status entered = loop.executor().Enter([&](auto& on) {
        std::array<char, 1024> much{};
        Traced input(log, 1);
        Traced captured(log, 2);
        failing.emplace(nth, times);
        try {
          RunInThread(
              on,
              [](std::array<char, 300>, Traced input) {
                input.Run();
                return std::string(100, 'x');
              },
              std::array<char, 300>{}, std::move(input))
              .Then([much, &calls, captured = std::move(captured)](
                        auto&, absl::StatusOr<std::string>) {
                (void)much;
                captured.Run();
                ++calls;
              });
        } catch (const std::bad_alloc&) {
          has_thrown = true;
        }
      });
      while (!has_thrown && calls == 0) loop.harness().RunOnce();
      bit = failing->bit();
      failing.reset();
      BOOST_TEST(entered.ok());
      BOOST_TEST(Outstanding(loop) == 0);
    }
    BOOST_TEST(calls == !has_thrown);
    BOOST_TEST(log.OnceEach() == "");
    return bit;
  }
};

// A worker with a name that reports show.
struct ReadsTheTape {
  int operator()(Gate* gate) const {
    gate->Pass();
    return 1;
  }
};

template <class H>
struct Tk14_ShutdownNamesTheStragglers {
  static constexpr char kRule[] =
      "Shutdown takes no more work, refuses what is queued, and names the "
      "workers that still run at its deadline; they outlive the pool if the "
      "program says so";

  static void Run() {
    RunWith(std::make_shared<WorkerPool>(WorkerPool::Options{.threads_max = 1}),
            3);
    RunWith(std::make_shared<ThreadPerTask>(), 0);
  }

 private:
  static void RunWith(std::shared_ptr<Workers> workers, int queued) {
    using std::chrono::steady_clock;
    LoopLog log;
    Gate gate;
    std::vector<absl::Status> statuses(static_cast<std::size_t>(queued) + 2);
    Loop<H> loop;
    Use(loop, workers);
    loop.Enter([&](auto& on) {
      ThenItem(RunInThread(on, ReadsTheTape(), AssumeSendable(&gate)), nullptr,
               log, 0, &statuses[0]);
    });
    gate.WaitUntilReached();
    loop.Enter([&](auto& on) {
      for (int i = 1; i <= queued; ++i) {
        ThenItem(RunInThread(on, [] {}), nullptr, log, i,
                 &statuses[static_cast<std::size_t>(i)]);
      }
    });
    std::vector<std::string> names = workers->Shutdown(steady_clock::now());
    BOOST_TEST(names.size() == 1u);
    BOOST_TEST(names[0].find("ReadsTheTape") != names[0].npos, names[0]);
    loop.Enter([&](auto& on) {
      ThenItem(RunInThread(on, [] {}), nullptr, log, queued + 1,
               &statuses.back());
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == queued + 1; });
    BOOST_TEST(log.Count(What::kStarted, 0) == 0);
    for (std::size_t i = 1; i < statuses.size(); ++i) {
      BOOST_TEST(absl::IsUnavailable(statuses[i]));
    }
    // The program goes on without it: this would hang.
    loop.Enter([&](auto& on) {
      on.executor().UseWorkers(on, std::make_shared<HandWorkers>());
    });
    workers.reset();
    gate.Open();
    loop.TurnUntil([&] { return log.Count(What::kEnded) == queued + 2; });
    BOOST_TEST(statuses[0].ok());
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Tk15_AHandleMayBeDropped {
  static constexpr char kRule[] =
      "Destroying the handle of a task neither cancels it nor waits for it";

  static void Run() {
    LoopLog log;
    Gate gate;
    absl::Status status = absl::UnknownError("");
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      auto handle = std::make_unique<TaskHandle<typename H::Executor>>(
          ThenItem(PassGate(on, gate), nullptr, log, 1, &status));
    });
    gate.WaitUntilReached();
    loop.TurnALot();
    BOOST_TEST(log.events().size() == 2u);
    gate.Open();
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
    BOOST_TEST(status.ok());
  }
};

template <class H>
struct Tk15_ATaskThatNeverStartedLeavesNothing {
  static constexpr char kRule[] =
      "A task that is dropped before Then destroys its inputs there, runs "
      "nothing and keeps nothing alive";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    std::optional<QIOTask<E, void>> left;
    {
      Loop<H> loop;
      loop.Enter([&](auto& on) {
        {
          auto task = RunInThread(
              on, [](Traced input) { input.Run(); }, Traced(log, 1));
          auto moved = std::move(task);
          BOOST_TEST(log.Count(What::kDestroyed) == 0);
        }
        BOOST_TEST(log.Count(What::kDestroyed) == 1);
        {
          auto task =
              MakeTask<int>(on, [item = Traced(log, 2)](auto&, auto) {});
        }
        BOOST_TEST(log.Count(What::kDestroyed) == 2);
        BOOST_TEST(on.executor().outstanding(on) == 0);
        left.emplace(
            RunInThread(on, [](Traced input) { input.Run(); }, Traced(log, 3)));
      });
      loop.DestroyExecutor();
      BOOST_TEST(loop.diagnostics().text() == "");
    }
    // Where the loop is no more, it cannot start.
    std::move(*left).Then(
        [item = Traced(log, 4)](OnLoopOf<H>&, absl::Status) { item.Run(); });
    left.reset();
    BOOST_TEST(log.Count(What::kDestroyed) == 4);
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Tk16_AResultGoesToAnotherLoopByAPost {
  static constexpr char kRule[] =
      "A result reaches another loop when it is posted there, by the "
      "completion "
      "that has it, and is moved: there is one of it on either";

  static void Run() {
    using E = typename H::Executor;
    struct Arrival {
      const int* address = nullptr;
      E* executor = nullptr;
    };
    Loop<H> first, second;
    const int* made = nullptr;
    Arrival arrival;
    const LoopRef<E> ref = second.Ref();
    first.Enter([&](auto& on) {
      RunInThread(on, [] {
        return std::make_unique<int>(7);
      }).Then([&](auto& on, absl::StatusOr<std::unique_ptr<int>> result) {
        BOOST_TEST(&on.executor() == &first.executor());
        std::unique_ptr<int> number = *std::move(result);
        made = number.get();
        const absl::Status posted =
            ref.Post([](OnLoop<E>& on, std::unique_ptr<int> number,
                        Arrival* a) { *a = {number.get(), &on.executor()}; },
                     std::move(number), AssumeSendable(&arrival));
        BOOST_TEST(posted.ok());
        BOOST_TEST(number == nullptr);
      });
    });
    first.TurnUntil([&] { return made != nullptr; });
    first.TurnALot();
    BOOST_TEST(arrival.address == nullptr);
    second.TurnUntil([&] { return arrival.address != nullptr; });
    BOOST_TEST(arrival.address == made);
    BOOST_TEST(arrival.executor == &second.executor());
  }
};

template <class H>
struct Tk17_ThreadsAndQueueAreBounded {
  static constexpr char kRule[] =
      "A pool has no more threads than its cap; what is queued behind them is "
      "cancelled at once, and never runs";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kThreads = 3, kTasks = 300;
    LoopLog log;
    Gate gate;
    std::atomic<int> runs{0};
    Loop<H> loop;
    const auto pool = UsePool(loop, kThreads);
    std::vector<TaskHandle<E>> handles;
    loop.Enter([&](auto& on) {
      for (int i = 0; i < kTasks; ++i) {
        handles.push_back(
            ThenItem(RunInThread(
                         on,
                         [](Gate* gate, std::atomic<int>* runs) {
                           ++*runs;
                           gate->Pass();
                         },
                         AssumeSendable(&gate), AssumeSendable(&runs)),
                     nullptr, log, i));
      }
    });
    gate.WaitUntilReached(kThreads);
    BOOST_TEST(pool->threads() == kThreads);
    loop.Enter([&](auto& on) {
      for (TaskHandle<E>& handle : handles) BOOST_TEST(handle.Cancel(on));
    });
    // No worker has come back.
    loop.TurnUntil([&] { return log.Count(What::kEnded) == kTasks; });
    gate.Open();
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(runs.load() == kThreads);
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Tk18_ACompletionMayStartTasks {
  static constexpr char kRule[] =
      "Tasks that completions start finish, on a pool of one thread too";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kDepth = 8;
    int calls = 0;
    Loop<H> loop;
    UsePool(loop, 1);
    // Each starts two.
    std::function<void(OnLoop<E>&, int)> start = [&](auto& on, int left) {
      RunInThread(
          on, [](int left) { return left - 1; }, left)
          .Then([&](auto& on, absl::StatusOr<int> left) {
            ++calls;
            for (int i = 0; i < 2 && *left > 0; ++i) start(on, *left);
          });
    };
    loop.Enter([&](auto& on) { start(on, kDepth); });
    loop.TurnUntil([&] { return calls == (1 << kDepth) - 1; });
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Tk19_LookupsHaveThreadsOfTheirOwn {
  static constexpr char kRule[] =
      "Tasks of one lane finish while those of the other use all its threads";

  static void Run() {
    constexpr int kMany = 40;
    for (const Lane slow : {Lane::kDefault, Lane::kDns}) {
      LoopLog log;
      Gate gate;
      Loop<H> loop;
      loop.Enter([&](auto& on) {
        for (int i = 1; i <= kMany; ++i) {
          ThenItem(RunInLane(
                       on, slow, [](Gate* gate) { gate->Pass(); },
                       AssumeSendable(&gate)),
                   nullptr, log, i);
        }
      });
      gate.WaitUntilReached();
      loop.Enter([&](auto& on) {
        ThenItem(RunInLane(on, slow == Lane::kDns ? Lane::kDefault : Lane::kDns,
                           [] {}),
                 nullptr, log, 0);
      });
      loop.TurnUntil([&] { return log.Count(What::kEnded, 0) == 1; });
      BOOST_TEST(log.Count(What::kStarted) == 1);
      gate.Open();
      loop.TurnUntil([&] { return log.Count(What::kEnded) == kMany + 1; });
    }
  }
};

template <class H>
struct Tk20_WaitReturnsTheResult {
  static constexpr char kRule[] =
      "Wait blocks the loop until the worker has returned, and returns its "
      "result; what else comes by mail keeps its order, and does not run";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    loop.harness().FollowClock();
    UsePool(loop, 2);
    support::Pipe pipe;
    pipe.Write();
    Watch<typename H::Executor> watch;
    Timer<typename H::Executor> timer;
    const auto ref = loop.Ref();
    bool waited = false, early = false;
    auto wait = [&](auto& on) {
      PostItem(on, log, 1);
      (void)PostItem(ref, log, 2);
      for (int round = 0; round < 30; ++round) {
        auto result =
            RunInThread(
                on,
                [](LoopRef<typename H::Executor> ref, LoopLog* log, int item) {
                  // Some sleep, so that the loop does.
                  if (item % 3 == 0) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                  }
                  (void)PostItem(ref, *log, item);
                  return std::to_string(item);
                },
                ref, AssumeSendable(&log), round + 3)
                .Wait(on);
        BOOST_TEST(result.value() == std::to_string(round + 3));
      }
      BOOST_TEST(log.Count(What::kStarted) == 0);
      BOOST_TEST(!early);
      waited = true;
    };
    loop.Enter([&](auto& on) {
      auto note = [&] { early |= !waited; };
      (void)watch.Start(
          on, pipe.reader.get(), Condition::kIn,
          [&, note](auto& on, Condition) { note(), watch.Stop(on); });
      timer.StartAfter(on, std::chrono::seconds(-1), [note](auto&) { note(); });
      wait(on);
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 32; });
    int last = 0;
    for (const LoopLog::Event& event : log.events()) {
      if (event.what != What::kStarted) continue;
      BOOST_TEST(event.item == ++last);
    }
    // In a callback too, where others are queued behind it.
    bool ran = false;
    loop.Enter([&](auto& on) {
      Post(on, [&](auto& on) {
        const auto result = RunInThread(on, [] { return 5; }).Wait(on);
        BOOST_TEST(result.value() == 5);
        BOOST_TEST(!ran);
      });
      Post(on, [&](auto&) { ran = true; });
    });
    loop.TurnUntil([&] { return ran; });
    loop.Enter([&](auto& on) { watch.Stop(on), timer.Stop(on); });
    BOOST_TEST(Outstanding(loop) == 1);  // The LoopRef.
  }
};

template <class H>
struct Tk20_WaitTellsErrors {
  static constexpr char kRule[] =
      "Wait returns the error of a task, and refuses to wait for one that "
      "needs "
      "its loop to turn";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    Loop<H> loop;
    const auto pool = UsePool(loop, 1);
    loop.Enter([&](auto& on) {
      const absl::Status thrown =
          RunInThread(on, [] { throw std::runtime_error("no tape"); }).Wait(on);
      BOOST_TEST((thrown.ToString().find("no tape") != std::string::npos));
      int starts = 0;
      const absl::Status refused =
          MakeTask<int>(on, [&, item = Traced(log, 1)](
                                auto&, Completer<E, int>) { ++starts; })
              .Wait(on)
              .status();
      BOOST_TEST(absl::IsFailedPrecondition(refused));
      BOOST_TEST(starts == 0);
      BOOST_TEST(log.Count(What::kDestroyed, 1) == 1);
      (void)pool->Shutdown(std::chrono::steady_clock::now());
      const absl::Status stopped =
          RunInThread(on, [](Traced) {}, Traced(log, 2)).Wait(on);
      BOOST_TEST(absl::IsUnavailable(stopped));
      BOOST_TEST(log.Count(What::kDestroyed, 2) == 1);
    });
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Tk21_WorkersAreDeafToSignals {
  static constexpr char kRule[] =
      "All signals that can be blocked are, on a worker's thread, from its "
      "first instruction on; the starter's mask stays as it was";

  static void Run() {
    sigset_t before, after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    int calls = 0;
    Loop<H> loop;
    const std::shared_ptr<Workers> both[] = {std::make_shared<WorkerPool>(),
                                             std::make_shared<ThreadPerTask>()};
    for (const std::shared_ptr<Workers>& workers : both) {
      Use(loop, workers);
      loop.Enter([&](auto& on) {
        RunInThread(on, [] {
          sigset_t blocked;
          ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
          std::vector<int> heard;
          for (int signal = 1; signal < NSIG; ++signal) {
            if (signal == SIGKILL || signal == SIGSTOP) continue;
            // glibc's own.
            if (signal > SIGSYS && signal < SIGRTMIN) continue;
            if (!sigismember(&blocked, signal)) heard.push_back(signal);
          }
          return heard;
        }).Then([&](auto&, absl::StatusOr<std::vector<int>> heard) {
          ++calls;
          BOOST_TEST(heard->empty());
        });
      });
    }
    loop.TurnUntil([&] { return calls == 2; });
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (int signal = 1; signal < NSIG; ++signal) {
      BOOST_TEST(sigismember(&before, signal) == sigismember(&after, signal));
    }
  }
};

template <class H>
struct Tk22_AReadyWatchStarvesNoCompletion {
  static constexpr char kRule[] =
      "While a watch is always ready, a result that has come is delivered in "
      "the next turn or two";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kTasks = 300, kWatchCallsMax = 4;
    Loop<H> loop;
    // The result is there as soon as the task was handed over.
    Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kAtOnce));
    support::Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    int watched = 0, completed = 0, started_at = 0, worst = 0;
    std::function<void(OnLoop<E>&)> start = [&](auto& on) {
      started_at = watched;
      RunInThread(on, [] {
        return 1;
      }).Then([&](auto& on, absl::StatusOr<int>) {
        worst = std::max(worst, watched - started_at);
        if (++completed == kTasks) {
          loop.harness().Stop(on);
        } else if (completed % 2 != 0) {
          start(on);
        }
      });
    };
    loop.Enter([&](auto& on) {
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [&](auto& on, Condition) {
                          ++watched;
                          // Every other one is started here.
                          if (completed % 2 == 0 && started_at < watched) {
                            started_at = 1 << 30;
                            start(on);
                          }
                          if (watched > 100'000) loop.harness().Stop(on);
                        });
    });
    loop.harness().Run();
    loop.Enter([&](auto& on) { watch.Stop(on); });
    BOOST_TEST(completed == kTasks);
    BOOST_TEST(worst <= kWatchCallsMax);
  }
};

template <class H>
struct Ex12_QuickTasksStarveNoDescriptor {
  static constexpr char kRule[] =
      "While each task is done as soon as the loop looks for its result, and "
      "starts the next, a ready descriptor is served within a few turns";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kTasksMax = 4 * Reactor::kBudget, kWatchCalls = 8;
    Loop<H> loop;
    loop.harness().FollowClock();
    const auto workers =
        Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kToASpin));
    support::Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    Timer<E> otherwise;  // Where the loop does not look before it sleeps.
    int watched = 0, completed = 0, since = 0, worst = 0;
    std::function<void(OnLoop<E>&)> start = [&](auto& on) {
      RunInThread(on, [] {}).Then([&](auto& on, const absl::Status&) {
        worst = std::max(worst, ++since);
        if (watched == kWatchCalls || ++completed == 2 * kTasksMax) {
          loop.harness().Stop(on);
        } else {
          start(on);
        }
      });
    };
    loop.Enter([&](auto& on) {
      otherwise.StartEvery(on, std::chrono::milliseconds(1),
                           [&](auto&) { workers->FinishAll(); });
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [&](auto& on, Condition) {
                          since = 0;
                          if (++watched == kWatchCalls) watch.Stop(on);
                        });
      start(on);
    });
    loop.harness().Run();
    BOOST_TEST(watched == kWatchCalls);
    BOOST_TEST(worst <= kTasksMax);
  }
};

template <class H>
struct Tk23_DestructionIsOrdered {
  static constexpr char kRule[] =
      "Inputs end with the worker, on its thread, before the loop can know the "
      "result; then the completion returns, its captures end, and the result";

  static void Run() {
    enum : int { kInput = 1, kResult, kCompletion };
    LoopLog log;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      RunInThread(
          on,
          [](const Traced& input, LoopLog* log) {
            input.Run();
            return Traced(*log, kResult);
          },
          Traced(log, kInput), AssumeSendable(&log))
          .Then([item = Traced(log, kCompletion)](
                    auto&, const absl::StatusOr<Traced>& result) {
            item.Run([&] { BOOST_TEST(result.ok()); });
          });
    });
    loop.TurnUntil([&] { return log.Count(What::kDestroyed) == 3; });
    std::string order;
    for (const LoopLog::Event& event : log.events()) {
      const char item[] = {' ', static_cast<char>('0' + event.item), '\0'};
      order += std::string(event.what == What::kStarted ? " started"
                           : event.what == What::kEnded ? " ended"
                                                        : " destroyed") +
               item;
    }
    BOOST_TEST(order ==
               " started 1 ended 1 destroyed 1 started 3 ended 3 destroyed 3 "
               "destroyed 2");
    const std::thread::id here = std::this_thread::get_id();
    BOOST_TEST((EndedOn(log, kInput) != here));
    BOOST_TEST((EndedOn(log, kResult) == here));
    BOOST_TEST((EndedOn(log, kCompletion) == here));
  }
};

template <class H>
struct Tk23_ALateResultDiesOnTheWorker {
  static constexpr char kRule[] =
      "A result that nobody wants when the worker returns is destroyed on the "
      "worker's thread: after Cancel, its scope's end, or its executor's";

  static void Run() {
    using E = typename H::Executor;
    for (int kind = 0; kind < 3; ++kind) {
      enum : int { kInput = 1, kResult, kCompletion };
      LoopLog log;
      Gate gate;
      const auto pool = std::make_shared<WorkerPool>();
      Loop<H> loop;
      Use(loop, pool);
      std::optional<TaskScope<E>> scope;
      TaskHandle<E> handle;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        handle = ThenItem(RunInThread(
                              on,
                              [](Traced, Gate* gate, LoopLog* log) {
                                Traced result(*log, kResult);
                                gate->Pass();
                                return result;
                              },
                              Traced(log, kInput), AssumeSendable(&gate),
                              AssumeSendable(&log)),
                          &*scope, log, kCompletion);
      });
      gate.WaitUntilReached();
      loop.Enter([&](auto& on) {
        if (kind == 0) BOOST_TEST(handle.Cancel(on));
        if (kind == 1) scope.reset();
      });
      if (kind == 2) loop.DestroyExecutor();
      gate.Open();
      while (log.Count(What::kDestroyed, kResult) == 0) {
        loop.harness().RunOnce();
        std::this_thread::yield();
      }
      if (kind != 2) {
        loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      }
      const std::thread::id here = std::this_thread::get_id();
      BOOST_TEST((EndedOn(log, kResult) != here));
      BOOST_TEST((EndedOn(log, kResult) == EndedOn(log, kInput)));
      BOOST_TEST((EndedOn(log, kCompletion) == here));
      BOOST_TEST(log.Count(What::kStarted) == (kind == 0));
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Tk24_ATaskMayWaitForALaterOne {
  static constexpr char kRule[] =
      "Of tasks started in one turn, the first may wait for the last: all "
      "finish if the pool has two workers";

  static void Run() {
    constexpr int kRounds = 200;
    std::atomic<int> gone{0};
    int calls = 0;
    Loop<H> loop;
    for (int round = 0; round < kRounds; ++round) {
      const int tasks = 2 + round % 40;
      // New threads take a share of what is queued, those that sleep are given
      // one each.
      if (round % 4 != 3) UsePool(loop, 2);
      calls = 0;
      gone = 0;
      loop.Enter([&](auto& on) {
        for (int i = 0; i < tasks; ++i) {
          RunInThread(
              on,
              [](std::atomic<int>* gone, bool is_first, int others) {
                while (is_first && gone->load() < others) {
                  std::this_thread::yield();
                }
                ++*gone;
              },
              AssumeSendable(&gone), i == 0, tasks - 1)
              .Then([&](auto&, absl::Status) { ++calls; });
        }
      });
      if (round % 2 == 0) {
        while (calls < tasks) loop.harness().RunOnce();
      } else {
        loop.TurnUntil([&] { return calls == tasks; });
      }
    }
    BOOST_TEST(calls == 2 + (kRounds - 1) % 40);
  }
};

template <class H>
struct Tk25_SteadyStateAllocatesNothing {
  static constexpr char kRule[] =
      "After a while 1,000 tasks, posts of either kind and timers, one after "
      "another, allocate nothing";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kWarm = 300, kCounted = 1000;
    for (int kind = 0; kind < 4; ++kind) {
      Loop<H> loop;
      loop.harness().FollowClock();
      UsePool(loop, 1);
      std::optional<LoopRef<E>> ref;
      loop.Enter([&](auto& on) { ref.emplace(on); });
      Timer<E> timer;
      std::uint64_t before = 0, after = 0;
      int calls = 0;
      // No std::function, which is not the library's.
      struct Next {
        void operator()(OnLoop<E>& on) const {
          if (++*calls == kWarm) *before = support::AllocationsSoFar();
          if (*calls == kWarm + kCounted) {
            *after = support::AllocationsSoFar();
            harness->Stop(on);
            return;
          }
          if (kind == 0) {
            RunInThread(
                on, [](int i) { return i; }, *calls)
                .Then([next = *this](auto& on, absl::StatusOr<int>) {
                  next(on);
                });
          } else if (kind == 1) {
            Post(on, *this);
          } else if (kind == 2) {
            BOOST_TEST(
                (*ref)
                    ->Post([](OnLoop<E>& on, const Next& next) { next(on); },
                           AssumeSendable(*this))
                    .ok());
          } else {
            timer->StartAfter(on, std::chrono::seconds(0), *this);
          }
        }
        int kind;
        int* calls;
        std::uint64_t *before, *after;
        H* harness;
        Timer<E>* timer;
        std::optional<LoopRef<E>>* ref;
      };
      const Next next{kind,   &calls, &before, &after, &loop.harness(),
                      &timer, &ref};
      loop.Enter([&](auto& on) { next(on); });
      loop.harness().Run();
      BOOST_TEST(calls == kWarm + kCounted);
      BOOST_TEST(after - before == 0u, "of kind " << kind);
    }
  }
};

template <class H>
struct Ex04_AResultInTheGapBeforeSleepIsSeen {
  static constexpr char kRule[] =
      "A result that arrives when the loop has decided to sleep, and does not "
      "sleep yet, is delivered";

  static void Run() {
    constexpr int kRounds = 50;
    Loop<H> loop;
    const auto workers =
        Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kInTheGap));
    const pid_t me = support::ThisThread();
    for (int round = 0; round < kRounds; ++round) {
      int calls = 0;
      std::atomic<bool> over{false};
      loop.Enter([&](auto& on) {
        RunInThread(on, [] {
          return 1;
        }).Then([&](auto& on, absl::StatusOr<int>) {
          ++calls;
          loop.harness().Stop(on);
        });
      });
      // A host that does not ask falls asleep with the work undone.
      std::thread later([&] {
        while (!over && !support::SleepsInItsWait(me)) {
          std::this_thread::yield();
        }
        workers->FinishAll();
      });
      loop.harness().Run();
      over = true;
      later.join();
      BOOST_TEST(calls == 1);
    }
  }
};

template <class H>
struct Ex07_AStartedTaskNeedsNoMemory {
  static constexpr char kRule[] =
      "From Then to the completion's call no allocation is needed: whatever "
      "becomes of a task, it is told without memory";

  static void Run() {
    using E = typename H::Executor;
    enum Way {
      kResult,
      kThrown,
      kCancelled,
      kStopped,
      kNoThread,
      kBusy,
      kWays
    };
    for (int way = 0; way < kWays; ++way) {
      for (const bool has_threads : {false, true}) {
        Gate gate;
        absl::Status status = absl::OkStatus();
        int calls = 0;
        Loop<H> loop;
        std::shared_ptr<Workers> workers = MakeWorkers(way, has_threads);
        Use(loop, workers);
        if (way == kStopped) {
          (void)workers->Shutdown(std::chrono::steady_clock::now());
        }
        std::optional<support::FailingAllocations> failing;
        TaskHandle<E> handle;
        const absl::Status entered = loop.executor().Enter([&](auto& on) {
          auto then = [&](auto task) {
            return std::move(task).Then([&](auto&, absl::StatusOr<int> result) {
              ++calls;
              status = result.status();
            });
          };
          handle = then(RunInThread(
              on,
              [](bool fails) {
                if (fails) {
                  // For as long as the thread lives.
                  thread_local std::optional<support::FailingAllocations> none;
                  none.emplace(0);
                  throw std::bad_alloc();
                }
                return 1;
              },
              way == kThrown));
          failing.emplace(0);
          if (way == kCancelled) handle.Cancel(on);
          // A thread needs memory, unless this one is the worker.
          if (way == kResult || way == kThrown) failing.reset();
        });
        if (!failing.has_value()) failing.emplace(0);
        while (calls == 0) loop.harness().RunOnce();
        failing.reset();
        BOOST_TEST(entered.ok());
        loop.TurnUntil([&] { return Outstanding(loop) == 0; });
        BOOST_TEST(calls == 1);
        const absl::StatusCode codes[] = {absl::StatusCode::kOk,
                                          absl::StatusCode::kUnknown,
                                          absl::StatusCode::kCancelled,
                                          absl::StatusCode::kUnavailable,
                                          absl::StatusCode::kResourceExhausted,
                                          absl::StatusCode::kResourceExhausted};
        // A pool that was stopped may lack memory before it notices.
        const bool lacks = absl::IsResourceExhausted(status);
        BOOST_TEST((status.code() == codes[way] || (way == kStopped && lacks)),
                   "of way " << way << ": " << status.ToString());
      }
    }
  }

 private:
  static std::shared_ptr<Workers> MakeWorkers(int way, bool thread_per_task) {
    if (thread_per_task && way != 5) return std::make_shared<ThreadPerTask>();
    WorkerPool::Options options;
    if (way == 5) options.queue_max = 0;
    return std::make_shared<WorkerPool>(options);
  }
};

template <class H>
struct Ex08_AStartedTaskKeepsTheLoopAlive {
  static constexpr char kRule[] =
      "A loop that stops when idle goes on while a task is under way, and "
      "while "
      "the worker of an abandoned one is";

  static void Run() {
    using E = typename H::Executor;
    using std::chrono::steady_clock;
    LoopLog log;
    const pid_t me = support::ThisThread();
    for (const bool is_abandoned : {false, true}) {
      Gate gate;
      std::atomic<bool> opened{false};
      Loop<H> loop;
      std::optional<TaskScope<E>> scope;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        ThenItem(PassGate(on, gate), &*scope, log, is_abandoned);
      });
      gate.WaitUntilReached();
      loop.Enter([&](auto&) {
        if (is_abandoned) scope.reset();
      });
      BOOST_TEST(!loop.harness().RunUntilIdle(steady_clock::now() +
                                              std::chrono::milliseconds(2)));
      std::thread opener([&] {
        support::WaitUntilAsleep(me);
        opened = true;
        gate.Open();
      });
      BOOST_TEST(loop.harness().RunUntilIdle(steady_clock::now() +
                                             std::chrono::seconds(30)));
      BOOST_TEST(opened.load());
      opener.join();
      BOOST_TEST(log.Count(What::kStarted, is_abandoned) == !is_abandoned);
    }
    BOOST_TEST(log.OnceEach() == "");
  }
};

// Asks its pool as it ends, which hangs on a thread that holds the pool's lock.
class Asking {
 public:
  using qio_sendable = Asking;

  Asking(WorkerPool& pool, std::atomic<int>& ends)
      : pool_(&pool), ends_(&ends) {}
  Asking(Asking&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), ends_(other.ends_) {}
  Asking& operator=(Asking&&) = delete;
  ~Asking() {
    if (pool_ == nullptr) return;
    Ask();
    ++*ends_;
  }

  void Ask() const { (void)pool_->threads(); }
  Asking Another() const { return Asking(*pool_, *ends_); }

 private:
  WorkerPool* pool_;
  std::atomic<int>* ends_;
};

template <class H>
struct Ex09_NoLockOfAPoolIsHeldWhileUserCodeRuns {
  static constexpr char kRule[] =
      "A worker, and the destructors of what goes into it and comes out of it, "
      "may ask the pool, also while that refuses them";

  static void Run() {
    using E = typename H::Executor;
    using std::chrono::steady_clock;
    std::atomic<int> ends{0};
    int calls = 0;
    Gate open, gate;
    open.Open();
    Loop<H> loop;
    const auto pool = UsePool(loop, 1, 1);
    std::optional<TaskScope<E>> scope;
    loop.Enter([&](auto& on) { scope.emplace(on); });
    auto start = [&](Gate& at) {
      loop.Enter([&](auto& on) {
        RunInThread(
            on,
            [](const Asking& input, Gate* at) {
              at->Pass();
              input.Ask();
              return input.Another();
            },
            Asking(*pool, ends), AssumeSendable(&at))
            .Then(*scope, [&](auto&, absl::StatusOr<Asking>) { ++calls; });
      });
    };
    start(open);
    loop.TurnUntil([&] { return calls == 1; });
    BOOST_TEST(ends.load() == 2);
    start(gate);
    gate.WaitUntilReached();
    start(gate);  // It is queued,
    start(gate);  // and there is no room for this one.
    BOOST_TEST(ends.load() == 3);
    BOOST_TEST(pool->Shutdown(steady_clock::now()).size() == 1);
    BOOST_TEST(ends.load() == 4);
    start(gate);
    BOOST_TEST(ends.load() == 5);
    loop.Enter([&](auto&) { scope.reset(); });
    gate.Open();
    BOOST_TEST(
        pool->Shutdown(steady_clock::now() + std::chrono::seconds(30)).empty());
    BOOST_TEST(ends.load() == 7);
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(calls == 1);
  }
};

template <class H>
struct Ex10_TasksEndWithTheExecutor {
  static constexpr char kRule[] =
      "Destroying an executor with workers running destroys the completions "
      "there and then, and reports the counts; late results die on the workers";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kRunning = 3, kTasks = 5;
    LoopLog log, results;
    Gate gate;
    const auto pool = std::make_shared<WorkerPool>(
        WorkerPool::Options{.threads_max = kRunning});
    {
      Loop<H> loop;
      Use(loop, pool);
      std::optional<TaskScope<E>> scope;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        for (int i = 0; i < kTasks; ++i) {
          ThenItem(RunInThread(
                       on,
                       [](Gate* gate, LoopLog* results, int i) {
                         gate->Pass();
                         return Traced(*results, i);
                       },
                       AssumeSendable(&gate), AssumeSendable(&results), i),
                   i % 2 == 0 ? &*scope : nullptr, log, i);
        }
      });
      gate.WaitUntilReached(kRunning);
      loop.DestroyExecutor();
      BOOST_TEST(log.Count(What::kDestroyed) == kTasks);
      BOOST_TEST(log.OnlyOn(std::this_thread::get_id()) == "");
      const std::string text = loop.diagnostics().text();
      BOOST_TEST(loop.diagnostics().sentences().size() == 1);
      BOOST_TEST((text.find("tasks 5") != text.npos), text);
      BOOST_TEST((text.find("still out: 5") != text.npos), text);
    }
    // The loop is gone, and the workers are not.
    gate.Open();
    BOOST_TEST(pool->Shutdown(std::chrono::steady_clock::now() +
                              std::chrono::seconds(30))
                   .empty());
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(results.Count(What::kDestroyed) == kRunning);
    BOOST_TEST(results.OnceEach() == "");
    for (int i = 0; i < kRunning; ++i) {
      BOOST_TEST((EndedOn(results, i) != std::this_thread::get_id()));
    }
  }
};

template <class H>
struct Ex17_AForkedChildMayOnlyDestroyTheLoop {
  static constexpr char kRule[] =
      "A forked child's use of its parent's loop ends it with one sentence; it "
      "may destroy the loop, and the parent does not notice";

  using E = typename H::Executor;
  using On = OnLoopOf<H>;

  static void Run() {
    Gate gate;
    support::Pipe pipe, second_pipe;
    int watched = 0, fired = 0, posted = 0, done = 0;
    Loop<H> loop;
    loop.harness().FollowClock();
    auto pool = std::make_shared<WorkerPool>();
    loop.Enter([&](On& on) { on.executor().UseWorkers(on, pool); });
    Watch<E> watch, second_watch;
    Timer<E> timer;
    const auto ref = loop.Ref();
    On* witness = nullptr;
    // All there can be: a worker that runs and one that waits for work, a
    // watch, a timer, and mail.
    loop.Enter([&](On& on) {
      witness = std::addressof(on);
      const absl::Status started =
          watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](On&, Condition) { ++watched, pipe.ReadDry(); });
      BOOST_REQUIRE(started.ok());
      timer.StartEvery(on, std::chrono::milliseconds(1), [&](On&) { ++fired; });
      RunInThread(
          on, [](Gate* gate) { gate->Pass(); }, AssumeSendable(&gate))
          .Then([&](On&, absl::Status) { ++done; });
      RunInThread(on, [] {}).Then([&](On&, absl::Status) { ++done; });
    });
    gate.WaitUntilReached();
    loop.TurnUntil([&] { return done == 1 && fired > 0; });
    const int fired_before = fired;
    BOOST_REQUIRE(
        ref.Post([](On&, int* posted) { ++*posted; }, AssumeSendable(&posted))
            .ok());
    const std::uint64_t writes = support::WatchedEventFdWrites();

    const auto expect_refused = [&](auto use) {
      const support::ChildEnd end = support::RunInChild([&] {
        if constexpr (requires { loop.harness().AfterFork(); }) {
          loop.harness().AfterFork();
        }
        use();
      });
      BOOST_TEST(end.signal == SIGABRT, "code " << end.code << end.errors);
      const std::size_t at = end.errors.find("qio: a forked child used ");
      BOOST_TEST(at != end.errors.npos, end.errors);
      BOOST_TEST(end.errors.find("qio: ", at + 1) == end.errors.npos);
    };
    expect_refused([&] { (void)loop.executor().Enter([](On&) {}); });
    if constexpr (!requires { H::kRefusesForksItself; }) {
      expect_refused([&] {
        for (int i = 0; i < 10; ++i) loop.harness().RunOnce();
      });
      expect_refused([&] { loop.harness().Run(); });
    }
    // In a callback that forked there is a witness still.
    expect_refused([&] {
      (void)second_watch.Start(*witness, second_pipe.reader.get(),
                               Condition::kIn, [](On&, Condition) {});
    });
    BOOST_TEST(posted == 0);

    const support::ChildEnd end = support::RunInChild([&] {
      if constexpr (requires { loop.harness().AfterFork(); }) {
        loop.harness().AfterFork();
      }
      // Refused workers are told, by whatever loop of the child's own.
      bool told = false;
      {
        Loop<H> own;
        own.Enter([&](On& on) {
          on.executor().UseWorkers(on, pool);
          RunInThread(on, [] {}).Then([&](On&, absl::Status status) {
            told = status.code() == absl::StatusCode::kFailedPrecondition;
          });
        });
        own.TurnUntil([&] { return told; });
      }
      watch.Stop(*witness);
      pool.reset();
      loop.DestroyExecutor();
      if (watch.armed() || timer.armed() || watched + posted != 0) ::_exit(2);
    });
    BOOST_TEST(end.signal == 0);
    BOOST_TEST(end.code == 0);
    BOOST_TEST(end.errors == "");

    BOOST_TEST(support::WatchedEventFdWrites() == writes);
    BOOST_TEST(support::EpollRegistrations(pipe.reader.get()) == 1);
    pipe.Write();
    gate.Open();
    loop.TurnUntil([&] {
      return watched == 1 && posted == 1 && done == 2 && fired > fired_before;
    });
    loop.Enter([&](On& on) {
      watch.Stop(on);
      timer.Stop(on);
    });
    loop.TurnALot();
    BOOST_TEST(watched == 1);
    BOOST_TEST(posted == 1);
    BOOST_TEST(loop.diagnostics().text() == "");
  }
};

template <class H>
struct Rs12_AnotherLoopsWitnessEndsTheProgram {
  static constexpr char kRule[] =
      "In checked builds a timer, watch or task that is used with the witness "
      "of "
      "another loop of its type ends the program with a sentence that names "
      "both "
      "loops; so does what is ended beside the thread on its loop, naming that";

  using E = typename H::Executor;
  using On = OnLoopOf<H>;

  static void Run() {
#if QIO_CHECKED
    ExpectBothNamed([](On& mine, On& other) {
      Timer<E> timer;
      timer.StartAfter(mine, std::chrono::hours(1), [](On&) {});
      timer.Stop(other);
    });
    ExpectBothNamed([](On& mine, On& other) {
      support::Pipe pipe;
      Watch<E> watch;
      (void)watch.Start(mine, pipe.reader.get(), Condition::kIn,
                        [](On&, Condition) {});
      watch.Stop(other);
    });
    ExpectBothNamed([](On& mine, On& other) {
      support::Pipe pipe;
      Watch<E> watch;
      (void)watch.Start(mine, pipe.reader.get(), Condition::kIn,
                        [](On&, Condition) {});
      (void)watch.SetInterest(other, Condition::kOut);
    });
    ExpectBothNamed([](On& mine, On& other) {
      (void)RunInThread(mine, [] {}).Wait(other);
    });
    ExpectBothNamed([](On& mine, On& other) {
      MakeTask<int>(mine, [&other](On&, Completer<E, int> completer) {
        std::move(completer).Complete(other, 1);
      }).Then([](On&, absl::StatusOr<int>) {});
    });
    ExpectOneNamed([](On& on) {
      auto timer = std::make_unique<Timer<E>>();
      timer->StartAfter(on, std::chrono::hours(1), [](On&) {});
      return timer;
    });
    ExpectOneNamed([](On& on) {
      static const support::Pipe pipe;
      auto watch = std::make_unique<Watch<E>>();
      (void)watch->Start(on, pipe.reader.get(), Condition::kIn,
                         [](On&, Condition) {});
      return watch;
    });
    ExpectOneNamed([](On& on) { return RunInThread(on, [] {}); });
    ExpectOneNamed([](On& on) { return std::make_unique<TaskScope<E>>(on); });
#endif
  }

 private:
  template <class Misuse>
  static void ExpectBothNamed(Misuse misuse) {
    const support::ChildEnd end = support::RunInChild([&] {
      Loop<H> first, second;
      first.Enter([&](On& mine) {
        second.Enter([&](On& other) { misuse(mine, other); });
      });
    });
    BOOST_TEST(end.signal == SIGABRT, "it said: " << end.errors);
    const std::size_t at = end.errors.find("belongs to loop ");
    BOOST_REQUIRE_MESSAGE(at != end.errors.npos, end.errors);
    std::uint64_t mine = 0, other = 0;
    BOOST_TEST(std::sscanf(end.errors.c_str() + at,
                           "belongs to loop %" SCNu64
                           " but was given the witness of loop %" SCNu64,
                           &mine, &other) == 2);
    BOOST_TEST(mine != other);
  }

  // Ends what make(on) returns while another thread is on its loop.
  template <class Make>
  static void ExpectOneNamed(Make make) {
    const support::ChildEnd end = support::RunInChild([&] {
      LoopThread<H> loop;
      using Made = decltype(make(std::declval<On&>()));
      std::optional<Made> made;
      loop.Call([&](On& on) { made.emplace(make(on)); });
      // It is on its loop from here on.
      std::atomic<bool> is_there{false};
      (void)loop.ref().Post(
          [](On&, std::atomic<bool>* is_there) {
            is_there->store(true);
            for (;;) ::pause();
          },
          AssumeSendable(&is_there));
      while (!is_there.load()) std::this_thread::yield();
      made.reset();
    });
    BOOST_TEST(end.signal == SIGABRT, "it said: " << end.errors);
    BOOST_TEST(end.errors.find(" loop ") != end.errors.npos);
    BOOST_TEST(end.errors.find("was touched while another thread runs") !=
                   end.errors.npos,
               "it said: " << end.errors);
  }
};

template <class H>
struct Ex10_DestructorsMayStartTasks {
  static constexpr char kRule[] =
      "A task that a destructor starts while its executor is going away ends "
      "too, un-called";

  static void Run() {
    LoopLog log;
    const auto workers = std::make_shared<HandWorkers>();
    {
      Loop<H> loop;
      Use(loop, workers);
      loop.Enter([&](auto& on) {
        // The witness lives in the executor, for as long as that ends.
        auto start = [&log, &on](int item) {
          return AtEnd([&log, &on, item] {
            ThenItem(RunInThread(
                         on, [](Traced input) { input.Run(); },
                         Traced(log, 10 + item)),
                     nullptr, log, item);
          });
        };
        Post(on, [at_end = start(1)](auto&) {});
        RunInThread(on, [] {}).Then(
            [at_end = start(2)](auto&, absl::Status) {});
      });
      loop.DestroyExecutor();
      BOOST_TEST(log.Count(What::kDestroyed, 1) == 1);
      BOOST_TEST(log.Count(What::kDestroyed, 2) == 1);
    }
    workers->FinishAll();
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
void AddTaskCases(Suite& suite) {
  suite.AddAll<
      Tk01_EveryTaskCompletesOnce<H>, Tk01_OneOutcomeUnderEverySchedule<H>,
      Tk02_CompletionsRunOnTheirOwnLoop<H>,
      Tk03_AFullQueueIsAnErrorOfTheTask<H>,
      Tk03_WithoutMemoryNothingIsHalfStarted<H>,
      Tk03_WorkersAreChosenWhenATaskStarts<H>,
      Tk04_NoThreadIsAnErrorOfTheTask<H>,
      Tk05_WhatTheWorkerWroteTheCompletionReads<H>,
      Tk06_CompletionsLiveAndDieOnTheirLoop<H>, Tk07_CancelAgainstFinish<H>,
      Tk07_AHandleOutlivesItsTask<H>, Tk08_CancelDoesNotWaitForTheWorker<H>,
      Tk08_AfterItsScopeNoCompletionRuns<H>,
      Tk08_AScopeMayEndInItsOwnCompletion<H>,
      Tk08_AScopeMayBeHeldByItsCompletions<H>,
      Tk08_AnOperationIsToldThatNobodyWaits<H>,
      Tk09_WorkerAndLoopShareNoUnsynchronisedWord<H>,
      Tk10_ThePostIsTheWorkersLastTouch<H>,
      Tk11_AnExceptionOfTheWorkerIsAStatus<H>,
      Tk12_AThrowingCompletionIsFreedOnce<H>, Tk13_AnyAllocationMayFail<H>,
      Tk14_ShutdownNamesTheStragglers<H>, Tk15_AHandleMayBeDropped<H>,
      Tk16_AResultGoesToAnotherLoopByAPost<H>,
      Tk15_ATaskThatNeverStartedLeavesNothing<H>,
      Tk17_ThreadsAndQueueAreBounded<H>, Tk18_ACompletionMayStartTasks<H>,
      Tk19_LookupsHaveThreadsOfTheirOwn<H>, Tk20_WaitReturnsTheResult<H>,
      Tk20_WaitTellsErrors<H>, Tk21_WorkersAreDeafToSignals<H>,
      Tk22_AReadyWatchStarvesNoCompletion<H>, Tk23_DestructionIsOrdered<H>,
      Tk23_ALateResultDiesOnTheWorker<H>, Tk24_ATaskMayWaitForALaterOne<H>,
      Tk25_SteadyStateAllocatesNothing<H>,
      Ex04_AResultInTheGapBeforeSleepIsSeen<H>,
      Ex07_AStartedTaskNeedsNoMemory<H>, Ex08_AStartedTaskKeepsTheLoopAlive<H>,
      Ex09_NoLockOfAPoolIsHeldWhileUserCodeRuns<H>,
      Ex10_TasksEndWithTheExecutor<H>, Ex10_DestructorsMayStartTasks<H>,
      Ex12_QuickTasksStarveNoDescriptor<H>,
      Ex17_AForkedChildMayOnlyDestroyTheLoop<H>,
      Rs12_AnotherLoopsWitnessEndsTheProgram<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_TASK_CASES_H_
