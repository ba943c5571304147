// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/composition_cases.h
//
// CO: what is promised of tasks that are put together: coroutines, stopping,
// deadlines, progress and hops, on any executor.

#ifndef QIO_TESTS_CONFORMANCE_COMPOSITION_CASES_H_
#define QIO_TESTS_CONFORMANCE_COMPOSITION_CASES_H_

#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/conformance/task_cases.h"
#include "qio/coro.h"
#include "qio/hop.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/progress.h"
#include "qio/sendable.h"
#include "qio/stall.h"
#include "qio/stop_token.h"
#include "qio/support/allocations.h"
#include "qio/support/loop_log.h"
#include "qio/support/pipe.h"
#include "qio/support/proc.h"
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio::conformance {

// A coroutine type that knows nothing of qio: it starts at once, and its frame
// ends with this object, wherever it is then.
class ForeignCoroutine {
 public:
  struct promise_type {
    ForeignCoroutine get_return_object() {
      return ForeignCoroutine(Handle::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const { std::terminate(); }
  };

  ForeignCoroutine(ForeignCoroutine&& other) noexcept
      : frame_(std::exchange(other.frame_, nullptr)) {}
  ForeignCoroutine& operator=(ForeignCoroutine other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~ForeignCoroutine() {
    if (frame_) frame_.destroy();
  }

  bool done() const { return frame_.done(); }

 private:
  using Handle = std::coroutine_handle<promise_type>;

  explicit ForeignCoroutine(Handle frame) noexcept : frame_(frame) {}

  Handle frame_;
};

// A task that somebody else completes, or that never completes.
template <class E>
struct ByHand {
  // Has a name: what a lambda is called differs from compiler to compiler.
  struct Begin {
    void operator()(OnLoop<E>&, Completer<E, int> given) {
      by_hand->completer.emplace(std::move(given));
    }
    ByHand* by_hand;
  };

  QIOTask<E, int> Make(OnLoop<E>& on) { return MakeTask<int>(on, Begin{this}); }
  bool wanted() const { return completer.has_value() && completer->wanted(); }

  std::optional<Completer<E, int>> completer;
};

// What a coroutine of a case takes with it: a parameter that is logged.
template <class E>
ForeignCoroutine AwaitInForeign(QIOTask<E, int> task, Traced item,
                                absl::StatusOr<int>* result) {
  absl::StatusOr<int> awaited = co_await std::move(task);
  item.Run();
  *result = std::move(awaited);
}

template <class E>
Coro<E, int> AwaitInCoro(OnLoop<E>&, QIOTask<E, int> task, Traced item) {
  absl::StatusOr<int> awaited = co_await std::move(task);
  item.Run();
  if (!awaited.ok()) co_return awaited.status();
  co_return *awaited + 1;
}

// As deep as one asks for.
template <class E>
Coro<E, int> AwaitDeeply(OnLoop<E>& on, QIOTask<E, int> task, LoopLog& log,
                         int depth) {
  Traced item(log, depth);
  if (depth == 0) {
    absl::StatusOr<int> awaited = co_await std::move(task);
    item.Run();
    co_return awaited;
  }
  absl::StatusOr<int> inner =
      co_await AwaitDeeply<E>(on, std::move(task), log, depth - 1);
  item.Run();
  if (!inner.ok()) co_return inner.status();
  co_return *inner + 1;
}

template <class H>
struct Co01_ACoroutineGoesOnOnItsLoop {
  static constexpr char kRule[] =
      "A coroutine of any type that awaits a task goes on once, on the owning "
      "loop, after the call that suspended it has returned, with what the "
      "completion would have received";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    absl::StatusOr<int> foreign = absl::UnknownError("not yet");
    absl::StatusOr<int> own = absl::UnknownError("not yet");
    Loop<H> loop;
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    std::optional<ForeignCoroutine> coroutine;
    loop.Enter([&](auto& on) {
      const auto work = [&](int item) {
        return RunInThread(on, [](int i) { return i * 10; }, item);
      };
      log.Add(What::kPosting, 1);
      coroutine.emplace(AwaitInForeign<E>(work(1), Traced(log, 1), &foreign));
      log.Add(What::kPosted, 1);
      log.Add(What::kPosting, 2);
      AwaitInCoro<E>(on, work(2), Traced(log, 2))
          .Then([&](auto&, absl::StatusOr<int> result) { own = result; });
      log.Add(What::kPosted, 2);
    });
    std::thread([&] { workers->FinishAll(); }).join();
    BOOST_TEST(log.Count(What::kStarted) == 0);
    loop.TurnUntil([&] { return own.ok() && foreign.ok(); });
    BOOST_TEST(*foreign == 10);
    BOOST_TEST(*own == 21);
    BOOST_TEST(coroutine->done());
    coroutine.reset();
    loop.TurnALot();
    BOOST_TEST(log.AllCalledOnce() == "");
    BOOST_TEST(log.NeverInline() == "");
    BOOST_TEST(log.OnlyOn(std::this_thread::get_id()) == "");
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Co01_AnErrorIsAResult {
  static constexpr char kRule[] =
      "What a worker throws, and what cancels an awaited task, is what "
      "co_await gives";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    absl::StatusOr<int> thrown, dropped;
    Loop<H> loop;
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    ByHand<E> hand;
    std::vector<ForeignCoroutine> coroutines;
    loop.Enter([&](auto& on) {
      auto task = RunInThread(
          on, [](int i) -> int { throw std::runtime_error(std::to_string(i)); },
          7);
      coroutines.push_back(
          AwaitInForeign<E>(std::move(task), Traced(log, 1), &thrown));
      coroutines.push_back(
          AwaitInForeign<E>(hand.Make(on), Traced(log, 2), &dropped));
      hand.completer.reset();
    });
    workers->FinishAll();
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 2; });
    BOOST_TEST(thrown.status().code() == absl::StatusCode::kUnknown);
    BOOST_TEST(absl::IsAborted(dropped.status()));
    coroutines.clear();
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Co02_AFrameThatEndsWhileItWaitsAbandonsItsTask {
  static constexpr char kRule[] =
      "A coroutine that is destroyed while it awaits a task is not resumed, "
      "whatever becomes of the task, and the task is told that nobody waits; "
      "one whose executor has ended may be destroyed later";

  static void Run() {
    using E = typename H::Executor;
    enum When { kAtOnce, kWithTheResultQueued, kAfterTheExecutor, kWhens };
    for (int when = 0; when < kWhens; ++when) {
      LoopLog log;
      absl::StatusOr<int> result = absl::UnknownError("not yet");
      ByHand<E> hand;
      std::optional<ForeignCoroutine> coroutine;
      {
        Loop<H> loop;
        loop.Enter([&](auto& on) {
          coroutine.emplace(
              AwaitInForeign<E>(hand.Make(on), Traced(log, 1), &result));
          BOOST_TEST(hand.wanted());
          if (when == kWithTheResultQueued) {
            std::move(*hand.completer).Complete(on, 1);
            hand.completer.reset();
          }
          if (when == kAfterTheExecutor) return;
          coroutine.reset();
          BOOST_TEST(!hand.wanted());
          hand.completer.reset();
        });
        loop.TurnALot();
        if (when == kAfterTheExecutor) {
          loop.DestroyExecutor();
          BOOST_TEST(!hand.wanted());
          hand.completer.reset();
        } else {
          BOOST_TEST(Outstanding(loop) == 0);
        }
      }
      coroutine.reset();
      BOOST_TEST(log.NoneCalled() == "");
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Co03_ACoroIsLazy {
  static constexpr char kRule[] =
      "A Coro runs nothing until it is given its completion or awaited; "
      "dropped before, its frame ends, also after its executor";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    ByHand<E> hand;
    std::optional<Coro<E, int>> kept;
    {
      Loop<H> loop;
      loop.Enter([&](auto& on) {
        {
          Coro<E, int> dropped =
              AwaitInCoro<E>(on, hand.Make(on), Traced(log, 1));
          BOOST_TEST(log.Count(What::kDestroyed) == 0);
        }
        BOOST_TEST(log.Count(What::kDestroyed) == 1);
        kept.emplace(AwaitInCoro<E>(on, hand.Make(on), Traced(log, 2)));
        BOOST_TEST(Outstanding(loop) == 0);
      });
      loop.TurnALot();
      loop.DestroyExecutor();
    }
    BOOST_TEST(!hand.completer.has_value());
    kept.reset();
    BOOST_TEST(log.NoneCalled() == "");
    BOOST_TEST(log.OnceEach() == "");
  }
};

template <class H>
struct Co03_AbandoningACoroEndsItsFrames {
  static constexpr char kRule[] =
      "A Coro that waits, at any depth, is not resumed after Cancel(), its "
      "scope's end, its deadline or its executor's end: its frames end there "
      "and then, on the loop, and what it awaits is told";

  static void Run() {
    using E = typename H::Executor;
    enum End { kCancel, kScope, kTimeout, kExecutor, kEnds };
    for (int end = 0; end < kEnds; ++end) {
      constexpr int kDepth = 3;
      LoopLog log;
      ByHand<E> hand;
      absl::Status status = absl::UnknownError("not yet");
      {
        Loop<H> loop;
        loop.harness().FollowClock();
        std::optional<TaskScope<E>> scope;
        TaskHandle<E> handle;
        loop.Enter([&](auto& on) {
          scope.emplace(on);
          QIOTask<E, int> task = AwaitDeeply<E>(on, hand.Make(on), log, kDepth);
          if (end == kTimeout) {
            task = std::move(task).WithTimeout(std::chrono::milliseconds(5));
          }
          handle = ThenItem(std::move(task), &*scope, log, 100, &status);
        });
        BOOST_TEST(hand.wanted());
        BOOST_TEST(log.Count(What::kDestroyed) == 0);
        if (end == kTimeout) {
          loop.TurnUntil([&] { return log.Count(What::kEnded, 100) == 1; });
        }
        loop.Enter([&](auto& on) {
          if (end == kCancel) BOOST_TEST(handle.Cancel(on));
          if (end == kScope) scope.reset();
        });
        if (end == kExecutor) loop.DestroyExecutor();
        BOOST_TEST(!hand.wanted());
        for (int depth = 0; depth <= kDepth; ++depth) {
          BOOST_TEST(log.Count(What::kDestroyed, depth) == 1);
          BOOST_TEST(log.Count(What::kStarted, depth) == 0);
        }
        if (end != kExecutor) {
          hand.completer.reset();
          loop.TurnALot();
          BOOST_TEST(Outstanding(loop) == 0);
        }
      }
      hand.completer.reset();
      if (end == kCancel) BOOST_TEST(absl::IsCancelled(status));
      if (end == kTimeout) BOOST_TEST(absl::IsDeadlineExceeded(status));
      const bool runs = end == kCancel || end == kTimeout;
      BOOST_TEST(log.Count(What::kStarted, 100) == runs);
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Co03_ACoroMayEndItself {
  static constexpr char kRule[] =
      "A Coro that ends its own scope, or cancels itself, goes on to its next "
      "co_await, which starts nothing, and its frame ends there";

  static void Run() {
    using E = typename H::Executor;
    for (const bool cancels : {false, true}) {
      LoopLog log;
      Loop<H> loop;
      Self<E> self;
      loop.Enter([&](auto& on) {
        self.scope.emplace(on);
        log.Add(What::kPosting, 2);
        self.handle = EndItself<E>(on, self, log, cancels)
                          .Then(*self.scope, [item = Traced(log, 2)](
                                                 auto&, absl::StatusOr<int>) {
                            item.Run();
                          });
        log.Add(What::kPosted, 2);
      });
      loop.TurnUntil([&] { return log.Count(What::kDestroyed, 1) == 1; });
      loop.TurnALot();
      BOOST_TEST(self.steps == 2);
      BOOST_TEST(!self.started);
      BOOST_TEST(log.Count(What::kStarted, 2) == cancels);
      BOOST_TEST(log.OnceEach() == "");
      BOOST_TEST(Outstanding(loop) == 0);
    }
  }

 private:
  template <class E>
  struct Self {
    std::optional<TaskScope<E>> scope;
    TaskHandle<E> handle;
    int steps = 0;
    bool started = false;
  };

  template <class E>
  static Coro<E, int> EndItself(OnLoop<E>& on, Self<E>& self, LoopLog& log,
                                bool cancels) {
    Traced item(log, 1);
    (void)co_await MakeTask<int>(on, [](auto& start_on, auto completer) {
      std::move(completer).Complete(start_on, 1);
    });
    ++self.steps;
    if (cancels) {
      self.handle.Cancel(on);
    } else {
      self.scope.reset();
    }
    ++self.steps;
    (void)co_await MakeTask<int>(on,
                                 [&self](auto&, auto) { self.started = true; });
    ++self.steps;
    co_return 1;
  }
};

template <class H>
struct Co03_StartingWhatEndsTheCoroIsSafe {
  static constexpr char kRule[] =
      "An awaited task whose start ends the Coro that awaits it: the frame "
      "ends when that start has returned";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    Loop<H> loop;
    std::optional<TaskScope<E>> scope;
    loop.Enter([&](auto& on) {
      scope.emplace(on);
      QIOTask<E, int> task = MakeTask<int>(
          on, [&scope, item = Traced(log, 1)](auto&, Completer<E, int>) {
            scope.reset();
            item.Run();
          });
      AwaitInCoro<E>(on, std::move(task), Traced(log, 2))
          .Then(*scope, [item = Traced(log, 3)](auto&, absl::StatusOr<int>) {
            item.Run();
          });
    });
    loop.TurnALot();
    BOOST_TEST(log.Count(What::kStarted, 1) == 1);
    BOOST_TEST(log.Count(What::kStarted) == 1);
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Co04_AFrameEndsBeforeItsCompletionRuns {
  static constexpr char kRule[] =
      "Parameters and locals of a Coro are gone, on the loop, when its "
      "completion runs";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    int ended = -1;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      ByHand<E> hand;
      AwaitInCoro<E>(on, hand.Make(on), Traced(log, 1))
          .Then([&](auto&, absl::StatusOr<int> result) {
            BOOST_TEST(*result == 6);
            ended = log.Count(What::kDestroyed, 1);
          });
      std::move(*hand.completer).Complete(on, 5);
    });
    loop.TurnUntil([&] { return ended >= 0; });
    BOOST_TEST(ended == 1);
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Co05_WhatLeavesACoroReachesItsCompletion {
  static constexpr char kRule[] =
      "An exception that leaves a Coro, or what starts a task, reaches the "
      "completion as kUnknown with its type and message; a Status that it "
      "returns as it is";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    std::array<absl::Status, 4> statuses;
    std::size_t calls = 0;
    loop.Enter([&](auto& on) {
      const auto keep = [&](std::size_t i) {
        return [&, i](auto&, absl::Status status) {
          statuses[i] = std::move(status);
          ++calls;
        };
      };
      Throw<E>(on, true).Then(keep(0));
      Throw<E>(on, false).Then(keep(1));
      MakeTask<void>(on, [](auto&, auto completer) {
        (void)completer;
        throw std::runtime_error("no socket");
      }).Then(keep(2));
      Return<E>(on).Then(keep(3));
    });
    loop.TurnUntil([&] { return calls == statuses.size(); });
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
      BOOST_TEST(statuses[i].code() == absl::StatusCode::kUnknown);
      BOOST_TEST(std::string(statuses[i].message()) ==
                 "the coroutine threw std::runtime_error: no disk");
    }
    BOOST_TEST(std::string(statuses[2].message()) ==
               "the operation threw std::runtime_error: no socket");
    BOOST_TEST(absl::IsNotFound(statuses[3]));
  }

 private:
  template <class E>
  static Coro<E, void> Throw(OnLoop<E>& on, bool at_once) {
    if (!at_once) {
      (void)co_await MakeTask<int>(on, [](auto& start_on, auto completer) {
        std::move(completer).Complete(start_on, 1);
      });
    }
    throw std::runtime_error("no disk");
    co_return absl::OkStatus();
  }
  template <class E>
  static Coro<E, void> Return(OnLoop<E>&) {
    co_return absl::NotFoundError("no such page");
  }
};

template <class H>
struct Co06_AwaitingAllocatesNothing {
  static constexpr char kRule[] =
      "After a while 1,000 tasks awaited one after another, and 1,000 Coros, "
      "allocate nothing: frames are recycled";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    UsePool(loop, 1);
    std::uint64_t in_one = 1, in_many = 1;
    bool done = false;
    loop.Enter([&](auto& on) {
      Many<E>(on, &in_one, &in_many)
          .Then([&](auto&, absl::StatusOr<int> result) {
            BOOST_TEST(*result == 2 * (kWarm + kCounted));
            done = true;
          });
    });
    loop.TurnUntil([&] { return done; });
    BOOST_TEST(in_one == 0u);
    BOOST_TEST(in_many == 0u);
  }

 private:
  static constexpr int kWarm = 300, kCounted = 1000;

  template <class E>
  static Coro<E, int> One(OnLoop<E>& on, int i) {
    absl::StatusOr<int> result =
        co_await RunInThread(on, [](int n) { return n; }, i);
    co_return *result;
  }

  template <class E>
  static Coro<E, int> Many(OnLoop<E>& on, std::uint64_t* in_one,
                           std::uint64_t* in_many) {
    int sum = 0;
    std::uint64_t before = 0;
    for (int i = 0; i < kWarm + kCounted; ++i) {
      if (i == kWarm) before = support::AllocationsSoFar();
      absl::StatusOr<int> one =
          co_await RunInThread(on, [](int n) { return n; }, 1);
      sum += *one;
    }
    *in_one = support::AllocationsSoFar() - before;
    for (int i = 0; i < kWarm + kCounted; ++i) {
      if (i == kWarm) before = support::AllocationsSoFar();
      absl::StatusOr<int> one = co_await One<E>(on, 1);
      sum += *one;
    }
    *in_many = support::AllocationsSoFar() - before;
    co_return sum;
  }
};

template <class H>
struct Co07_AWorkerIsToldToStop {
  static constexpr char kRule[] =
      "A worker's StopToken, or std::stop_token, says stop after Cancel(), the "
      "end of the scope, the deadline, the end of the executor, or what an "
      "outer stop_token says; and not if its result is wanted";

  static void Run() {
    using E = typename H::Executor;
    enum End { kNone, kCancel, kScope, kTimeout, kToken, kExecutor, kEnds };
    for (int end = 0; end < 2 * kEnds; ++end) {
      const bool is_std = end >= kEnds;
      const int how = end % kEnds;
      Gate gate;
      std::atomic<int> told{-1};
      std::stop_source source;
      absl::Status status = absl::UnknownError("not yet");
      LoopLog log;
      Loop<H> loop;
      loop.harness().FollowClock();
      const auto pool = UsePool(loop, 1);
      std::optional<TaskScope<E>> scope;
      TaskHandle<E> handle;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        QIOTask<E, int> task =
            is_std ? QIOTask<E, int>(RunInThread(on, &WaitFor<std::stop_token>,
                                                 AssumeSendable(&gate),
                                                 AssumeSendable(&told)))
                   : QIOTask<E, int>(RunInThread(on, &WaitFor<StopToken>,
                                                 AssumeSendable(&gate),
                                                 AssumeSendable(&told)));
        if (how == kTimeout) {
          task = std::move(task).WithTimeout(std::chrono::milliseconds(5));
        }
        if (how == kToken) {
          task = std::move(task).WithStopToken(source.get_token());
        }
        handle = ThenItem(std::move(task), &*scope, log, 1, &status);
      });
      gate.WaitUntilReached();
      loop.Enter([&](auto& on) {
        if (how == kCancel) BOOST_TEST(handle.Cancel(on));
        if (how == kScope) scope.reset();
      });
      if (how == kToken) source.request_stop();
      if (how == kTimeout || how == kToken) {
        loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
      }
      if (how == kExecutor) loop.DestroyExecutor();
      gate.Open();
      if (how == kExecutor) {
        (void)pool->Shutdown(std::chrono::steady_clock::now() +
                             std::chrono::seconds(30));
      } else {
        loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      }
      BOOST_TEST(told.load() == (how != kNone), "of kind " << end);
      if (how == kCancel || how == kToken) {
        BOOST_TEST(absl::IsCancelled(status));
      }
      if (how == kTimeout) BOOST_TEST(absl::IsDeadlineExceeded(status));
      if (how == kNone) BOOST_TEST(status.ok());
      BOOST_TEST(log.OnceEach() == "");
    }
  }

 private:
  template <class Token>
  static int WaitFor(Token stop, Gate* gate, std::atomic<int>* told) {
    gate->Pass();
    told->store(stop.stop_requested());
    return 1;
  }
};

template <class H>
struct Co07_AStopCallbackWakesAWorker {
  static constexpr char kRule[] =
      "A std::stop_callback on a worker's std::stop_token is called when its "
      "task is cancelled";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    UsePool(loop, 1);
    Gate gate;
    absl::Status status;
    bool done = false;
    loop.Enter([&](auto& on) {
      TaskHandle<E> handle =
          RunInThread(
              on,
              [](std::stop_token stop, Gate* gate) {
                const std::stop_callback open(stop, [gate] { gate->Open(); });
                gate->Pass();
              },
              AssumeSendable(&gate))
              .Then([&](auto&, absl::Status result) {
                status = result;
                done = true;
              });
      // Handed over when this function has returned.
      Post(on, [&, handle](auto& post_on) mutable {
        gate.WaitUntilReached();
        handle.Cancel(post_on);
      });
    });
    loop.TurnUntil([&] { return done && Outstanding(loop) == 0; });
    BOOST_TEST(absl::IsCancelled(status));
  }
};

template <class H>
struct Co08_CancelDoesNotWaitForTheWorker {
  static constexpr char kRule[] =
      "Cancel() of a task whose worker hangs completes it now; the orphan "
      "counts as outstanding, its late result is dropped, and "
      "Shutdown(deadline) names it";

  static void Run() {
    using E = typename H::Executor;
    Gate gate;
    LoopLog log;
    absl::Status status;
    Loop<H> loop;
    const auto pool = UsePool(loop, 1);
    TaskHandle<E> handle;
    loop.Enter([&](auto& on) {
      handle = ThenItem(RunInThread(on, ReadsTheTape(), AssumeSendable(&gate)),
                        nullptr, log, 1, &status);
    });
    gate.WaitUntilReached();
    loop.Enter([&](auto& on) { BOOST_TEST(handle.Cancel(on)); });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
    BOOST_TEST(absl::IsCancelled(status));
    BOOST_TEST(Outstanding(loop) == 1);
    const std::vector<std::string> names =
        pool->Shutdown(std::chrono::steady_clock::now());
    BOOST_TEST_REQUIRE(names.size() == 1u);
    BOOST_TEST(names[0].find("ReadsTheTape") != std::string::npos);
    gate.Open();
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Co09_ADeadlineGivesATaskUp {
  static constexpr char kRule[] =
      "At its deadline, and not before, a task completes with "
      "kDeadlineExceeded, which says what it was waiting for; a result that "
      "comes in time is the result";

  static void Run() {
    using E = typename H::Executor;
    using std::chrono::steady_clock;
    constexpr auto kTimeout = std::chrono::milliseconds(20);
    Loop<H> loop;
    loop.harness().FollowClock();
    LoopLog log;
    ByHand<E> late, in_time;
    std::array<absl::Status, 4> statuses;
    loop.harness().RunOnce();
    const auto start = steady_clock::now();
    loop.Enter([&](auto& on) {
      ThenItem(late.Make(on).WithTimeout(kTimeout), nullptr, log, 0,
               &statuses[0]);
      ThenItem(in_time.Make(on).WithTimeout(std::chrono::hours(1)), nullptr,
               log, 1, &statuses[1]);
      ThenItem(in_time.Make(on).WithDeadline(steady_clock::now() -
                                             std::chrono::hours(1)),
               nullptr, log, 2, &statuses[2]);
      ThenItem(in_time.Make(on).WithTimeout(std::chrono::hours::max()), nullptr,
               log, 3, &statuses[3]);
      BOOST_TEST(Outstanding(loop) > 0);
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded, 0) == 1; });
    BOOST_TEST((steady_clock::now() - start >= kTimeout));
    BOOST_TEST(!late.wanted());
    loop.Enter([&](auto& on) {
      std::move(*in_time.completer).Complete(on, 1);
      in_time.completer.reset();
      late.completer.reset();
    });
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(absl::IsDeadlineExceeded(statuses[0]));
    BOOST_TEST(std::string(statuses[0].message()).find("ByHand") !=
               std::string::npos);
    // Its completer was dropped for the next one's.
    BOOST_TEST(absl::IsAborted(statuses[1]));
    BOOST_TEST(absl::IsDeadlineExceeded(statuses[2]));
    BOOST_TEST(statuses[3].ok());
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Co09_ADeadlineSaysWhereACoroutineIs {
  static constexpr char kRule[] =
      "A Coro that takes too long is named with the file and line of its "
      "co_await, and with what it awaits, down to the worker";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    loop.harness().FollowClock();
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    LoopLog log;
    absl::Status status;
    loop.Enter([&](auto& on) {
      ThenItem(AwaitDeeply<E>(
                   on, RunInThread(on, ReadsTheTape(), AssumeSendable(&gate())),
                   log, 1)
                   .WithTimeout(std::chrono::milliseconds(1)),
               nullptr, log, 100, &status);
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded, 100) == 1; });
    const std::string text(status.message());
    BOOST_TEST(text.find("composition_cases.h:") != std::string::npos);
    BOOST_TEST(text.find("ReadsTheTape") != std::string::npos, text);
    gate().Open();
    workers->FinishAll();
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
  }

 private:
  static Gate& gate() {
    static Gate gate;
    return gate;
  }
};

template <class H>
struct Co10_AnOuterTokenCancels {
  static constexpr char kRule[] =
      "A stop that is requested from any thread before the start, while the "
      "task runs, when its result is queued, or after its end: one outcome "
      "each";

  static void Run() {
    using E = typename H::Executor;
    enum When { kBefore, kWhile, kQueued, kAfter, kAbandoned, kWhens };
    for (int when = 0; when < kWhens; ++when) {
      LoopLog log;
      absl::Status status;
      std::stop_source source;
      const auto ask = [&] {
        std::thread([&] { source.request_stop(); }).join();
      };
      Loop<H> loop;
      ByHand<E> hand;
      std::optional<TaskScope<E>> scope;
      if (when == kBefore) ask();
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        ThenItem(hand.Make(on).WithStopToken(source.get_token()), &*scope, log,
                 1, &status);
      });
      if (when == kWhile || when == kQueued || when == kAbandoned) ask();
      if (when == kQueued || when == kAfter) {
        loop.Enter([&](auto& on) {
          std::move(*hand.completer).Complete(on, 1);
          hand.completer.reset();
        });
      }
      if (when == kAbandoned) scope.reset();
      loop.TurnUntil(
          [&] { return log.Count(What::kEnded) == 1 || when == kAbandoned; });
      if (when == kAfter) ask();
      loop.TurnALot();
      if (when == kBefore || when == kWhile) {
        BOOST_TEST(absl::IsCancelled(status));
        BOOST_TEST(!hand.wanted());
      }
      if (when == kAfter) BOOST_TEST(status.ok());
      hand.completer.reset();
      loop.TurnALot();
      BOOST_TEST(Outstanding(loop) == 0);
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Co10_ATokenRacesWithTheEnd {
  static constexpr char kRule[] =
      "A stop that is requested on another thread just when the task ends, is "
      "abandoned, or its executor closes, finds nothing that is gone";

  static void Run() {
    using E = typename H::Executor;
    constexpr int kRounds = 300;
    for (int round = 0; round < kRounds; ++round) {
      LoopLog log;
      std::stop_source source;
      std::atomic<bool> go{false};
      std::thread asks([&] {
        while (!go.load()) {
        }
        source.request_stop();
      });
      {
        Loop<H> loop;
        ByHand<E> hand;
        std::optional<TaskScope<E>> scope;
        loop.Enter([&](auto& on) {
          scope.emplace(on);
          ThenItem(hand.Make(on).WithStopToken(source.get_token()), &*scope,
                   log, round);
        });
        go.store(true);
        if (round % 3 == 0) scope.reset();
        if (round % 3 == 1) {
          loop.Enter([&](auto& on) {
            if (hand.completer) std::move(*hand.completer).Complete(on, 1);
          });
          hand.completer.reset();
          loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
        }
        if (round % 3 == 2) loop.DestroyExecutor();
        hand.completer.reset();
      }
      asks.join();
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Co11_ProgressComesBeforeTheCompletion {
  static constexpr char kRule[] =
      "What a worker reports is heard on the owning loop, in its order, the "
      "last one before the completion and none after it";

  // A loop that is busy until the worker is done has all but the first report
  // come while one is on its way.
  static void Run() {
    for (const bool is_busy : {false, true}) RunOne(is_busy);
  }

  static void RunOne(bool is_busy) {
    constexpr int kReports = 2000;
    std::vector<int> heard;
    bool is_done = false, is_late = false, is_elsewhere = false;
    Gate reported;
    Loop<H> loop;
    UsePool(loop, 2);
    const std::thread::id here = std::this_thread::get_id();
    loop.Enter([&](auto& on) {
      RunInThread(
          on,
          [](Progress<std::unique_ptr<int>> progress, int count,
             Gate* reported) {
            for (int i = 1; i <= count; ++i) {
              progress.Report(std::make_unique<int>(i));
            }
            reported->Pass();
            return count;
          },
          kReports, AssumeSendable(&reported))
          .OnProgress([&](auto&, std::unique_ptr<int> value) {
            heard.push_back(*value);
            is_late |= is_done;
            is_elsewhere |= std::this_thread::get_id() != here;
          })
          .Then([&](auto&, absl::StatusOr<int>) { is_done = true; });
      if (is_busy) Post(on, [&](auto&) { reported.WaitUntilReached(); });
    });
    reported.Open();
    loop.TurnUntil([&] { return is_done; });
    loop.TurnALot();
    BOOST_TEST(!is_late);
    BOOST_TEST(!is_elsewhere);
    BOOST_TEST_REQUIRE(!heard.empty());
    BOOST_TEST(heard.back() == kReports);
    for (std::size_t i = 1; i < heard.size(); ++i) {
      BOOST_TEST_REQUIRE(heard[i - 1] < heard[i]);
    }
  }
};

template <class H>
struct Co11_ProgressEndsWithItsTask {
  static constexpr char kRule[] =
      "After Cancel(), the end of the scope or of the executor no progress is "
      "heard, what was on its way included, and the listener is destroyed on "
      "the loop; also one whose task never started";

  static void Run() {
    using E = typename H::Executor;
    enum End { kLazy, kCancel, kScope, kExecutor, kEnds };
    for (int end = 0; end < kEnds; ++end) {
      LoopLog log;
      Gate gate;
      {
        Loop<H> loop;
        const auto pool = UsePool(loop, 1);
        std::optional<TaskScope<E>> scope;
        TaskHandle<E> handle;
        loop.Enter([&](auto& on) {
          scope.emplace(on);
          QIOTask<E, void> task =
              RunInThread(
                  on,
                  [](StopToken, Progress<int> progress, Gate* gate) {
                    progress.Report(1);
                    gate->Pass();
                    progress.Report(2);
                  },
                  AssumeSendable(&gate))
                  .OnProgress(
                      [item = Traced(log, 1)](auto&, int) { item.Run(); });
          if (end == kLazy) return;
          handle = ThenItem(std::move(task), &*scope, log, 2);
        });
        if (end != kLazy) gate.WaitUntilReached();
        loop.Enter([&](auto& on) {
          if (end == kCancel) BOOST_TEST(handle.Cancel(on));
          if (end == kScope) scope.reset();
        });
        if (end == kExecutor) loop.DestroyExecutor();
        BOOST_TEST(log.Count(What::kDestroyed, 1) == 1);
        gate.Open();
        if (end == kExecutor) {
          (void)pool->Shutdown(std::chrono::steady_clock::now() +
                               std::chrono::seconds(30));
        } else {
          loop.TurnUntil([&] { return Outstanding(loop) == 0; });
        }
      }
      BOOST_TEST(log.Count(What::kStarted, 1) == 0);
      BOOST_TEST(log.OnlyOn(std::this_thread::get_id()) == "");
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Co11_AListenerMayEndItsTask {
  static constexpr char kRule[] =
      "A listener that cancels its task, or ends its scope, is destroyed when "
      "it has returned";

  static void Run() {
    using E = typename H::Executor;
    for (const bool cancels : {false, true}) {
      LoopLog log;
      Gate gate;
      Loop<H> loop;
      UsePool(loop, 1);
      std::optional<TaskScope<E>> scope;
      TaskHandle<E> handle;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        handle = RunInThread(
                     on,
                     [](Progress<int> progress, Gate* gate) {
                       progress.Report(1);
                       gate->Pass();
                     },
                     AssumeSendable(&gate))
                     .OnProgress([&, item = Traced(log, 1)](auto& on, int) {
                       item.Run([&] {
                         if (cancels) {
                           handle.Cancel(on);
                         } else {
                           scope.reset();
                         }
                         BOOST_TEST(log.Count(What::kDestroyed, 1) == 0);
                       });
                     })
                     .Then(*scope, [](auto&, absl::Status) {});
      });
      loop.TurnUntil([&] { return log.Count(What::kDestroyed, 1) == 1; });
      gate.Open();
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      BOOST_TEST(log.AllCalledOnce() == "");
    }
  }
};

template <class H>
struct Co11_WaitRefusesWhatHasAListener {
  static constexpr char kRule[] =
      "Wait() of a task whose progress somebody listens to is refused, since "
      "it would not hear; of one to which nobody listens it is not";

  static void Run() {
    Loop<H> loop;
    UsePool(loop, 1);
    loop.Enter([&](auto& on) {
      const auto work = [](Progress<int> progress) {
        progress.Report(1);
        return 2;
      };
      const absl::StatusOr<int> heard =
          RunInThread(on, work).OnProgress([](auto&, int) {}).Wait(on);
      BOOST_TEST(absl::IsFailedPrecondition(heard.status()));
      const absl::StatusOr<int> unheard = RunInThread(on, work).Wait(on);
      BOOST_TEST(*unheard == 2);
    });
  }
};

template <class H>
struct Co12_ProgressIsCoalesced {
  static constexpr char kRule[] =
      "1,000 reports while the loop is busy cost one call, with the newest, "
      "and no allocation";

  static void Run() {
    constexpr int kReports = 1000;
    Gate gate;
    std::vector<int> heard;
    heard.reserve(kReports);
    std::uint64_t allocations = 1;
    bool done = false;
    Loop<H> loop;
    UsePool(loop, 1);
    loop.Enter([&](auto& on) {
      RunInThread(
          on,
          [](Progress<int> progress, int count, Gate* gate,
             std::uint64_t* allocations) {
            const std::uint64_t before = support::AllocationsSoFar();
            for (int i = 1; i <= count; ++i) progress.Report(i);
            *allocations = support::AllocationsSoFar() - before;
            gate->Pass();
          },
          kReports, AssumeSendable(&gate), AssumeSendable(&allocations))
          .OnProgress([&](auto&, int value) { heard.push_back(value); })
          .Then([&](auto&, absl::Status) { done = true; });
      Post(on, [&](auto&) { gate.WaitUntilReached(); });
    });
    loop.TurnUntil([&] { return !heard.empty(); });
    gate.Open();
    loop.TurnUntil([&] { return done; });
    BOOST_TEST_REQUIRE(heard.size() == 1u);
    BOOST_TEST(heard[0] == kReports);
    BOOST_TEST(allocations == 0u);
  }
};

// The other loop of a hop: another executor, and a thread to run it.
template <class H>
struct Co13_AHopComesBack {
  static constexpr char kRule[] =
      "RunOn() calls its function on the other loop, and its completion on its "
      "own, where the captures live and die; inputs and result are moved";

  static void Run() {
    using E = typename H::Executor;
    LoopLog here_log;
    std::thread::id called_on;
    int results = 0;
    {
      LoopThread<H> there;
      Loop<H> here;
      here.Enter([&](auto& on) {
        // A value, a task, and a Coro.
        RunOn(
            on, there.ref(),
            [](OnLoop<E>&, std::unique_ptr<int> input,
               std::thread::id* thread) {
              *thread = std::this_thread::get_id();
              return input;
            },
            std::make_unique<int>(1), AssumeSendable(&called_on))
            .Then([&, item = Traced(here_log, 1)](
                      auto&, absl::StatusOr<std::unique_ptr<int>> result) {
              item.Run();
              results += **result;
            });
        RunOn(on, there.ref(),
              [](OnLoop<E>& on) { return RunInThread(on, [] { return 2; }); })
            .Then([&, item = Traced(here_log, 2)](auto&,
                                                  absl::StatusOr<int> result) {
              item.Run();
              results += *result;
            });
        RunOn(on, there.ref(), &Three<E>)
            .Then([&, item = Traced(here_log, 3)](auto&,
                                                  absl::StatusOr<int> result) {
              item.Run();
              results += *result;
            });
        RunOn(on, there.ref(), [](OnLoop<E>&) {
          throw std::runtime_error("no page");
        }).Then([&, item = Traced(here_log, 4)](auto&, absl::Status status) {
          item.Run();
          BOOST_TEST(std::string(status.message()) ==
                     "the function threw std::runtime_error: no page");
        });
      });
      here.TurnUntil([&] { return here_log.Count(What::kEnded) == 4; });
      BOOST_TEST((called_on != std::this_thread::get_id()));
      BOOST_TEST(Outstanding(here) == 0);
    }
    BOOST_TEST(results == 6);
    BOOST_TEST(here_log.AllCalledOnce() == "");
    BOOST_TEST(here_log.OnlyOn(std::this_thread::get_id()) == "");
  }

 private:
  template <class E>
  static Coro<E, int> Three(OnLoop<E>& on) {
    absl::StatusOr<int> two = co_await RunInThread(on, [] { return 2; });
    co_return *two + 1;
  }
};

template <class H>
struct Co13_ATaskIsSeenFromAnotherLoop {
  static constexpr char kRule[] =
      "task.On(on) of another loop on this thread completes on this one, with "
      "the result of the other";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    int result = 0;
    Loop<H> other;
    auto made = other.harness().CreateAnother();
    BOOST_TEST_REQUIRE(made.ok());
    E& executor = **made;
    absl::Status gone;
    {
      Loop<H> here;
      other.Enter([&](auto& other_on) {
        here.Enter([&](auto& on) {
          RunInThread(other_on, [] { return 4; })
              .On(on)
              .Then([&, item = Traced(log, 1)](OnLoop<E>& then_on,
                                               absl::StatusOr<int> r) {
                item.Run();
                BOOST_TEST(&then_on.executor() == &here.executor());
                result = *r;
              });
        });
      });
      const auto turn_both = [&](auto done) {
        here.TurnUntil([&] {
          other.harness().RunOnce();
          return done();
        });
      };
      turn_both([&] { return result != 0; });
      BOOST_TEST(result == 4);
      // One whose own loop ends first.
      std::optional<QIOTask<E, int>> task;
      ByHand<E> hand;
      const absl::Status entered = executor.Enter([&](auto& other_on) {
        here.Enter([&](auto& on) {
          ThenItem(hand.Make(other_on).On(on), nullptr, log, 2, &gone);
        });
      });
      BOOST_TEST(entered.ok());
      made->reset();
      hand.completer.reset();
      here.TurnUntil([&] { return log.Count(What::kEnded, 2) == 1; });
    }
    BOOST_TEST(absl::IsAborted(gone));
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Co14_AHopIsCancelledThere {
  static constexpr char kRule[] =
      "A hop that is cancelled, or whose scope ends, cancels what it started "
      "on the other loop; one whose other loop is gone, or goes, is an error";

  static void Run() {
    using E = typename H::Executor;
    for (const bool cancels : {false, true}) {
      LoopLog log;
      absl::Status status;
      ByHand<E> hand;
      std::atomic<bool> started{false}, unwanted{false};
      {
        LoopThread<H> there;
        Loop<H> here;
        TaskHandle<E> handle;
        std::optional<TaskScope<E>> scope;
        here.Enter([&](auto& on) {
          scope.emplace(on);
          handle =
              ThenItem(RunOn(
                           on, there.ref(),
                           [](OnLoop<E>& on, ByHand<E>* hand,
                              std::atomic<bool>* started) {
                             QIOTask<E, int> task = hand->Make(on);
                             started->store(true);
                             return task;
                           },
                           AssumeSendable(&hand), AssumeSendable(&started)),
                       &*scope, log, 1, &status);
        });
        here.TurnUntil([&] { return started.load(); });
        there.Call([&](auto&) { unwanted = !hand.wanted(); });
        BOOST_TEST(!unwanted.load());
        here.Enter([&](auto& on) {
          if (cancels) {
            BOOST_TEST(handle.Cancel(on));
          } else {
            scope.reset();
          }
        });
        here.TurnALot();
        here.TurnUntil([&] {
          there.Call([&](auto&) { unwanted = !hand.wanted(); });
          return unwanted.load();
        });
        there.Call([&](auto&) { hand.completer.reset(); });
        here.TurnUntil([&] { return Outstanding(here) == 0; });
      }
      if (cancels) BOOST_TEST(absl::IsCancelled(status));
      BOOST_TEST(log.Count(What::kStarted) == cancels);
      BOOST_TEST(log.OnceEach() == "");
    }
    // The other loop goes, with the task and then before it.
    for (const bool before : {false, true}) {
      LoopLog log;
      absl::Status status;
      ByHand<E> hand;
      Loop<H> here;
      {
        Loop<H> there;
        LoopRef<E> ref = there.Ref();
        if (before) there.DestroyExecutor();
        here.Enter([&](auto& on) {
          ThenItem(
              RunOn(
                  on, std::move(ref),
                  [](OnLoop<E>& on, ByHand<E>* hand) { return hand->Make(on); },
                  AssumeSendable(&hand)),
              nullptr, log, 1, &status);
        });
        if (!before) {
          there.TurnUntil([&] { return hand.wanted(); });
          there.DestroyExecutor();
          hand.completer.reset();
        }
      }
      here.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
      if (before) BOOST_TEST(absl::IsFailedPrecondition(status));
      if (!before) BOOST_TEST(absl::IsAborted(status));
    }
  }
};

template <class H>
struct Co15_AnyAllocationMayFail {
  static constexpr char kRule[] =
      "Whichever allocation fails while a Coro, with a deadline and a token, "
      "is made, started and awaits: nothing leaks, and one completion runs, or "
      "none if making or starting it threw";

  static void Run() {
    for (const int times : {1, support::FailingAllocations::kForEver}) {
      int nth = 0;
      while (RunFailing(nth, times)) ++nth;
      BOOST_TEST(nth > 2);
    }
  }

 private:
  using E = typename H::Executor;

  static Coro<E, std::size_t> Work(OnLoop<E>& on, Traced item,
                                   std::array<char, 600> much) {
    item.Run();
    absl::StatusOr<std::string> result =
        co_await RunInThread(
            on, [](std::array<char, 300>) { return std::string(100, 'x'); },
            std::array<char, 300>{})
            .WithTimeout(std::chrono::hours(1));
    if (!result.ok()) co_return result.status();
    co_return result->size() + much.size();
  }

  // False: no allocation has failed.
  static bool RunFailing(int nth, int times) {
    LoopLog log;
    bool bit = false, has_thrown = false;
    int calls = 0;
    std::stop_source source;
    {
      Loop<H> loop;
      Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kAtOnce));
      std::optional<support::FailingAllocations> failing;
      const absl::Status entered = loop.executor().Enter([&](auto& on) {
        Traced item(log, 1);
        Traced captured(log, 2);
        failing.emplace(nth, times);
        try {
          Work(on, std::move(item), {})
              .WithDeadline(std::chrono::steady_clock::now() +
                            std::chrono::hours(1))
              .WithStopToken(source.get_token())
              .Then([&calls, captured = std::move(captured)](
                        auto&, absl::StatusOr<std::size_t>) {
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

// A callback of a name that can be looked for, of any kind.
struct TakesItsTime {
  template <class E, class... Args>
  void operator()(OnLoop<E>&, Args&&...) const {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
};

template <class H>
struct Co16_WhoBlocksTheLoopIsNamed {
  static constexpr char kRule[] =
      "With a stall hook every callback that took longer is told, with its "
      "type, or the line of its co_await, the thread and how long; without "
      "one, or if it was quick, none is";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    loop.harness().FollowClock();
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    std::vector<Stall> stalls;
    const auto hook_for = [&](std::chrono::nanoseconds longer_than) {
      StallHook hook;
      hook.longer_than = longer_than;
      hook.call = [](void* context, const Stall& stall) {
        static_cast<std::vector<Stall>*>(context)->push_back(stall);
      };
      hook.context = &stalls;
      return hook;
    };
    // In a report of a coroutine, or of another callback.
    const auto count = [&](const std::string& who, bool in_coroutine) {
      int found = 0;
      for (const Stall& stall : stalls) {
        const std::string text = Describe(stall);
        if ((stall.where.line() != 0) != in_coroutine ||
            text.find(who) == text.npos) {
          continue;
        }
        ++found;
        BOOST_TEST(stall.thread_id == support::ThisThread());
        BOOST_TEST((stall.duration >= std::chrono::milliseconds(2)), text);
      }
      return found;
    };
    support::Pipe pipe;
    Timer<E> timer;
    Watch<E> watch;
    const auto run_all = [&] {
      bool done = false;
      loop.Enter([&](auto& on) {
        Post(on, TakesItsTime());
        timer.StartAfter(on, std::chrono::milliseconds(0), TakesItsTime());
        RunInThread(on, [] {}).Then(TakesItsTime());
        RunInThread(on, [](Progress<int> progress) { progress.Report(1); })
            .OnProgress(TakesItsTime())
            .Then([](auto&, absl::Status) {});
        BOOST_TEST(
            watch.Start(on, pipe.reader.get(), Condition::kIn, TakesItsTime())
                .ok());
        Sleepy<E>(on).Then([&](auto&, absl::Status) { done = true; });
      });
      pipe.Write();
      workers->FinishAll();
      loop.TurnUntil([&] { return done && !timer.armed(); });
      loop.TurnALot();
      loop.Enter([&](auto& on) { watch.Stop(on); });
      pipe.Read(1);
    };
    run_all();
    loop.Enter([&](auto& on) {
      on.executor().SetStallHook(on, hook_for(std::chrono::hours(1)));
    });
    run_all();
    BOOST_TEST(stalls.empty());
    loop.Enter([&](auto& on) {
      on.executor().SetStallHook(on, hook_for(std::chrono::nanoseconds(0)));
    });
    run_all();
    // A post, a timer, a task, its progress, and a watch once at least.
    BOOST_TEST(count("TakesItsTime", false) >= 5);
    BOOST_TEST(count("composition_cases.h:", true) == 1);
    loop.Enter([&](auto& on) { on.executor().SetStallHook(on, {}); });
    stalls.clear();
    run_all();
    BOOST_TEST(stalls.empty());
  }

 private:
  template <class E>
  static Coro<E, void> Sleepy(OnLoop<E>& on) {
    absl::Status worked = co_await RunInThread(on, [] {});
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    co_return worked;
  }
};

template <class H>
void AddCompositionCases(Suite& suite) {
  suite.AddAll<
      Co01_ACoroutineGoesOnOnItsLoop<H>, Co01_AnErrorIsAResult<H>,
      Co02_AFrameThatEndsWhileItWaitsAbandonsItsTask<H>, Co03_ACoroIsLazy<H>,
      Co03_AbandoningACoroEndsItsFrames<H>, Co03_ACoroMayEndItself<H>,
      Co03_StartingWhatEndsTheCoroIsSafe<H>,
      Co04_AFrameEndsBeforeItsCompletionRuns<H>,
      Co05_WhatLeavesACoroReachesItsCompletion<H>,
      Co06_AwaitingAllocatesNothing<H>, Co07_AWorkerIsToldToStop<H>,
      Co07_AStopCallbackWakesAWorker<H>, Co08_CancelDoesNotWaitForTheWorker<H>,
      Co09_ADeadlineGivesATaskUp<H>, Co09_ADeadlineSaysWhereACoroutineIs<H>,
      Co10_AnOuterTokenCancels<H>, Co10_ATokenRacesWithTheEnd<H>,
      Co11_ProgressComesBeforeTheCompletion<H>, Co11_ProgressEndsWithItsTask<H>,
      Co11_AListenerMayEndItsTask<H>, Co11_WaitRefusesWhatHasAListener<H>,
      Co12_ProgressIsCoalesced<H>, Co13_AHopComesBack<H>,
      Co13_ATaskIsSeenFromAnotherLoop<H>, Co14_AHopIsCancelledThere<H>,
      Co15_AnyAllocationMayFail<H>, Co16_WhoBlocksTheLoopIsNamed<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_COMPOSITION_CASES_H_
