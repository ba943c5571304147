// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What workers promise beyond what tasks do (tests/conformance/task_cases.h):
// how many threads there are, and when; what a pool says when it ends.

#include "qio/worker_pool.h"

#include <pthread.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/sendable.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"
#include "qio/thread_per_task.h"
#include "qio/workers.h"

namespace {

using Clock = std::chrono::steady_clock;
using Work = qio::internal_workers::Work;
using WorkOps = qio::internal_workers::WorkOps;

const auto kFarAway = Clock::now() + std::chrono::hours(1);

// Pieces of work without a loop, and where they wait until they may end.
class Jobs {
 public:
  enum class State { kSubmitted, kRunning, kPublished, kRefused };

  // A chain of `count` more.
  void Submit(qio::Workers& workers, int count) {
    Work* first = nullptr;
    for (int i = 0; i < count; ++i) {
      std::lock_guard lock(mutex_);
      Job& job = jobs_.emplace_back();
      job.jobs = this;
      job.work = {first, &kOps};
      first = &job.work;
    }
    workers.Submit(first);
  }

  void WaitUntil(State state, int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return CountLocked(state) == count; });
  }
  int Count(State state) {
    std::lock_guard lock(mutex_);
    return CountLocked(state);
  }
  // Why those were refused that were.
  std::vector<absl::Status> reasons() {
    std::lock_guard lock(mutex_);
    std::vector<absl::Status> reasons;
    for (const Job& job : jobs_) {
      if (job.state == State::kRefused) reasons.push_back(job.reason);
    }
    return reasons;
  }
  void Hold() { SetOpen(false); }
  void Open() { SetOpen(true); }
  std::string name_of_thread() {
    std::lock_guard lock(mutex_);
    return name_of_thread_;
  }

 private:
  struct Job {
    Work work;  // First: see Of().
    Jobs* jobs;
    State state = State::kSubmitted;
    absl::Status reason;
  };

  static Job& Of(Work* work) { return *reinterpret_cast<Job*>(work); }

  static const WorkOps kOps;

  void Run(Job& job) {
    std::unique_lock lock(mutex_);
    char name[16];
    if (::pthread_getname_np(::pthread_self(), name, sizeof name) == 0) {
      name_of_thread_ = name;
    }
    job.state = State::kRunning;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void Set(Job& job, State state) {
    std::lock_guard lock(mutex_);
    job.state = state;
    changed_.notify_all();
  }
  void SetOpen(bool open) {
    std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  int CountLocked(State state) const {
    int count = 0;
    for (const Job& job : jobs_) count += job.state == state;
    return count;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::string name_of_thread_;
  bool open_ = true;
};

const WorkOps Jobs::kOps{
    [](Work* work) noexcept { Of(work).jobs->Run(Of(work)); },
    [](Work* work) noexcept {
      Of(work).jobs->Set(Of(work), State::kPublished);
    },
    [](Work* work, const absl::Status& why) noexcept {
      Of(work).reason = why;
      Of(work).jobs->Set(Of(work), State::kRefused);
    },
    "a job"};

using State = Jobs::State;

// Ends workers while a job runs, and looks at what they say of it.
template <class W>
void EndWhileAJobRuns(qio::support::CapturedDiagnostics& said,
                      std::unique_ptr<W> workers) {
  Jobs jobs;
  jobs.Hold();
  jobs.Submit(*workers, 1);
  jobs.WaitUntil(State::kRunning, 1);
  std::atomic<bool> ended{false};
  std::thread ending([&] {
    workers.reset();
    ended = true;
  });
  while (said.text().empty()) std::this_thread::yield();
  BOOST_TEST(!ended);
  jobs.Open();
  ending.join();
  BOOST_TEST(said.sentences().size() == 1u);
  BOOST_TEST((said.text().find("a job") != std::string::npos), said.text());
  BOOST_TEST(jobs.Count(State::kPublished) == 1);
}

struct Watched {
  qio::support::Watchdog watchdog{"a case of worker_pool_test", 60};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(WorkerPoolTest, Watched)

BOOST_AUTO_TEST_CASE(OneTaskAfterAnotherNeedsOneThread) {
  for (const std::uint32_t spin_limit : {0u, 400u}) {
    Jobs jobs;
    qio::WorkerPool::Options options;
    options.spin_limit = spin_limit;
    qio::WorkerPool pool(options);
    BOOST_TEST(pool.threads() == 0);
    for (int i = 1; i <= 300; ++i) {
      jobs.Submit(pool, 1);
      jobs.WaitUntil(State::kPublished, i);
    }
    BOOST_TEST(pool.threads() == 1);
  }
}

BOOST_AUTO_TEST_CASE(ThreadsGrowOnDemandUpToTheCap) {
  Jobs jobs;
  qio::WorkerPool pool(qio::WorkerPool::Options{.threads_max = 3});
  jobs.Hold();
  for (int threads = 1; threads <= 3; ++threads) {
    jobs.Submit(pool, 1);
    jobs.WaitUntil(State::kRunning, threads);
    BOOST_TEST(pool.threads() == threads);
  }
  jobs.Submit(pool, 20);
  BOOST_TEST(pool.threads() == 3);
  BOOST_TEST(jobs.Count(State::kRunning) == 3);
  jobs.Open();
  jobs.WaitUntil(State::kPublished, 23);
  BOOST_TEST(pool.threads() == 3);
}

BOOST_AUTO_TEST_CASE(AChainWakesAsManyAsItNeeds) {
  Jobs jobs;
  qio::WorkerPool pool(qio::WorkerPool::Options{.threads_max = 4});
  for (int round = 1; round <= 50; ++round) {
    // All of them at once, each time from other states of the threads.
    jobs.Hold();
    jobs.Submit(pool, 1 + round % 4);
    jobs.WaitUntil(State::kRunning, 1 + round % 4);
    jobs.Open();
    jobs.WaitUntil(State::kRunning, 0);
  }
  BOOST_TEST(pool.threads() == 4);
}

BOOST_AUTO_TEST_CASE(WhatTheQueueCannotHoldIsRefusedAsBusy) {
  Jobs jobs;
  qio::WorkerPool::Options options;
  options.threads_max = 1;
  options.queue_max = 4;
  qio::WorkerPool pool(options);
  jobs.Hold();
  jobs.Submit(pool, 1);
  jobs.WaitUntil(State::kRunning, 1);
  jobs.Submit(pool, 3);
  jobs.Submit(pool, 3);
  BOOST_TEST(jobs.Count(State::kRefused) == 2);
  for (const absl::Status& why : jobs.reasons()) {
    BOOST_TEST(absl::IsResourceExhausted(why));
  }
  jobs.Open();
  jobs.WaitUntil(State::kPublished, 5);
  jobs.Submit(pool, 4);
  jobs.WaitUntil(State::kPublished, 9);
}

BOOST_AUTO_TEST_CASE(ThreadsCarryThePoolsName) {
  Jobs jobs;
  qio::WorkerPool pool(qio::WorkerPool::Options::Dns());
  // The name may come a moment after the thread.
  for (int i = 1; jobs.name_of_thread() != "qio-dns"; ++i) {
    jobs.Submit(pool, 1);
    jobs.WaitUntil(State::kPublished, i);
  }
}

BOOST_AUTO_TEST_CASE(ShutdownWaitsAndMayBeCalledAgain) {
  Jobs jobs;
  qio::WorkerPool pool(qio::WorkerPool::Options{.threads_max = 1});
  jobs.Hold();
  jobs.Submit(pool, 3);
  jobs.WaitUntil(State::kRunning, 1);
  BOOST_TEST(pool.Shutdown(Clock::now()) == std::vector<std::string>{"a job"},
             boost::test_tools::per_element());
  BOOST_TEST(jobs.Count(State::kRefused) == 2);
  jobs.Submit(pool, 1);
  BOOST_TEST(jobs.Count(State::kRefused) == 3);
  jobs.Open();
  BOOST_TEST(pool.Shutdown(kFarAway).empty());
  BOOST_TEST(jobs.Count(State::kPublished) == 1);
  BOOST_TEST(pool.threads() == 0);
}

BOOST_AUTO_TEST_CASE(ItsEndSaysAfterASecondForWhomItWaits) {
  qio::support::CapturedDiagnostics said;
  qio::WorkerPool::Options options;
  options.diagnostics = said.diagnostics();
  EndWhileAJobRuns(said, std::make_unique<qio::WorkerPool>(options));
}

BOOST_AUTO_TEST_CASE(AnEndThatNeedNotWaitSaysNothing) {
  qio::support::CapturedDiagnostics said;
  Jobs jobs;
  {
    qio::WorkerPool::Options options;
    options.diagnostics = said.diagnostics();
    qio::WorkerPool pool(options);
    jobs.Submit(pool, 100);
  }
  BOOST_TEST(jobs.Count(State::kPublished) + jobs.Count(State::kRefused) ==
             100);
  BOOST_TEST(said.text() == "");
}

BOOST_AUTO_TEST_CASE(ManyThreadsMaySubmit) {
  constexpr int kThreads = 3, kRounds = 200;
  Jobs jobs;
  qio::WorkerPool pool(qio::WorkerPool::Options{.threads_max = 2});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) jobs.Submit(pool, 1 + i % 3);
    });
  }
  for (std::thread& thread : threads) thread.join();
  int count = 0;
  for (int i = 0; i < kRounds; ++i) count += kThreads * (1 + i % 3);
  jobs.WaitUntil(State::kPublished, count);
}

BOOST_AUTO_TEST_CASE(AnExecutorMayEndWhileAnotherUsesItsPool) {
  using On = qio::OnLoop<qio::EpollExecutor>;
  const auto pool = std::make_shared<qio::WorkerPool>(
      qio::WorkerPool::Options{.threads_max = 2});
  qio::support::CapturedDiagnostics said;
  std::atomic<bool> may_end{false};
  auto one = qio::EpollExecutor::Create().value();
  auto two = qio::EpollExecutor::Create().value();
  int calls = 0;
  BOOST_REQUIRE(one->Enter([&](On& on) {
                     on.executor().SetDiagnostics(on, said.diagnostics());
                     on.executor().UseWorkers(on, pool);
                     qio::RunInThread(
                         on,
                         [](std::atomic<bool>* may_end) {
                           while (!*may_end) std::this_thread::yield();
                         },
                         qio::AssumeSendable(&may_end))
                         .Then([&](On&, absl::Status) { ++calls; });
                   })
                    .ok());
  one.reset();
  BOOST_TEST(said.sentences().size() == 1u);
  BOOST_REQUIRE(two->Enter([&](On& on) {
                     on.executor().UseWorkers(on, pool);
                     for (int i = 0; i < 10; ++i) {
                       qio::RunInThread(on, [] {
                         return 1;
                       }).Then([&](On&, absl::StatusOr<int> result) {
                         calls += *result;
                       });
                     }
                   })
                    .ok());
  BOOST_TEST(two->Drain(kFarAway).value());
  BOOST_TEST(calls == 10);
  may_end = true;
  BOOST_TEST(pool->Shutdown(kFarAway).empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(ThreadPerTaskTest, Watched)

BOOST_AUTO_TEST_CASE(NoTaskWaitsForAnother) {
  Jobs jobs;
  qio::ThreadPerTask workers;
  jobs.Hold();
  jobs.Submit(workers, 30);
  jobs.WaitUntil(State::kRunning, 30);
  jobs.Open();
  BOOST_TEST(workers.Shutdown(kFarAway).empty());
  BOOST_TEST(jobs.Count(State::kPublished) == 30);
}

BOOST_AUTO_TEST_CASE(ShutdownNamesWhoRunsAndRefusesTheRest) {
  Jobs jobs;
  qio::ThreadPerTask workers;
  jobs.Hold();
  jobs.Submit(workers, 2);
  jobs.WaitUntil(State::kRunning, 2);
  const std::vector<std::string> names = workers.Shutdown(Clock::now());
  const std::vector<std::string> expected = {"a job", "a job"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  jobs.Submit(workers, 2);
  for (const absl::Status& why : jobs.reasons()) {
    BOOST_TEST(absl::IsUnavailable(why));
  }
  BOOST_TEST(jobs.Count(State::kRefused) == 2);
  jobs.Open();
  BOOST_TEST(workers.Shutdown(kFarAway).empty());
}

BOOST_AUTO_TEST_CASE(ItsEndSaysAfterASecondForWhomItWaits) {
  qio::support::CapturedDiagnostics said;
  qio::ThreadPerTask::Options options;
  options.diagnostics = said.diagnostics();
  EndWhileAJobRuns(said, std::make_unique<qio::ThreadPerTask>(options));
}

BOOST_AUTO_TEST_SUITE_END()
