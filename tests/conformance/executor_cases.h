// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/executor_cases.h
//
// EX: what an executor promises.

#ifndef QIO_TESTS_CONFORMANCE_EXECUTOR_CASES_H_
#define QIO_TESTS_CONFORMANCE_EXECUTOR_CASES_H_

#include <fcntl.h>
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
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
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
#include "qio/reactor.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/support/allocations.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/held_asleep.h"
#include "qio/support/in_child.h"
#include "qio/support/loop_log.h"
#include "qio/support/pipe.h"
#include "qio/support/proc.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio::conformance {

using support::LoopLog;
using support::Traced;
using What = support::LoopLog::What;

template <class H>
struct Ex01_AcceptedPostRunsOnce {
  static constexpr char kRule[] =
      "A post that was accepted is called exactly once if the loop is iterated";

  static void Run() {
    constexpr int kThreads = 3, kPosts = 500;
    LoopLog log;
    LoopThread<H> loop;
    std::vector<std::thread> posters;
    for (int t = 0; t < kThreads; ++t) {
      posters.emplace_back([&log, ref = loop.ref(), t] {
        for (int i = 0; i < kPosts; ++i) {
          (void)PostItem(ref, log, t * kPosts + i);
        }
      });
    }
    loop.Call([&](auto& on) {
      for (int i = 0; i < kPosts; ++i) PostItem(on, log, -1 - i);
    });
    for (std::thread& poster : posters) poster.join();
    loop.Join();
    BOOST_TEST(log.Count(What::kPosted) == (kThreads + 1) * kPosts);
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Ex01_PostsDieOnceUncalledWithTheExecutor {
  static constexpr char kRule[] =
      "A post that was accepted and is never iterated is destroyed exactly "
      "once, un-called";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    const auto ref = loop.Ref();
    loop.Enter([&](auto& on) {
      for (int i = 0; i < 10; ++i) PostItem(on, log, i);
    });
    for (int i = 10; i < 20; ++i) BOOST_TEST(PostItem(ref, log, i).ok());
    std::thread([&] {
      for (int i = 20; i < 30; ++i) (void)PostItem(ref, log, i);
    }).join();
    BOOST_TEST(log.Count(What::kDestroyed) == 0);
    loop.DestroyExecutor();
    BOOST_TEST(log.Count(What::kPosted) == 30);
    BOOST_TEST(log.Count(What::kDestroyed) == 30);
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Ex02_CallsHappenOnWhoeverRunsTheLoop {
  static constexpr char kRule[] =
      "Posted work runs only on a thread that holds that loop";

  static void Run() {
    Loop<H> loop;
    const auto ref = loop.Ref();
    // One thread after the other is the loop.
    for (int round = 0; round < 3; ++round) {
      LoopLog log;
      std::thread::id runner;
      for (int i = 0; i < 10; ++i) (void)PostItem(ref, log, i);
      loop.Enter([&](auto& on) { PostItem(on, log, 10); });
      std::thread([&] {
        runner = std::this_thread::get_id();
        while (log.Count(What::kDestroyed) < 11) loop.harness().RunOnce();
      }).join();
      BOOST_TEST(log.AllCalledOnce() == "");
      BOOST_TEST(log.OnlyOn(runner) == "");
    }
    loop.Enter([&](auto& on) {
      BOOST_TEST(on.executor().IsOnLoop());
      BOOST_TEST(!on.executor().RunsElsewhere());
    });
    BOOST_TEST(!loop.executor().IsOnLoop());
  }
};

template <class H>
struct Ex02_LoopsOnOneThreadAreToldApart {
  static constexpr char kRule[] =
      "A loop that runs inside another one's callback runs its own work only";

  static void Run() {
    Loop<H> outer, inner;
    LoopLog outer_log, inner_log;
    outer.Enter([&](auto& on) {
      PostItem(on, outer_log, 1);
      inner.Enter([&](auto& inner_on) {
        PostItem(inner_on, inner_log, 1);
        PostItem(on, outer_log, 2);
        BOOST_TEST(std::addressof(inner_on.executor()) !=
                   std::addressof(on.executor()));
      });
      inner.TurnUntil([&] { return inner_log.Count(What::kEnded) == 1; });
      inner.TurnALot();
      BOOST_TEST(outer_log.Count(What::kStarted) == 0);
      BOOST_TEST(outer.executor().IsOnLoop());
      BOOST_TEST(!inner.executor().IsOnLoop());
    });
    outer.TurnUntil([&] { return outer_log.Count(What::kEnded) == 2; });
    BOOST_TEST(outer_log.AllCalledOnce() == "");
    BOOST_TEST(inner_log.AllCalledOnce() == "");
  }
};

template <class H>
struct Ex02_EnterIsRefusedWhileAnotherThreadIsOnTheLoop {
  static constexpr char kRule[] =
      "Nobody is let onto the loop while another thread is on it";

  static void Run() {
    LoopThread<H> loop;
    auto& executor = loop.loop().executor();
    bool entered = false, elsewhere = false;
    absl::Status status;
    loop.Call([&](auto&) {
      std::thread([&] {
        elsewhere = executor.RunsElsewhere() && !executor.IsOnLoop();
        status = executor.Enter([&](auto&) { entered = true; });
      }).join();
    });
    BOOST_TEST(elsewhere);
    BOOST_TEST(!entered);
    BOOST_TEST((status.code() == absl::StatusCode::kFailedPrecondition));
  }
};

template <class H>
struct Ex02_EnterNestsAndLetsExceptionsThrough {
  static constexpr char kRule[] =
      "On its loop a thread is let in once more, and what a function throws "
      "leaves Enter(), and the loop to others";

  static void Run() {
    Loop<H> loop;
    bool called = false, caught = false;
    try {
      (void)loop.executor().Enter([&](auto&) {
        loop.Enter([&](auto& on) { Post(on, [&](auto&) { called = true; }); });
        throw std::runtime_error("a test's");
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    BOOST_TEST(caught);
    BOOST_TEST(!called);
    BOOST_TEST(!loop.executor().IsOnLoop());
    loop.TurnUntil([&] { return called; });
  }
};

template <class H>
struct Ex03_PostIsNeverInline {
  static constexpr char kRule[] =
      "A post never calls its function itself, also on the loop's own thread";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    const auto ref = loop.Ref();
    auto post_both = [&](auto& on, int item) {
      PostItem(on, log, item);
      (void)PostItem(ref, log, item + 1);
    };
    loop.Enter([&](auto& on) { post_both(on, 1); });
    BOOST_TEST(log.Count(What::kStarted) == 0);
    (void)PostItem(ref, log, 3);
    BOOST_TEST(log.Count(What::kStarted) == 0);
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 3; });
    // From a callback, where the loop is running.
    loop.Enter([&](auto& on) {
      Post(on, [&](auto& on) {
        post_both(on, 4);
        BOOST_TEST(log.Count(What::kStarted) == 3);
      });
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 5; });
    BOOST_TEST(log.NeverInline() == "");
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Ex03_WhatIsReadyAtItsStartIsNotCalledInline {
  static constexpr char kRule[] =
      "A watch that is ready and a timer that is due are not called by the "
      "call that starts them";

  static void Run() {
    Loop<H> loop;
    loop.harness().FollowClock();
    support::Pipe pipe;
    pipe.Write();
    Watch<typename H::Executor> watch;
    Timer<typename H::Executor> timer;
    int calls = 0;
    loop.Enter([&](auto& on) {
      const absl::Status started =
          watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](auto& on, Condition) { ++calls, watch.Stop(on); });
      BOOST_TEST(started.ok());
      timer.StartAfter(on, std::chrono::seconds(-1), [&](auto&) { ++calls; });
      BOOST_TEST(calls == 0);
    });
    BOOST_TEST(calls == 0);
    loop.TurnUntil([&] { return calls == 2; });
  }
};

template <class H>
struct Ex04_PostWakesASleepingLoop {
  static constexpr char kRule[] =
      "A post to a loop that sleeps wakes it: it runs, at once";

  static void Run() {
    LoopThread<H> loop;
    for (int i = 0; i < 20; ++i) {
      // Call() returns when the loop has run what it posted.
      support::WaitUntilAsleep(loop.thread_id());
      loop.Call([](auto&) {});
    }
  }
};

template <class H>
struct Ex04_PostBeforeTheLoopSleepsIsRun {
  static constexpr char kRule[] =
      "A post that returns before the loop blocks keeps it from blocking";

  static void Run() {
    Loop<H> loop;
    const auto ref = loop.Ref();
    H& harness = loop.harness();
    int runs = 0;
    auto stop = [](auto& on, H* harness, int* runs) {
      ++*runs;
      harness->Stop(on);
    };
    auto post = [&] {
      (void)ref.Post(stop, AssumeSendable(&harness), AssumeSendable(&runs));
    };
    // Nobody runs the loop; it is entered; by the loop; and from elsewhere
    // while it is in a callback. A loop that sleeps on it hangs here.
    post();
    harness.Run();
    std::thread(post).join();
    harness.Run();
    loop.Enter([&](auto&) { post(); });
    harness.Run();
    loop.Enter([&](auto& on) {
      Post(on, [&](auto& on) { stop(on, &harness, &runs); });
    });
    harness.Run();
    loop.Enter([&](auto& on) { Post(on, [&](auto&) { post(); }); });
    harness.Run();
    loop.Enter(
        [&](auto& on) { Post(on, [&](auto&) { std::thread(post).join(); }); });
    harness.Run();
    // More of them than one turn calls.
    loop.Enter([&](auto& on) {
      for (int i = 0; i < 1000; ++i) Post(on, [](auto&) {});
      Post(on, [&](auto& on) { stop(on, &harness, &runs); });
    });
    harness.Run();
    BOOST_TEST(runs == 7);
  }
};

template <class H>
struct Ex04_NoWakeUpIsLostWhileTheLoopFallsAsleep {
  static constexpr char kRule[] =
      "No post is lost that races with the loop going to sleep";

  static void Run() {
    // The poster sees at once that its last post was called, waits a few
    // nanoseconds more each time, and so meets the loop everywhere on its way
    // from that call to sleep. A lost post hangs.
    constexpr int kRounds = 20'000, kWaits = 500;
    LoopThread<H> loop;
    std::atomic<int> calls{0};
    for (int i = 0; i < kRounds; ++i) {
      const absl::Status status =
          loop.ref().Post([](auto&, std::atomic<int>* calls) { ++*calls; },
                          AssumeSendable(&calls));
      BOOST_REQUIRE(status.ok());
      for (int spins = 0; calls.load() == i; ++spins) {
        if (spins > 1000) std::this_thread::yield();
      }
      for (volatile int wait = 0; wait < i % kWaits;) wait = wait + 1;
    }
  }
};

template <class H>
struct Ex05_NothingIsCalledAfterTheExecutor {
  static constexpr char kRule[] =
      "After an executor closed, no callback of it starts";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    loop.harness().FollowClock();
    support::Pipe pipe;
    pipe.Write();
    Watch<typename H::Executor> watch;
    Timer<typename H::Executor> timer;
    const auto ref = loop.Ref();
    loop.Enter([&](auto& on) {
      PostItem(on, log, 1);
      (void)watch.Start(
          on, pipe.reader.get(), Condition::kIn,
          [item = Traced(log, 2)](auto&, Condition) { item.Run(); });
      timer.StartAfter(on, std::chrono::seconds(-1),
                       [item = Traced(log, 3)](auto&) { item.Run(); });
    });
    (void)PostItem(ref, log, 4);
    loop.DestroyExecutor();
    BOOST_TEST(log.Count(What::kDestroyed) == 4);
    (void)PostItem(ref, log, 5);
    // The host may still hold handlers of its own.
    loop.TurnALot();
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Ex05_PostToAClosedLoopIsRefused {
  static constexpr char kRule[] =
      "A post through a LoopRef after the executor's end returns Closed and "
      "hands its arguments back";

  static void Run() {
    LoopLog log;
    std::optional<LoopRef<typename H::Executor>> ref;
    {
      Loop<H> loop;
      ref = loop.Ref();
    }
    Traced item(log, 1);
    const absl::Status status = ref->Post(
        [](OnLoopOf<H>&, Traced traced) { traced.Run(); }, std::move(item));
    BOOST_TEST((status.code() == absl::StatusCode::kFailedPrecondition));
    BOOST_TEST(item.holds());
    BOOST_TEST(log.events().empty());
    const auto copy = *ref;
    ref.reset();
    BOOST_TEST(!copy.Post([](OnLoopOf<H>&) {}).ok());
  }
};

template <class H>
struct Ex05_PostsRaceWithTheEnd {
  static constexpr char kRule[] =
      "A post that races with the executor's end is accepted and destroyed, or "
      "refused, and touches no freed memory";

  static void Run() {
    for (int round = 0; round < 30; ++round) {
      LoopLog log;
      std::atomic<int> accepted{0};
      std::atomic<bool> closed{false}, late{false};
      std::vector<std::thread> posters;
      {
        Loop<H> loop;
        for (int t = 0; t < 2; ++t) {
          posters.emplace_back([&, ref = loop.Ref(), t] {
            for (int i = t;; i += 2) {
              const bool was_closed = closed.load();
              if (!PostItem(ref, log, i).ok()) break;
              if (was_closed) late = true;
              ++accepted;
            }
          });
        }
        while (accepted.load() < round % 10 * 10) std::this_thread::yield();
        if (round % 2 == 0) loop.harness().RunOnce();
        loop.DestroyExecutor();
        closed = true;
      }
      for (std::thread& poster : posters) poster.join();
      BOOST_TEST(!late.load());
      BOOST_TEST(log.Count(What::kRefused) == 2);
      BOOST_TEST(log.OnceEach() == "");
      BOOST_TEST(log.InOrderOfEachPoster() == "");
    }
  }
};

// Without a log, whose lock would keep the threads apart.
template <class H>
struct Ex05_WakeUpsRaceWithTheEnd {
  static constexpr char kRule[] =
      "A wake-up that is under way when the executor ends touches no freed "
      "memory";

  static void Run() {
    for (int round = 0; round < 300; ++round) {
      Loop<H> loop;
      std::array<std::thread, 2> posters;
      for (std::thread& poster : posters) {
        poster = std::thread([ref = loop.Ref()] {
          while (ref.Post([](OnLoopOf<H>&) {}).ok()) {
          }
        });
      }
      for (int i = 0; i < round % 7; ++i) loop.harness().RunOnce();
      loop.DestroyExecutor();
      for (std::thread& poster : posters) poster.join();
    }
  }
};

template <class H>
struct Ex06_PostsFromAnyThreadAreRaceFree {
  static constexpr char kRule[] =
      "What a poster wrote before its post, the posted function sees "
      "(ThreadSanitizer looks on)";

  static void Run() {
    constexpr int kPosts = 2000;
    // Plain data, written by posters and read on the loop, with no other
    // synchronisation than the posts themselves.
    struct Job {
      int number = 0;
      int result = 0;
    };
    std::array<std::vector<Job>, 2> jobs;
    for (auto& list : jobs) list.resize(kPosts);
    std::int64_t sum = 0;
    {
      LoopThread<H> loop;
      std::vector<std::thread> posters;
      for (auto& list : jobs) {
        posters.emplace_back([&list, &sum, ref = loop.ref()] {
          for (int i = 0; i < kPosts; ++i) {
            Job& job = list[static_cast<std::size_t>(i)];
            job.number = i;
            (void)ref.Post(
                [](auto&, Job* job, std::int64_t* sum) {
                  job->result = job->number;
                  *sum += job->number;
                },
                AssumeSendable(&job), AssumeSendable(&sum));
          }
        });
      }
      for (std::thread& poster : posters) poster.join();
      loop.Join();
    }
    BOOST_TEST(sum == std::int64_t{kPosts} * (kPosts - 1));
    for (const auto& list : jobs) BOOST_TEST(list.back().result == kPosts - 1);
  }
};

template <class H>
struct Ex07_PostWithoutMemoryIsHandedBack {
  static constexpr char kRule[] =
      "A post that fails returns a Status and hands its arguments back, "
      "un-called; what was queued before is not touched";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    const auto ref = loop.Ref();
    (void)PostItem(ref, log, 1);
    Traced item(log, 2);
    absl::Status status;
    bool bit = false;
    {
      support::FailingAllocations failing(0, 1);
      // Too large for a block of the thread's cache.
      status = ref.Post([](OnLoopOf<H>&, Traced traced,
                           const std::array<char, 128>&) { traced.Run(); },
                        std::move(item), std::array<char, 128>());
      bit = failing.bit();
    }
    BOOST_TEST(bit);
    BOOST_TEST((status.code() == absl::StatusCode::kResourceExhausted));
    BOOST_TEST(item.holds());
    (void)PostItem(ref, log, 3);
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 2; });
    BOOST_TEST(log.Count(What::kStarted, 2) == 0);
    BOOST_TEST(log.InOrderOfEachPoster() == "");
  }
};

template <class H>
struct Ex07_PostOnTheLoopWithoutMemoryThrows {
  static constexpr char kRule[] =
      "On the loop a post without memory throws std::bad_alloc and its "
      "function is destroyed un-called";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    int thrown = 0, item = 0;
    loop.Enter([&](auto& on) {
      // As many as it takes until recycled memory is used up.
      for (; thrown == 0 && item < 10'000; ++item) {
        auto function = [traced = Traced(log, item)](auto&) { traced.Run(); };
        log.Add(What::kPosting, item);
        log.Add(What::kPosted, item);
        support::FailingAllocations failing(0);
        try {
          Post(on, std::move(function));
        } catch (const std::bad_alloc&) {
          ++thrown;
        }
      }
      BOOST_TEST(log.Count(What::kDestroyed) == 1);
      BOOST_TEST(on.executor().outstanding(on) == item - 1);
    });
    BOOST_TEST(thrown == 1);
    loop.TurnUntil([&] { return log.Count(What::kEnded) == item - 1; });
    loop.TurnALot();
    BOOST_TEST(log.Count(What::kStarted, item - 1) == 0);
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Ex08_OutstandingWorkKeepsTheLoopAlive {
  static constexpr char kRule[] =
      "A loop that stops when idle goes on while anything is outstanding, and "
      "stops when nothing is";

  static void Run() {
    using std::chrono::steady_clock;
    using E = typename H::Executor;
    Loop<H> loop;
    H& harness = loop.harness();
    harness.FollowClock();
    const auto later = steady_clock::now() + std::chrono::seconds(30);
    const pid_t me = support::ThisThread();
    int calls = 0;
    BOOST_TEST(harness.RunUntilIdle(later));

    // More calls, one after another, than a turn makes.
    std::function<void(OnLoop<E>&, int)> chain = [&](auto& on, int left) {
      if (left == 0) ++calls;
      if (left > 0) Post(on, [&, left](auto& on) { chain(on, left - 1); });
    };
    loop.Enter([&](auto& on) {
      chain(on, 1000);
      BOOST_TEST(on.executor().outstanding(on) == 1);
    });
    BOOST_TEST(harness.RunUntilIdle(later));
    BOOST_TEST(calls == 1);

    Timer<E> timer;
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::milliseconds(5),
                       [&](auto&) { ++calls; });
    });
    BOOST_TEST(harness.RunUntilIdle(later));
    BOOST_TEST(calls == 2);

    Watch<E> watch;
    support::Pipe pipe;
    loop.Enter([&](auto& on) {
      const absl::Status started =
          watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](auto& on, Condition) { ++calls, watch.Stop(on); });
      BOOST_TEST(started.ok());
    });
    {
      std::thread writer([&] {
        support::WaitUntilAsleep(me);
        pipe.Write();
      });
      BOOST_TEST(harness.RunUntilIdle(later));
      writer.join();
    }
    BOOST_TEST(calls == 3);

    // A LoopRef alone: whoever holds it may still post.
    {
      std::thread holder([&calls, me, ref = loop.Ref()] {
        support::WaitUntilAsleep(me);
        (void)ref.Post([](auto&, int* calls) { ++*calls; },
                       AssumeSendable(&calls));
        support::WaitUntilAsleep(me);
        (void)ref.Post([](auto&, int* calls) { ++*calls; },
                       AssumeSendable(&calls));
      });
      BOOST_TEST(harness.RunUntilIdle(later));
      BOOST_TEST(calls == 5);
      holder.join();
    }

    // After it was idle, a post starts it anew.
    for (int i = 0; i < 3; ++i) {
      loop.Enter([&](auto& on) { Post(on, [&](auto&) { ++calls; }); });
      BOOST_TEST(harness.RunUntilIdle(later));
      (void)loop.Ref().Post([](auto&, int* calls) { ++*calls; },
                            AssumeSendable(&calls));
      BOOST_TEST(harness.RunUntilIdle(later));
    }
    BOOST_TEST(calls == 11);
    loop.Enter(
        [](auto& on) { BOOST_TEST(on.executor().outstanding(on) == 0); });
  }
};

template <class H>
struct Ex08_IdleIsNotReachedBeforeItIs {
  static constexpr char kRule[] =
      "An armed watch, an armed timer, a LoopRef each keep the loop from "
      "stopping";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    loop.harness().FollowClock();
    auto stops = [&] {
      return loop.harness().RunUntilIdle(std::chrono::steady_clock::now() +
                                         std::chrono::milliseconds(5));
    };
    support::Pipe pipe;
    Watch<E> watch;
    Timer<E> timer;
    loop.Enter([&](auto& on) {
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [](auto&, Condition) {});
    });
    BOOST_TEST(!stops());
    loop.Enter([&](auto& on) {
      watch.Stop(on);
      timer.StartAfter(on, std::chrono::hours(1), [](auto&) {});
    });
    BOOST_TEST(!stops());
    std::optional<LoopRef<E>> ref = loop.Ref();
    loop.Enter([&](auto& on) { BOOST_TEST(timer.Stop(on)); });
    BOOST_TEST(!stops());
    ref.reset();
    BOOST_TEST(stops());
    // Also if the last of it ends while nobody runs the loop.
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::hours(1), [](auto&) {});
    });
    BOOST_TEST(!stops());
    loop.Enter([&](auto& on) { BOOST_TEST(timer.Stop(on)); });
    BOOST_TEST(stops());
  }
};

template <class H>
struct Ex09_NoLockIsHeldWhileUserCodeRuns {
  static constexpr char kRule[] =
      "While a callback or a destructor of the user's runs, other threads can "
      "post to the loop";

  static void Run() {
    using E = typename H::Executor;
    support::Pipe pipe;
    pipe.Write();
    int calls = 0, ends = 0;
    bool closing = false;
    {
      Loop<H> loop;
      loop.harness().FollowClock();
      const auto ref = loop.Ref();
      Watch<E> watch, second_watch;
      Timer<E> timer, second_timer;
      // Hangs if the loop's thread holds a lock that posting needs.
      auto use = [&] {
        const absl::Status status = PostFromElsewhere(ref);
        BOOST_TEST((status.ok() || closing));
      };
      auto user = [&] { return AtEnd([&] { ++ends, use(); }); };
      loop.Enter([&](auto& on) {
        Post(on, [&, at_end = user()](auto&) { ++calls, use(); });
        timer.StartAfter(on, std::chrono::seconds(0),
                         [&, at_end = user()](auto&) { ++calls, use(); });
        (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                          [&, at_end = user()](auto& on, Condition) {
                            ++calls;
                            use();
                            watch.Stop(on);
                          });
        use();
      });
      auto post_through_ref = [&] {
        return ref.Post(
            [](auto&, int* calls, decltype(use)* use, auto /*at_end*/) {
              ++*calls;
              (*use)();
            },
            AssumeSendable(&calls), AssumeSendable(&use),
            AssumeSendable(user()));
      };
      BOOST_TEST(post_through_ref().ok());
      loop.TurnUntil([&] { return ends == 4; });
      BOOST_TEST(calls == 4);
      // Stopped from outside a callback, and replaced.
      loop.Enter([&](auto& on) {
        for (int i = 0; i < 2; ++i) {
          (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                            [at_end = user()](auto&, Condition) {});
          timer.StartAfter(on, std::chrono::hours(1),
                           [at_end = user()](auto&) {});
        }
        watch.Stop(on);
        timer.Stop(on);
      });
      BOOST_TEST(ends == 8);
      // Destroyed with the executor.
      loop.Enter([&](auto& on) {
        Post(on, [at_end = user()](auto&) {});
        (void)second_watch.Start(on, pipe.reader.get(), Condition::kIn,
                                 [at_end = user()](auto&, Condition) {});
        second_timer.StartAfter(on, std::chrono::hours(1),
                                [at_end = user()](auto&) {});
      });
      BOOST_TEST(post_through_ref().ok());
      closing = true;
      loop.DestroyExecutor();
      BOOST_TEST(ends == 12);
    }
  }
};

template <class H>
struct Ex10_NothingIsLostSilently {
  static constexpr char kRule[] =
      "Destroying an executor destroys what is outstanding un-called, there "
      "and then, on that thread, and reports the counts";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    Loop<H> loop;
    loop.harness().FollowClock();
    support::Pipe pipe;
    pipe.Write();
    std::array<Watch<E>, 2> watches;
    std::array<Timer<E>, 4> timers;
    const auto ref = loop.Ref();
    loop.Enter([&](auto& on) {
      for (int i = 0; i < 2; ++i) {
        (void)watches[static_cast<std::size_t>(i)].Start(
            on, pipe.reader.get(), Condition::kIn,
            [item = Traced(log, i)](auto&, Condition) { item.Run(); });
      }
      for (int i = 0; i < 4; ++i) {
        timers[static_cast<std::size_t>(i)].StartAfter(
            on, i % 2 == 0 ? std::chrono::hours(1) : std::chrono::hours(-1),
            [item = Traced(log, 2 + i)](auto&) { item.Run(); });
      }
      for (int i = 6; i < 9; ++i) PostItem(on, log, i);
    });
    for (int i = 9; i < 12; ++i) (void)PostItem(ref, log, i);
    loop.DestroyExecutor();
    BOOST_TEST(log.Count(What::kDestroyed) == 12);
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(log.OnlyOn(std::this_thread::get_id()) == "");
    const std::string text = loop.diagnostics().text();
    BOOST_TEST(loop.diagnostics().sentences().size() == 1);
    for (const char* part : {"watches 2", "timers 4", "calls 6", "tasks 0"}) {
      BOOST_TEST((text.find(part) != text.npos), part << " not in: " << text);
    }
    // What is left of them can be destroyed, stopped or asked.
    BOOST_TEST(!watches[0].armed());
    BOOST_TEST(!timers[0].armed());
  }
};

template <class H>
struct Ex10_WhatOneTurnLeftIsDestroyedToo {
  static constexpr char kRule[] =
      "Calls and timers that were due, and left by a turn that had made "
      "enough, "
      "are destroyed with the executor";

  static void Run() {
    constexpr int kEach = 3 * Reactor::kBudget;
    LoopLog log;
    Loop<H> loop;
    loop.harness().FollowClock();
    std::vector<Timer<typename H::Executor>> timers(kEach);
    loop.Enter([&](auto& on) {
      for (int i = 0; i < kEach; ++i) {
        PostItem(on, log, i);
        timers[static_cast<std::size_t>(i)].StartAfter(
            on, std::chrono::seconds(-1),
            [item = Traced(log, kEach + i)](auto&) { item.Run(); });
      }
    });
    while (log.Count(What::kEnded) == 0) loop.harness().RunOnce();
    BOOST_TEST(log.Count(What::kEnded) < 2 * kEach);
    loop.DestroyExecutor();
    BOOST_TEST(log.Count(What::kDestroyed) == 2 * kEach);
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(loop.diagnostics().sentences().size() == 1);
  }
};

template <class H>
struct Ex10_AnEmptyExecutorEndsSilently {
  static constexpr char kRule[] =
      "An executor with nothing outstanding reports nothing";

  static void Run() {
    using E = typename H::Executor;
    support::Pipe pipe;
    Loop<H> loop;
    Watch<E> watch;
    Timer<E> timer;
    loop.Enter([&](auto& on) {
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [](auto&, Condition) {});
      timer.StartAfter(on, std::chrono::hours(1), [](auto&) {});
      Post(on, [](auto&) {});
    });
    loop.TurnALot();
    loop.Enter([&](auto& on) {
      watch.Stop(on);
      timer.Stop(on);
    });
    // What a posted function destroys may also be what ends the executor.
    loop.DestroyExecutor();
    BOOST_TEST(loop.diagnostics().text() == "");
  }
};

template <class H>
struct Ex10_DestructorsMayStartAnew {
  static constexpr char kRule[] =
      "What a destructor starts while its executor is going away is destroyed "
      "too, un-called";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    {
      Loop<H> loop;
      const auto ref = loop.Ref();
      Watch<E> watch;
      support::Pipe pipe;
      loop.Enter([&](auto& on) {
        Post(on,
             [at_end = AtEnd([&] { (void)PostItem(ref, log, 1); })](auto&) {});
        (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                          [at_end = AtEnd([&] {
                             (void)PostItem(ref, log, 2);
                           })](auto&, Condition) {});
      });
      loop.DestroyExecutor();
      BOOST_TEST(log.Count(What::kDestroyed) == 2);
    }
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Ex10_DrainWaitsUntilItsDeadline {
  static constexpr char kRule[] =
      "Drain() runs the loop until nothing is outstanding, or until its "
      "deadline, and says which";

  static void Run() {
    using std::chrono::milliseconds;
    using Clock = std::chrono::steady_clock;
    Loop<H> loop;
    loop.harness().FollowClock();
    Timer<typename H::Executor> timer;
    bool fired = false, called = false;
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::hours(1), [](auto&) {});
    });
    const auto begin = Clock::now();
    BOOST_TEST(!loop.executor().Drain(begin + milliseconds(20)).value());
    BOOST_TEST((Clock::now() >= begin + milliseconds(20)));
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, milliseconds(1), [&](auto&) { fired = true; });
      Post(on, [&](auto&) { called = true; });
    });
    BOOST_TEST(
        loop.executor().Drain(Clock::now() + std::chrono::seconds(30)).value());
    BOOST_TEST(fired);
    BOOST_TEST(called);
    // Nothing is outstanding: it need not wait, and there is no time to.
    BOOST_TEST(loop.executor().Drain(Clock::now()).value());
  }
};

template <class H>
struct Ex10_EndingItInACallbackEndsTheProgram {
  static constexpr char kRule[] =
      "An executor that is destroyed in a callback of its own ends the program "
      "with a sentence";

  static void Run() {
    const support::ChildEnd end = support::RunInChild([] {
      Loop<H> loop;
      loop.Enter(
          [&](auto& on) { Post(on, [&](auto&) { loop.DestroyExecutor(); }); });
      loop.TurnALot();
    });
    BOOST_TEST(end.signal == SIGABRT);
    const bool says_so =
        end.errors.find(" was destroyed inside a callback of its own") !=
            end.errors.npos ||
        end.errors.find(" was destroyed while its loop runs") !=
            end.errors.npos;
    BOOST_TEST(says_so, "it said: " << end.errors);
  }
};

template <class H>
struct Ex11_OrderIsKept {
  static constexpr char kRule[] =
      "What one thread posts is called in the order in which it was posted";

  static void Run() {
    constexpr int kPosts = 1000;
    LoopLog log;
    LoopThread<H> loop;
    auto poster = [&log, ref = loop.ref()](int first) {
      for (int i = first; i < first + kPosts; ++i) (void)PostItem(ref, log, i);
    };
    std::thread one(poster, 0), two(poster, kPosts);
    loop.Call([&](auto& on) {
      for (int i = 2 * kPosts; i < 3 * kPosts; ++i) PostItem(on, log, i);
    });
    one.join();
    two.join();
    loop.Join();
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(log.InOrderOfEachPoster() == "");
  }
};

// Calls that each post the next one: the queue is never empty.
template <class E>
struct Storm {
  void Call(OnLoop<E>& on) {
    ++calls;
    if (each) each(on);
    if (!over) Post(on, [this](OnLoop<E>& on) { Call(on); });
  }

  int calls = 0;
  bool over = false;
  std::function<void(OnLoop<E>&)> each;
};

template <class H>
struct Ex12_AStormOfPostsStarvesNobody {
  static constexpr char kRule[] =
      "While calls post ever more calls, a ready descriptor, a due timer and "
      "mail from other threads are served within a few turns' budget";

  static void Run() {
    using E = typename H::Executor;
    // Some hosts take another turn to look at the one descriptor of ours.
    constexpr int kCallsMax = 4 * Reactor::kBudget;
    Loop<H> loop;
    loop.harness().FollowClock();
    const auto ref = loop.Ref();
    support::Pipe pipe;
    Watch<E> watch;
    Timer<E> timer;
    Storm<E> storm;
    int raised_at = 0, watch_at = 0, timer_at = 0, mail_at = 0;
    storm.each = [&](auto& on) {
      if (storm.calls == 1000) {
        raised_at = storm.calls;
        pipe.Write();
        timer.StartAfter(on, std::chrono::seconds(-1),
                         [&](auto&) { timer_at = storm.calls; });
        std::thread([&] {
          (void)ref.Post(
              [](auto&, int* at, Storm<E>* storm) { *at = storm->calls; },
              AssumeSendable(&mail_at), AssumeSendable(&storm));
        }).join();
      }
      const bool all = watch_at != 0 && timer_at != 0 && mail_at != 0;
      storm.over = all || storm.calls > 100'000;
      if (storm.over) loop.harness().Stop(on);
    };
    loop.Enter([&](auto& on) {
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [&](auto& on, Condition) {
                          watch_at = storm.calls;
                          watch.Stop(on);
                        });
      storm.Call(on);
    });
    loop.harness().Run();
    BOOST_TEST(watch_at >= raised_at);
    BOOST_TEST(watch_at - raised_at <= kCallsMax);
    BOOST_TEST(timer_at >= raised_at);
    BOOST_TEST(timer_at - raised_at <= kCallsMax);
    BOOST_TEST(mail_at >= raised_at);
    BOOST_TEST(mail_at - raised_at <= kCallsMax);
  }
};

template <class H>
struct Ex12_ReadyDescriptorsStarveNoPost {
  static constexpr char kRule[] =
      "While descriptors are always ready, posts and timers are served in "
      "every turn";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    loop.harness().FollowClock();
    const auto ref = loop.Ref();
    support::Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    Timer<E> timer;
    int calls = 0, posted_at = 0, timer_at = 0, mail_at = 0;
    loop.Enter([&](auto& on) {
      (void)watch.Start(
          on, pipe.reader.get(), Condition::kIn, [&](auto& on, Condition) {
            if (++calls == 100) {
              Post(on, [&](auto&) { posted_at = calls; });
              timer.StartAfter(on, std::chrono::seconds(-1),
                               [&](auto&) { timer_at = calls; });
              std::thread([&] {
                (void)ref.Post([](auto&, int* at, int* calls) { *at = *calls; },
                               AssumeSendable(&mail_at),
                               AssumeSendable(&calls));
              }).join();
            }
            const bool all = posted_at != 0 && timer_at != 0 && mail_at != 0;
            if (all || calls > 10'000) {
              watch.Stop(on);
              loop.harness().Stop(on);
            }
          });
    });
    loop.harness().Run();
    for (const int at : {posted_at, timer_at, mail_at}) {
      BOOST_TEST(at >= 100);
      BOOST_TEST(at <= 104);
    }
  }
};

template <class H>
struct Ex13_PostsToAHeldLoopCostOneWakeUp {
  static constexpr char kRule[] =
      "1,000 posts made while the loop is held at its wait cost exactly one "
      "write to wake it";

  static void Run() {
    constexpr int kPosts = 1000;
    LoopLog log;
    LoopThread<H> loop;
    for (int round = 0; round < 3; ++round) {
      std::uint64_t writes = 0;
      {
        support::HeldAsleep held(loop.thread_id());
        // Nobody reads the wake-up descriptor, so its count tells.
        writes = support::EventFdWrites();
        for (int i = 0; i < kPosts; ++i) {
          (void)PostItem(loop.ref(), log, round * kPosts + i);
        }
        writes = support::EventFdWrites() - writes;
        BOOST_TEST(log.Count(What::kStarted) == round * kPosts);
      }
      BOOST_TEST(writes == 1u);
      loop.Call([](auto&) {});
      BOOST_TEST(log.Count(What::kEnded) == (round + 1) * kPosts);
    }
    loop.Join();
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(log.InOrderOfEachPoster() == "");
  }
};

// Sends a signal to one thread a thousand times a second; its handler is
// installed without SA_RESTART.
class SignalStorm {
 public:
  explicit SignalStorm(void (*handler)(int)) {
    struct sigaction action = {};
    action.sa_handler = handler;
    ::sigaction(SIGUSR2, &action, &before_);
  }
  ~SignalStorm() {
    Stop();
    ::sigaction(SIGUSR2, &before_, nullptr);
  }

  void Start(pthread_t target) {
    thread_ = std::thread([this, target] {
      while (!over_.load()) {
        ::pthread_kill(target, SIGUSR2);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  // To be called while the target is alive.
  void Stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
  struct sigaction before_ = {};
};

template <class H>
struct Ex13_SignalsInterruptNothing {
  static constexpr char kRule[] =
      "While the loop's thread is interrupted a thousand times a second, "
      "posts, "
      "timers and watches go on, and none of them notices";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kPosts = 2000;
    static std::atomic<int> signals;
    signals = 0;
    LoopLog log;
    support::Pipe pipe;
    std::atomic<int> ticks{0}, reads{0};
    Watch<E> watch;
    Timer<E> timer;
    LoopThread<H> loop;
    SignalStorm storm([](int) { ++signals; });
    pthread_t thread{};
    absl::Status started;
    loop.Call([&](auto& on) {
      loop.loop().harness().FollowClock();
      thread = ::pthread_self();
      timer.StartEvery(on, std::chrono::milliseconds(1),
                       [&](auto&) { ++ticks; });
      started =
          watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](auto&, Condition) { reads += pipe.Read(1) == 1; });
    });
    BOOST_TEST(started.ok());
    storm.Start(thread);
    auto post = [&](int first) {
      for (int i = first; i < first + kPosts; ++i) {
        if (!PostItem(loop.ref(), log, i).ok()) return;
        if (i % 20 != 0) continue;
        pipe.Write();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    };
    std::thread one(post, 0), two(post, kPosts);
    one.join();
    two.join();
    while (signals < 100 || ticks < 20 || reads < 2 * kPosts / 20) {
      std::this_thread::yield();
    }
    storm.Stop();
    loop.Call([&](auto& on) {
      watch.Stop(on);
      timer.Stop(on);
    });
    loop.Join();
    BOOST_TEST(log.Count(What::kPosted) == 2 * kPosts);
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(loop.loop().diagnostics().text() == "");
  }
};

template <class H>
struct Ex14_MailIsBounded {
  static constexpr char kRule[] =
      "Beyond the limit of a loop's mail a post is Busy and keeps its "
      "arguments; "
      "none that was accepted is lost, the bytes that wait can be asked, and "
      "what the loop has called makes room";

  static void Run() {
    constexpr std::size_t kLimit = 10'000;
    LoopLog log;
    Loop<H> loop;
    const auto ref = loop.Ref();
    std::size_t bytes = 0;
    const auto ask = [&](auto& on) { bytes = on.executor().mail_bytes(on); };
    // Neither counted nor limited.
    int item = 0;
    for (; item < 1000; ++item) BOOST_REQUIRE(PostItem(ref, log, item).ok());
    loop.Enter(ask);
    BOOST_TEST(bytes == 0u);

    loop.Enter([&](auto& on) { on.executor().SetMailLimit(on, kLimit); });
    const int first = item;
    while (PostItem(ref, log, item).ok()) ++item;
    const int accepted = item - first;
    BOOST_TEST(accepted > 10);
    Traced kept(log, -1);
    const absl::Status status = ref.Post(
        [](OnLoopOf<H>&, Traced traced) { traced.Run(); }, std::move(kept));
    BOOST_TEST((status.code() == absl::StatusCode::kResourceExhausted));
    BOOST_TEST(kept.holds());
    loop.Enter(ask);
    BOOST_TEST(bytes <= kLimit);
    const std::size_t each = bytes / static_cast<std::size_t>(accepted);
    BOOST_TEST(bytes + each > kLimit);
    BOOST_TEST(each >= sizeof(Traced));
    // The loop's own calls and other loops' mail are not foreign mail.
    loop.Enter([&](auto& on) { PostItem(on, log, -2); });

    loop.TurnUntil([&] { return log.Count(What::kEnded) == item + 1; });
    loop.Enter(ask);
    BOOST_TEST(bytes == 0u);
    BOOST_TEST(PostItem(ref, log, ++item).ok());
    loop.Enter([&](auto& on) {
      on.executor().SetMailLimit(on, on.executor().kNoMailLimit);
    });
    const int last = ++item + 1000;
    for (; item < last; ++item) BOOST_REQUIRE(PostItem(ref, log, item).ok());
    loop.TurnUntil([&] { return log.Count(What::kStarted, last - 1) == 1; });
    loop.Enter(ask);
    BOOST_TEST(bytes == 0u);
    BOOST_TEST(log.Count(What::kStarted, -1) == 0);
    {
      const Traced end = std::move(kept);
    }
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Ex14_PostersRaceForRoom {
  static constexpr char kRule[] =
      "However many threads post at once, what waits never exceeds the limit, "
      "and each post is called once or was refused";

  static void Run() {
    constexpr int kThreads = 3, kPosts = 500;
    constexpr std::size_t kLimit = 2048;
    LoopLog log;
    std::size_t most = 0;
    LoopThread<H> loop;
    loop.Call([&](auto& on) { on.executor().SetMailLimit(on, kLimit); });
    std::vector<std::thread> posters;
    for (int t = 0; t < kThreads; ++t) {
      posters.emplace_back([&log, ref = loop.ref(), t] {
        int item = t * 1'000'000;
        for (int accepted = 0; accepted < kPosts;) {
          if (PostItem(ref, log, item++).ok()) {
            ++accepted;
          } else {
            std::this_thread::yield();
          }
        }
      });
    }
    const auto ask = [&](auto& on) {
      most = std::max(most, on.executor().mail_bytes(on));
    };
    for (int i = 0; i < 100; ++i) {
      (void)loop.ref().Post([](auto& on, decltype(&ask) ask) { (*ask)(on); },
                            AssumeSendable(&ask));
      std::this_thread::yield();
    }
    for (std::thread& poster : posters) poster.join();
    loop.Join();
    BOOST_TEST(most <= kLimit);
    BOOST_TEST(log.Count(What::kPosted) == kThreads * kPosts);
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(log.InOrderOfEachPoster() == "");
  }
};

template <class H>
struct Rs06_AnyAllocationOfTheLoopMayFail {
  static constexpr char kRule[] =
      "Whichever allocation fails, once or from then on: making an executor is "
      "an exception or a Status, a post, a timer and a watch are refused or "
      "called, none is lost, and the loop goes on and ends";

  static void Run() {
    for (const int times : {1, support::FailingAllocations::kForEver}) {
      for (const bool ends_early : {false, true}) {
        int nth = 0;
        while (RunFailing(nth, times, ends_early)) ++nth;
        BOOST_TEST(nth > 5);
      }
    }
  }

 private:
  using E = typename H::Executor;

  // False: no allocation has failed.
  static bool RunFailing(int nth, int times, bool ends_early) {
    LoopLog log;
    support::Pipe pipe;
    pipe.Write();
    static int ended;
    ended = 0;
    int accepted = 0;
    bool bit = false;
    FreePostCache();
    {
      Loop<H> loop;
      loop.harness().FollowClock();
      const auto ref = loop.Ref();
      Watch<E> watch;
      std::array<Timer<E>, 2> timers;
      // Made before, since they allocate.
      std::array<std::optional<Traced>, 5> items;
      for (int i = 0; i < 5; ++i) {
        log.Add(What::kPosting, i);
        items[static_cast<std::size_t>(i)].emplace(log, i);
      }
      std::optional<support::FailingAllocations> failing;
      const auto attempt = [&](auto f) {
        try {
          if (f()) ++accepted;
        } catch (const std::bad_alloc&) {
        }
      };
      (void)loop.executor().Enter([&](auto& on) {
        failing.emplace(nth, times);
        attempt([&] {
          (void)loop.harness().CreateAnother();
          return false;
        });
        attempt([&] {
          Post(on,
               [item = *std::move(items[0])](auto&) { item.Run(), ++ended; });
          return true;
        });
        attempt([&] {
          return ref
              .Post([](auto&, Traced item) { item.Run(), ++ended; },
                    *std::move(items[1]))
              .ok();
        });
        for (const std::size_t i : {0, 1}) {
          attempt([&] {
            timers[i].StartAfter(on, std::chrono::seconds(-1),
                                 [item = *std::move(items[2 + i])](auto&) {
                                   item.Run(), ++ended;
                                 });
            return true;
          });
        }
        attempt([&] {
          return watch
              .Start(
                  on, pipe.reader.get(), Condition::kIn,
                  [&watch, item = *std::move(items[4])](auto& on, Condition) {
                    item.Run(), ++ended;
                    watch.Stop(on);
                  })
              .ok();
        });
      });
      // An item that was refused is still the caller's.
      for (auto& item : items) item.reset();
      if (ends_early) {
        loop.DestroyExecutor();
      } else {
        while (ended < accepted) loop.harness().RunOnce();
      }
      bit = failing->bit();
      failing.reset();
    }
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(log.Count(What::kEnded) == (ends_early ? 0 : accepted));
    return bit;
  }
};

template <class H>
struct Ex15_AThrowingCallLosesNothing {
  static constexpr char kRule[] =
      "An exception that leaves a callback leaves the host's run call, or ends "
      "the program with a message; the rest of the batch runs exactly once";

  struct Thrown : std::runtime_error {
    Thrown() : std::runtime_error("a test's own") {}
  };

  // Starts three calls, the second of which throws: of kind 0 posted, 1 from a
  // watch, 2 from a timer.
  static void Run() {
    for (int kind = 0; kind < 3; ++kind) {
      if constexpr (H::kExceptions == Exceptions::kLeaveRun) {
        RunKind(kind);
      } else {
        const support::ChildEnd end =
            support::RunInChild([&] { RunKind(kind); });
        BOOST_TEST(end.signal == SIGABRT);
        const std::string where =
            std::string("qio: an exception left a callback on a loop of ") +
            H::kHost;
        for (const std::string& part : {where, std::string("a test's own")}) {
          BOOST_TEST((end.errors.find(part) != end.errors.npos),
                     "it said: " << end.errors);
        }
      }
    }
  }

  static void RunKind(int kind) {
    using E = typename H::Executor;
    LoopLog log;
    Loop<H> loop;
    loop.harness().FollowClock();
    std::array<support::Pipe, 3> pipes;
    std::array<Watch<E>, 3> watches;
    std::array<Timer<E>, 3> timers;
    loop.Enter([&](auto& on) {
      for (int i = 0; i < 3; ++i) {
        const auto at = static_cast<std::size_t>(i);
        auto call = [&loop, i](auto& on, const Traced& item) {
          item.Run([&] {
            if (i == 1) throw Thrown();
            loop.harness().Stop(on);
          });
        };
        if (kind == 0) {
          Post(on, [call, item = Traced(log, i)](auto& on) { call(on, item); });
        } else if (kind == 1) {
          pipes[at].Write();
          (void)watches[at].Start(
              on, pipes[at].reader.get(), Condition::kIn,
              [&, at, call, item = Traced(log, i)](auto& on, Condition) {
                watches[at].Stop(on);
                call(on, item);
              });
        } else {
          timers[at].StartAfter(
              on, std::chrono::seconds(-1),
              [call, item = Traced(log, i)](auto& on) { call(on, item); });
        }
      }
    });
    int thrown = 0;
    while (log.Count(What::kEnded) < 3) {
      try {
        // Until one of them stops it, or throws: the rest is for the next run.
        loop.harness().Run();
      } catch (const Thrown&) {
        ++thrown;
      }
    }
    loop.TurnALot();
    BOOST_TEST(thrown == 1);
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Ex16_NestedLoopsMakeProgress {
  static constexpr char kRule[] =
      "A nested run in a callback calls what is queued, does not call the "
      "current one again, and does not deadlock";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    Loop<H> loop;
    loop.harness().FollowClock();
    support::Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    Timer<E> timer;
    const auto ref = loop.Ref();
    int depth = 0, inner_calls = 0;
    auto stop_when_all = [&](auto& on) {
      if (++inner_calls == 5) loop.harness().Stop(on);
    };
    loop.Enter([&](auto& on) {
      Post(on, [&, item = Traced(log, 1)](auto& on) {
        item.Run([&] {
          ++depth;
          // Queued behind this call and within it, ready and due, from another
          // thread: all of it runs inside.
          Post(on, [&](auto& on) { stop_when_all(on); });
          (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                            [&](auto& on, Condition) {
                              watch.Stop(on);
                              stop_when_all(on);
                            });
          timer.StartAfter(on, std::chrono::seconds(0),
                           [&](auto& on) { stop_when_all(on); });
          std::thread([&] {
            (void)ref.Post(
                [](auto& on, decltype(stop_when_all)* f) { (*f)(on); },
                AssumeSendable(&stop_when_all));
          }).join();
          loop.harness().RunNested(on);
          BOOST_TEST(inner_calls == 5);
          --depth;
        });
        loop.harness().Stop(on);
      });
      Post(on, [&](auto& on) { stop_when_all(on); });
    });
    loop.harness().Run();
    BOOST_TEST(depth == 0);
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Ex16_NestedInsideAWatchAndATimer {
  static constexpr char kRule[] =
      "A nested run in a watch's or a timer's callback leaves the rest of the "
      "batch to be called once";

  static void Run() {
    using E = typename H::Executor;
    for (int kind = 0; kind < 2; ++kind) {
      Loop<H> loop;
      loop.harness().FollowClock();
      std::array<support::Pipe, 4> pipes;
      std::array<Watch<E>, 4> watches;
      std::array<Timer<E>, 4> timers;
      int depth = 0, calls = 0;
      // Each call runs the loop nested, which calls the next one within.
      auto nest = [&](auto& on) {
        ++depth;
        if (++calls == 4) {
          loop.harness().Stop(on);
        } else {
          loop.harness().RunNested(on);
          loop.harness().Stop(on);
        }
        --depth;
      };
      loop.Enter([&](auto& on) {
        for (std::size_t i = 0; i < 4; ++i) {
          if (kind == 0) {
            pipes[i].Write();
            (void)watches[i].Start(on, pipes[i].reader.get(), Condition::kIn,
                                   [&, i](auto& on, Condition) {
                                     watches[i].Stop(on);
                                     nest(on);
                                   });
          } else {
            timers[i].StartAfter(on, std::chrono::seconds(-1), nest);
          }
        }
      });
      loop.harness().Run();
      loop.TurnALot();
      BOOST_TEST(depth == 0);
      BOOST_TEST(calls == 4);
    }
  }
};

template <class H>
struct Ex18_DescriptorsAreClosedOnExec {
  static constexpr char kRule[] =
      "Every descriptor that the loop opens is closed on exec";

  static void Run() {
    const auto before = support::OpenDescriptors();
    Loop<H> loop;
    loop.harness().FollowClock();
    Timer<typename H::Executor> timer;
    bool fired = false;
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::milliseconds(1),
                       [&](auto&) { fired = true; });
    });
    loop.TurnUntil([&] { return fired; });
    int opened = 0;
    for (const auto& [fd, target] : support::OpenDescriptors()) {
      if (before.count(fd) != 0) continue;
      ++opened;
      BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, target);
    }
    BOOST_TEST(opened > 0);
  }
};

template <class H>
struct Ex19_ASignalHandlerStopsTheLoop {
  static constexpr char kRule[] =
      "A loop that promises it is stopped by a signal handler, asleep or not, "
      "and errno is kept";

  static void Run() {
    constexpr int kRuns = 100;
    static H* stopped;
    static std::atomic<bool> is_errno_kept;
    is_errno_kept = true;
    Loop<H> loop;
    stopped = &loop.harness();
    SignalStorm storm([](int) {
      const int interrupted = errno;
      errno = 4711;
      stopped->StopFromSignal();
      if (errno != 4711) is_errno_kept = false;
      errno = interrupted;
    });
    storm.Start(::pthread_self());
    // Each returns only because a handler has stopped it.
    for (int i = 0; i < kRuns; ++i) loop.harness().Run();
    storm.Stop();
    BOOST_TEST(is_errno_kept.load());
  }
};

template <class H>
struct Ex20_SetupFailureIsAStatus {
  static constexpr char kRule[] =
      "When descriptors run out, making an executor returns a Status with the "
      "errno and leaves none open";

  static void Run() {
    H harness;
    rlimit before;
    BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const auto open = support::OpenDescriptors();
    // Every number below `limit` is taken; k of them are given back.
    int failures = 0;
    for (int k = 0; k < 10; ++k) {
      std::vector<OwnedFd> fill;
      const rlimit_t limit = static_cast<rlimit_t>(open.rbegin()->first + 1);
      const rlimit low{limit + 16, before.rlim_max};
      BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
      for (;;) {
        OwnedFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!fd.valid()) break;
        fill.push_back(std::move(fd));
      }
      for (int i = 0; i < k; ++i) fill.pop_back();
      const auto another = harness.CreateAnother();
      ::setrlimit(RLIMIT_NOFILE, &before);
      if (another.ok()) {
        BOOST_TEST(failures == k);
        BOOST_TEST(failures >= 1);
        return;
      }
      ++failures;
      BOOST_TEST(Errno(another.status()) == EMFILE,
                 another.status().ToString());
      fill.clear();
      BOOST_TEST((support::OpenDescriptors() == open));
    }
    BOOST_TEST(false, "an executor needs more than 9 descriptors");
  }

 private:
  using rlimit_t = ::rlim_t;
};

template <class H>
struct Ex21_OneCallAtATime {
  static constexpr char kRule[] =
      "If several threads run one loop, calls of one executor never overlap "
      "and each happens before the next; a loop that is one thread's refuses "
      "the second";

  static void Run() {
    if constexpr (H::kSeveralThreads) {
      RunOnSeveralThreads();
    } else {
      LoopThread<H> loop;
      bool refused = false;
      try {
        // Another thread is on the loop, asleep or not.
        loop.loop().harness().Run();
      } catch (const std::exception&) {
        refused = true;
      }
      BOOST_TEST(refused);
    }
  }

  static void RunOnSeveralThreads() {
    using E = typename H::Executor;
    constexpr int kPosts = 2000, kThreads = 3;
    LoopLog log;
    std::atomic<int> ended{0};
    // Plain data: ThreadSanitizer sees whether one call happens before the
    // next.
    int calls = 0;
    Loop<H> loop;
    loop.harness().FollowClock();
    support::Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    Timer<E> timer;
    loop.Enter([&](auto& on) {
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [&](auto&, Condition) { ++calls; });
      timer.StartEvery(on, std::chrono::milliseconds(1),
                       [&](auto&) { ++calls; });
    });
    std::vector<std::thread> threads;
    const auto ref = loop.Ref();
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        loop.harness().Run();
        ++ended;
      });
    }
    auto poster = [&](int first) {
      for (int i = first; i < first + kPosts; ++i) {
        (void)PostItem(ref, log, i);
        (void)ref.Post([](auto&, int* calls) { ++*calls; },
                       AssumeSendable(&calls));
      }
    };
    std::thread one(poster, 0), two(poster, kPosts);
    one.join();
    two.join();
    while (log.Count(What::kEnded) < 2 * kPosts) std::this_thread::yield();
    // Again, for a thread that has only now begun to run the loop.
    while (ended < kThreads) {
      (void)ref.Post(
          [](auto& on, Watch<E>* watch, Timer<E>* timer, H* harness) {
            watch->Stop(on);
            timer->Stop(on);
            harness->Stop(on);
          },
          AssumeSendable(&watch), AssumeSendable(&timer),
          AssumeSendable(&loop.harness()));
      std::this_thread::yield();
    }
    for (std::thread& thread : threads) thread.join();
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(log.NeverOverlap() == "");
    BOOST_TEST(log.InOrderOfEachPoster() == "");
    BOOST_TEST(calls >= 2 * kPosts);
  }
};

template <class H>
struct Ex22_AnIdleLoopSleeps {
  static constexpr char kRule[] = "An idle loop does not wake up in 10 seconds";
  static constexpr bool kOnDemand = true;

  static void Run() {
    LoopThread<H> loop;
    support::WaitUntilAsleep(loop.thread_id());
    const std::uint64_t before = support::TimesSlept(loop.thread_id());
    std::this_thread::sleep_for(std::chrono::seconds(10));
    BOOST_TEST(support::TimesSlept(loop.thread_id()) == before);
  }
};

template <class H>
void AddExecutorCases(Suite& suite) {
  suite.AddAll<
      Ex01_AcceptedPostRunsOnce<H>, Ex01_PostsDieOnceUncalledWithTheExecutor<H>,
      Ex02_CallsHappenOnWhoeverRunsTheLoop<H>,
      Ex02_LoopsOnOneThreadAreToldApart<H>,
      Ex02_EnterIsRefusedWhileAnotherThreadIsOnTheLoop<H>,
      Ex02_EnterNestsAndLetsExceptionsThrough<H>, Ex03_PostIsNeverInline<H>,
      Ex03_WhatIsReadyAtItsStartIsNotCalledInline<H>,
      Ex04_PostWakesASleepingLoop<H>, Ex04_PostBeforeTheLoopSleepsIsRun<H>,
      Ex04_NoWakeUpIsLostWhileTheLoopFallsAsleep<H>,
      Ex05_NothingIsCalledAfterTheExecutor<H>,
      Ex05_PostToAClosedLoopIsRefused<H>, Ex05_PostsRaceWithTheEnd<H>,
      Ex05_WakeUpsRaceWithTheEnd<H>, Ex06_PostsFromAnyThreadAreRaceFree<H>,
      Ex07_PostWithoutMemoryIsHandedBack<H>,
      Ex07_PostOnTheLoopWithoutMemoryThrows<H>,
      Ex08_OutstandingWorkKeepsTheLoopAlive<H>,
      Ex08_IdleIsNotReachedBeforeItIs<H>, Ex09_NoLockIsHeldWhileUserCodeRuns<H>,
      Ex10_NothingIsLostSilently<H>, Ex10_WhatOneTurnLeftIsDestroyedToo<H>,
      Ex10_AnEmptyExecutorEndsSilently<H>, Ex10_DestructorsMayStartAnew<H>,
      Ex10_EndingItInACallbackEndsTheProgram<H>, Ex11_OrderIsKept<H>,
      Ex12_AStormOfPostsStarvesNobody<H>, Ex12_ReadyDescriptorsStarveNoPost<H>,
      Ex13_PostsToAHeldLoopCostOneWakeUp<H>, Ex13_SignalsInterruptNothing<H>,
      Ex14_MailIsBounded<H>, Ex14_PostersRaceForRoom<H>,
      Rs06_AnyAllocationOfTheLoopMayFail<H>, Ex15_AThrowingCallLosesNothing<H>,
      Ex16_NestedLoopsMakeProgress<H>, Ex16_NestedInsideAWatchAndATimer<H>,
      Ex18_DescriptorsAreClosedOnExec<H>, Ex20_SetupFailureIsAStatus<H>,
      Ex21_OneCallAtATime<H>, Ex22_AnIdleLoopSleeps<H>>();
  if constexpr (requires(H harness) { harness.StopFromSignal(); }) {
    suite.AddAll<Ex19_ASignalHandlerStopsTheLoop<H>>();
  }
  if constexpr (requires(H harness, std::chrono::steady_clock::time_point t) {
                  {
                    harness.executor().Drain(t)
                  } -> std::same_as<absl::StatusOr<bool>>;
                }) {
    suite.AddAll<Ex10_DrainWaitsUntilItsDeadline<H>>();
  }
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_EXECUTOR_CASES_H_
