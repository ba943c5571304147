// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/worker_pool.h with two threads: each piece of work runs exactly once, or
// is refused (TK-01, TK-14), no thread sleeps over work (EX-04), and a task
// that waits for another one behind it does not hold that up (TK-24). It knows
// of the pool no more than its public functions.

#include "qio/models/checker.h"
//
#include "qio/internal/mailbox.h"
#include "qio/worker_pool.h"

namespace models {
namespace {

using qio::WorkerPool;
using qio::internal_mailbox::Mailbox;
using qio::internal_mailbox::Node;
using qio::internal_mailbox::NodeQueue;
using qio::internal_workers::Work;
using qio::internal_workers::WorkOps;

// Thread 0 submits, the others are the pool's.
template <class M>
struct Pool : Model<M, 1, 2> {
  struct Job : Work, Node {
    Pool* pool;
    Job* waits_for = nullptr;
    Plain<int> input{0};
    Plain<int> result{0};
    int runs = 0;
    int refusals = 0;
  };

  void before() {
    Kernel::Get().EventFd();
    WorkerPool::Options options;
    options.threads_max = 2;
    options.spin_limit = 0;
    pool.emplace(options);
  }
  void thread(unsigned) {
    static_cast<M*>(this)->Run();
    pool.reset();
  }
  void after() {
    for (const Job& job : jobs) {
      Expect(job.runs + job.refusals == 1, "run once, or refused once");
      if (M::kAllRun) Expect(job.runs == 1, "run");
    }
  }

  // Submits jobs[first] to jobs[last] in one chain.
  void Submit(int first, int last) {
    for (int i = first; i <= last; ++i) {
      jobs[i].pool = this;
      jobs[i].ops = &kOps;
      jobs[i].Work::next = i == last ? nullptr : &jobs[i + 1];
      jobs[i].input.set(i);
    }
    pool->Submit(&jobs[first]);
  }

  // Sleeps until so many more results have come.
  void Await(int count) {
    while (count > 0) {
      NodeQueue queue;
      mailbox.Take(queue);
      for (; !queue.empty(); --count) {
        const auto& job = *static_cast<Job*>(queue.Pop());
        Expect(job.result.get() == &job - jobs + 1, "its result is seen");
      }
      if (count == 0 || !mailbox.Park()) continue;
      Kernel::Get().EpollWait(true);
      mailbox.Unpark();
    }
  }

  static void Run(Work* work) noexcept {
    Job& job = *static_cast<Job*>(work);
    Expect(job.input.get() == &job - job.pool->jobs, "its input is seen");
    ++job.runs;
    if (job.waits_for != nullptr) {
      std::unique_lock lock(job.pool->mutex);
      job.pool->ended.wait(lock, [&] { return job.waits_for->runs != 0; });
    }
    job.result.set(job.input.get() + 1);
    std::unique_lock lock(job.pool->mutex);
    job.pool->ended.notify_all();
  }
  static void Publish(Work* work) noexcept {
    Job& job = *static_cast<Job*>(work);
    if (job.pool->mailbox.Push(&job) == Mailbox::Pushed::kMustWake) {
      Kernel::Get().Write(Kernel::kEventFd);
    }
  }
  static void Refuse(Work* work, const absl::Status&) noexcept {
    ++static_cast<Job*>(work)->refusals;
  }
  static constexpr WorkOps kOps{&Run, &Publish, &Refuse, "a job"};

  std::optional<WorkerPool> pool;
  Mailbox mailbox;
  Mutex mutex;
  ConditionVariable ended;
  Job jobs[3];
};

// Every schedule with one preemption, and random ones with any number.
constexpr int kRuns = 100'000;

// The pool is woken from its sleep, by one job and by two.
template <class M>
struct ServingIn : Pool<M> {
  static constexpr bool kAllRun = true;
  void Run() {
    this->Submit(0, 0);
    this->Await(1);
    this->Submit(1, 2);
    this->Await(2);
  }
};
struct Serving : ServingIn<Serving> {
  static constexpr int kPreemptionsMax = 1;
};
struct ServingAtRandom : ServingIn<ServingAtRandom> {
  static constexpr int kRandomRuns = kRuns;
};

// The first job waits for the last one, which came with it.
template <class M>
struct WaitingIn : Pool<M> {
  static constexpr bool kAllRun = true;
  void Run() {
    this->jobs[0].waits_for = &this->jobs[2];
    this->Submit(0, 2);
    this->Await(3);
  }
};
struct Waiting : WaitingIn<Waiting> {
  static constexpr int kPreemptionsMax = 1;
};
struct WaitingAtRandom : WaitingIn<WaitingAtRandom> {
  static constexpr int kRandomRuns = kRuns;
};

// Shut down with work at all stages.
template <class M>
struct StoppingIn : Pool<M> {
  static constexpr bool kAllRun = false;
  void Run() {
    this->Submit(0, 1);
    this->Submit(2, 2);
    (void)this->pool->Shutdown({});
  }
};
struct Stopping : StoppingIn<Stopping> {
  static constexpr int kPreemptionsMax = 2;
};
struct StoppingAtRandom : StoppingIn<StoppingAtRandom> {
  static constexpr int kRandomRuns = kRuns;
};

BOOST_AUTO_TEST_SUITE(WorkerPoolModel)

BOOST_AUTO_TEST_CASE(Ex04_NoThreadSleepsOverWork) {
  ExpectNothingFound<Serving>("Serving");
  ExpectNothingFound<ServingAtRandom>("ServingAtRandom");
}

BOOST_AUTO_TEST_CASE(Tk24_WhatHasNotStartedIsTaken) {
  ExpectNothingFound<Waiting>("Waiting");
  ExpectNothingFound<WaitingAtRandom>("WaitingAtRandom");
}

BOOST_AUTO_TEST_CASE(Tk14_ShutdownRunsOrRefusesEach) {
  ExpectNothingFound<Stopping>("Stopping");
  ExpectNothingFound<StoppingAtRandom>("StoppingAtRandom");
}

// Two threads take one piece of work.
BOOST_AUTO_TEST_CASE(ClaimingWithoutTakingIsFound) {
  ExpectFound<Waiting>("Waiting", {Planted::Kind::kSkipped, "Shelf::Claim"},
                       rl::test_result_data_race);
}

BOOST_AUTO_TEST_CASE(NotWakingIsFound) {
  ExpectFound<Serving>("Serving", {Planted::Kind::kSkipped, "WorkerPool::Wake"},
                       rl::test_result_deadlock);
}

BOOST_AUTO_TEST_CASE(EachMemoryOrderIsNeeded) {
  ExpectEachOrderNeeded<Serving, Waiting>("qio/worker_pool.h", {});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace models
