// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/group_cases.h
//
// GR: what several tasks as one promise, on any executor: WhenAll, WhenAny,
// TaskGroup, Retry, and the timers that are tasks.

#ifndef QIO_TESTS_CONFORMANCE_GROUP_CASES_H_
#define QIO_TESTS_CONFORMANCE_GROUP_CASES_H_

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/conformance/task_cases.h"
#include "qio/conformance/timer_cases.h"
#include "qio/coro.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/retry.h"
#include "qio/sleep.h"
#include "qio/status.h"
#include "qio/stop_token.h"
#include "qio/support/allocations.h"
#include "qio/support/loop_log.h"
#include "qio/task.h"
#include "qio/task_group.h"
#include "qio/task_scope.h"
#include "qio/timer.h"
#include "qio/when.h"

namespace qio::conformance {

// A task that starts nothing: the test ends it. Counts how often it was started
// and stopped.
template <class E, class T>
class HandTask : private DescribedHook {
 public:
  HandTask() {
    cancelled = [](CancelHook* hook) noexcept {
      auto& self = *static_cast<HandTask*>(hook);
      ++self.stops;
      self.completer_.reset();
    };
    describe = [](const DescribedHook*) { return std::string("the test"); };
  }

  QIOTask<E, T> Task(OnLoop<E>& on) {
    return MakeTask<T>(on, [this](auto& on, Completer<E, T> completer) {
      Start(on, std::move(completer));
    });
  }
  void Start(OnLoop<E>& on, Completer<E, T> completer) {
    ++starts;
    completer.SetCancelHook(on, this);
    completer_.emplace(std::move(completer));
  }

  void End(OnLoop<E>& on, TaskResult<T> result) {
    Completer<E, T> completer = *std::move(completer_);
    completer_.reset();
    std::move(completer).Complete(on, std::move(result));
  }

  int starts = 0, stops = 0;

 private:
  std::optional<Completer<E, T>> completer_;
};

template <class E, class T, std::size_t n>
std::vector<QIOTask<E, T>> TasksOf(OnLoop<E>& on,
                                   std::array<HandTask<E, T>, n>& hands) {
  std::vector<QIOTask<E, T>> tasks;
  for (HandTask<E, T>& hand : hands) tasks.push_back(hand.Task(on));
  return tasks;
}

// How often all of them were started, or stopped.
template <class Hands>
int StartsOf(const Hands& hands) {
  int starts = 0;
  for (const auto& hand : hands) starts += hand.starts;
  return starts;
}
template <class Hands>
int StopsOf(const Hands& hands) {
  int stops = 0;
  for (const auto& hand : hands) stops += hand.stops;
  return stops;
}

// A success of a task of T, of which `number` is part.
template <class T>
TaskResult<T> ResultOf(int number) {
  if constexpr (std::is_void_v<T>) {
    return absl::OkStatus();
  } else if constexpr (std::is_same_v<T, int>) {
    return number;
  } else {
    return std::make_unique<int>(number);
  }
}

inline absl::Status StatusIn(const absl::Status& result) { return result; }
template <class T>
absl::Status StatusIn(const absl::StatusOr<T>& result) {
  return result.status();
}

template <class E>
Coro<E, int> ReturnsLater(OnLoop<E>&, QIOTask<E, int> task) {
  co_return co_await std::move(task);
}

template <class H>
struct Gr01_AllResultsInTheirOrder {
  static constexpr char kRule[] =
      "WhenAll has the result of each task at its place, in whatever order "
      "they "
      "end, and not before the last has";

  static void Run() {
    std::array<int, 3> order{0, 1, 2};
    do {
      RunTuple(order);
    } while (std::next_permutation(order.begin(), order.end()));
    RunVector();
    RunNone();
  }

 private:
  using E = typename H::Executor;
  using Text = std::unique_ptr<std::string>;

  static void RunTuple(const std::array<int, 3>& order) {
    HandTask<E, int> number;
    HandTask<E, void> nothing;
    HandTask<E, Text> text;
    int calls = 0;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      WhenAll(on, ReturnsLater(on, number.Task(on)), nothing.Task(on),
              text.Task(on))
          .Then([&](auto&,
                    absl::StatusOr<std::tuple<int, std::monostate, Text>> all) {
            ++calls;
            BOOST_TEST_REQUIRE(all.ok());
            BOOST_TEST(std::get<0>(*all) == 7);
            BOOST_TEST(*std::get<2>(*all) == "seven");
          });
      BOOST_TEST(number.starts == 1);
      BOOST_TEST(nothing.starts == 1);
      BOOST_TEST(text.starts == 1);
    });
    for (const int which : order) {
      loop.TurnALot();
      BOOST_TEST(calls == 0);
      loop.Enter([&](auto& on) {
        if (which == 0) number.End(on, 7);
        if (which == 1) nothing.End(on, absl::OkStatus());
        if (which == 2) text.End(on, std::make_unique<std::string>("seven"));
        BOOST_TEST(calls == 0);
      });
    }
    loop.TurnUntil([&] { return calls == 1; });
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    BOOST_TEST(number.stops + nothing.stops + text.stops == 0);
    BOOST_TEST(Outstanding(loop) == 0);
  }

  static void RunVector() {
    // More than a block of the loop's memory holds.
    constexpr std::size_t kTasks = 200;
    std::array<HandTask<E, std::unique_ptr<int>>, kTasks> hands;
    int calls = 0;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      WhenAll(on, TasksOf(on, hands))
          .Then([&](auto&,
                    absl::StatusOr<std::vector<std::unique_ptr<int>>> all) {
            ++calls;
            BOOST_TEST_REQUIRE(all.ok());
            BOOST_TEST_REQUIRE(all->size() == kTasks);
            for (std::size_t i = 0; i < kTasks; ++i) {
              BOOST_TEST(*(*all)[i] == static_cast<int>(i));
            }
          });
    });
    // Every one, in a jumbled order.
    for (std::size_t i = 0; i < kTasks; ++i) {
      const std::size_t which = i * 77 % kTasks;
      BOOST_TEST(calls == 0);
      loop.Enter([&](auto& on) {
        hands[which].End(on, std::make_unique<int>(static_cast<int>(which)));
      });
      loop.harness().RunOnce();
    }
    loop.TurnUntil([&] { return calls == 1; });
    BOOST_TEST(StopsOf(hands) == 0);
  }

  static void RunNone() {
    int calls = 0;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      WhenAll(on).Then(
          [&](auto&, absl::StatusOr<std::tuple<>> all) { calls += all.ok(); });
      WhenAll(on, std::vector<QIOTask<E, int>>())
          .Then([&](auto&, absl::StatusOr<std::vector<int>> all) {
            calls += all.ok() && all->empty();
          });
      WhenAll(on, std::vector<QIOTask<E, void>>())
          .Then([&](auto&, absl::Status all) { calls += all.ok(); });
      BOOST_TEST(calls == 0);
    });
    loop.TurnUntil([&] { return calls == 3; });
  }
};

template <class H>
struct Gr02_TheFirstErrorCancelsTheRest {
  static constexpr char kRule[] =
      "The first error of a WhenAll is its result; the others are told, once, "
      "and have completed by then";

  static void Run() {
    for (std::size_t i = 0; i < kTasks; ++i) {
      for (const bool is_tuple : {false, true}) {
        RunOne<int>(i, is_tuple);
        RunOne<void>(i, is_tuple);
      }
    }
  }

 private:
  using E = typename H::Executor;
  static constexpr std::size_t kTasks = 4;

  template <class T>
  static void RunOne(std::size_t failing, bool is_tuple) {
    std::array<HandTask<E, T>, kTasks> hands;
    const std::size_t succeeding = (failing + 1) % kTasks;
    const std::size_t late = (failing + 2) % kTasks;
    absl::Status status;
    int calls = 0;
    std::int64_t outstanding = 0;
    Loop<H> loop;
    auto then = [&](auto& on, auto result) {
      ++calls;
      status = StatusIn(result);
      outstanding = on.executor().outstanding(on);
    };
    loop.Enter([&](auto& on) {
      if (is_tuple) {
        WhenAll(on, hands[0].Task(on), hands[1].Task(on), hands[2].Task(on),
                hands[3].Task(on))
            .Then(then);
      } else {
        WhenAll(on, TasksOf(on, hands)).Then(then);
      }
    });
    loop.Enter([&](auto& on) { hands[succeeding].End(on, ResultOf<T>(1)); });
    loop.TurnALot();
    loop.Enter([&](auto& on) {
      hands[failing].End(on, absl::NotFoundError("the first"));
      // In the same turn, behind it.
      hands[late].End(on, absl::DataLossError("the second"));
      BOOST_TEST(StopsOf(hands) == 0);
    });
    loop.TurnUntil([&] { return calls == 1; });
    BOOST_TEST(status == absl::NotFoundError("the first"));
    BOOST_TEST(StopsOf(hands) == 1);
    BOOST_TEST(hands[(failing + 3) % kTasks].stops == 1);
    BOOST_TEST(outstanding == 1);  // The whole, and nothing else.
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Gr02_AnErrorMayComeWhileTheRestStarts {
  static constexpr char kRule[] =
      "An error that comes while a WhenAll starts its tasks, of which one runs "
      "the loop, keeps the rest from starting and cancels that one";

  static void Run() {
    using E = typename H::Executor;
    std::array<HandTask<E, int>, 3> hands;
    absl::Status status;
    bool is_over = false;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      Post(on, [&](auto& on) {
        auto nesting =
            MakeTask<int>(on, [&](OnLoop<E>& on, Completer<E, int> completer) {
              hands[1].Start(on, std::move(completer));
              hands[0].End(on, absl::NotFoundError(""));
              // Behind that one's completion.
              Post(on, [&](auto& on) { loop.harness().Stop(on); });
              loop.harness().RunNested(on);
              BOOST_TEST(!is_over);
              BOOST_TEST(hands[1].stops == 0);
            });
        WhenAll(on, hands[0].Task(on), std::move(nesting), hands[2].Task(on))
            .Then([&](auto& on, auto result) {
              is_over = true;
              status = StatusIn(result);
              loop.harness().Stop(on);
            });
      });
    });
    loop.harness().Run();
    BOOST_TEST(is_over);
    BOOST_TEST(absl::IsNotFound(status));
    BOOST_TEST(hands[1].stops == 1);
    BOOST_TEST(hands[2].starts == 0);
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Gr03_TheFirstOfAnyWins {
  static constexpr char kRule[] =
      "WhenAny has the result of the first task to complete, be it an error, "
      "and says which it was; the others are told, once, and have completed by "
      "then";

  static void Run() {
    for (std::size_t i = 0; i < kTasks; ++i) {
      for (const bool is_vector : {false, true}) {
        for (const bool is_error : {false, true}) {
          RunOne<std::unique_ptr<int>>(i, is_vector, is_error);
          RunOne<void>(i, is_vector, is_error);
        }
      }
    }
  }

 private:
  using E = typename H::Executor;
  static constexpr std::size_t kTasks = 3;

  template <class T>
  static void RunOne(std::size_t first, bool is_vector, bool is_error) {
    std::array<HandTask<E, T>, kTasks> hands;
    int calls = 0;
    std::int64_t outstanding = 0;
    Loop<H> loop;
    auto then = [&](auto& on, absl::StatusOr<Winner<T>> any) {
      ++calls;
      outstanding = on.executor().outstanding(on);
      BOOST_TEST_REQUIRE(any.ok());
      BOOST_TEST(any->index == first);
      BOOST_TEST(StatusIn(any->result) ==
                 (is_error ? absl::DataLossError("") : absl::OkStatus()));
      if constexpr (!std::is_void_v<T>) {
        if (any->result.ok()) BOOST_TEST(**any->result == 5);
      }
    };
    loop.Enter([&](auto& on) {
      if (is_vector) {
        WhenAny(on, TasksOf(on, hands)).Then(then);
      } else {
        WhenAny(on, hands[0].Task(on), hands[1].Task(on), hands[2].Task(on))
            .Then(then);
      }
      BOOST_TEST(StartsOf(hands) == 3);
    });
    loop.TurnALot();
    BOOST_TEST(calls == 0);
    loop.Enter([&](auto& on) {
      TaskResult<T> result = absl::DataLossError("");
      if (!is_error) result = ResultOf<T>(5);
      hands[first].End(on, std::move(result));
      // In the same turn, behind it.
      hands[(first + 1) % kTasks].End(on, ResultOf<T>(6));
    });
    loop.TurnUntil([&] { return calls == 1; });
    BOOST_TEST(StopsOf(hands) == 1);
    BOOST_TEST(hands[(first + 2) % kTasks].stops == 1);
    BOOST_TEST(outstanding == 1);  // The whole, and nothing else.
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Gr03_LateResultsAreDestroyedOnce {
  static constexpr char kRule[] =
      "Of workers that all have returned, one wins, and what the others "
      "returned is destroyed once";

  static void Run() {
    constexpr int kTasks = 5;
    LoopLog results, log;
    absl::Status status = absl::UnknownError("");
    Loop<H> loop;
    const auto workers = Use(loop, std::make_shared<HandWorkers>());
    loop.Enter([&](auto& on) {
      std::vector<QIOTask<typename H::Executor, Traced>> tasks;
      for (int i = 0; i < kTasks; ++i) {
        tasks.push_back(RunInThread(
            on, [](LoopLog* log, int i) { return Traced(*log, i); },
            AssumeSendable(&results), i));
      }
      ThenItem(WhenAny(on, std::move(tasks)), nullptr, log, 1, &status);
    });
    workers->FinishAll();
    loop.TurnUntil([&] { return log.Count(What::kDestroyed) == 1; });
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    BOOST_TEST(status.ok());
    BOOST_TEST(results.Count(What::kDestroyed) == kTasks);
    BOOST_TEST(results.OnceEach() == "");
  }
};

template <class H>
struct Gr03_NobodyWinsAmongNone {
  static constexpr char kRule[] = "WhenAny of no tasks is an error";

  static void Run() {
    absl::Status status;
    bool is_over = false;
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      WhenAny(on, std::vector<QIOTask<typename H::Executor, int>>())
          .Then([&](auto&, absl::StatusOr<Winner<int>> any) {
            is_over = true;
            status = any.status();
          });
    });
    loop.TurnUntil([&] { return is_over; });
    BOOST_TEST(absl::IsInvalidArgument(status));
  }
};

// Wholes of tasks that the test ends, to be ended themselves.
template <class E>
class Wholes {
 public:
  enum Kind { kTuple, kVector, kVoids, kAny, kRetry, kNested, kKinds };
  static constexpr std::size_t kTasks = 3;

  // A whole of which `done` tells how it came out.
  template <class Done>
  TaskHandle<E> Start(OnLoop<E>& on, Kind kind, TaskScope<E>* scope,
                      Done done) {
    auto then = [&](auto task) {
      auto completion = [done = std::move(done)](OnLoop<E>&, auto result) {
        done(StatusIn(result));
      };
      return scope != nullptr
                 ? std::move(task).Then(*scope, std::move(completion))
                 : std::move(task).Then(std::move(completion));
    };
    auto& h = hands;
    switch (kind) {
      case kTuple:
        return then(WhenAll(on, h[0].Task(on), h[1].Task(on), h[2].Task(on)));
      case kVector:
        return then(WhenAll(on, TasksOf(on, h)));
      case kVoids:
        return then(WhenAll(on, TasksOf(on, voids)));
      case kAny:
        return then(WhenAny(on, h[0].Task(on), h[1].Task(on), h[2].Task(on)));
      case kRetry:
        return then(Retry(on, {.attempts_max = 3}, [this](OnLoop<E>& try_on) {
          return WhenAll(try_on, TasksOf(try_on, voids));
        }));
      case kNested:
        return then(WhenAll(on, WhenAny(on, h[0].Task(on), h[1].Task(on)),
                            h[2].Task(on),
                            SleepFor(on, std::chrono::hours(1))));
      case kKinds:
        break;
    }
    return TaskHandle<E>();
  }

  std::array<HandTask<E, int>, kTasks> hands;
  std::array<HandTask<E, void>, kTasks> voids;

  int starts() const { return StartsOf(hands) + StartsOf(voids); }
  int stops() const { return StopsOf(hands) + StopsOf(voids); }
};

template <class H>
struct Gr04_TheWholeTakesAllAlong {
  static constexpr char kRule[] =
      "Cancelled, or ended with its scope or executor, a whole stops all its "
      "tasks there and then, whatever it is made of";

  static void Run() {
    for (int kind = 0; kind < Wholes<E>::kKinds; ++kind) {
      for (const End end : {End::kCancel, End::kScope, End::kExecutor}) {
        RunOne(static_cast<typename Wholes<E>::Kind>(kind), end);
      }
    }
  }

 private:
  using E = typename H::Executor;
  enum class End { kCancel, kScope, kExecutor };

  static void RunOne(typename Wholes<E>::Kind kind, End end) {
    Wholes<E> wholes;
    LoopLog log;
    absl::Status status;
    Loop<H> loop;
    std::optional<TaskScope<E>> scope;
    TaskHandle<E> handle;
    loop.Enter([&](auto& on) {
      scope.emplace(on);
      handle = wholes.Start(on, kind, &*scope,
                            [&, item = Traced(log, 1)](const absl::Status& s) {
                              item.Run([&] { status = s; });
                            });
      BOOST_TEST(wholes.starts() == 3);
    });
    loop.TurnALot();
    loop.Enter([&](auto& on) {
      if (end == End::kCancel) BOOST_TEST(handle.Cancel(on));
      if (end == End::kScope) scope.reset();
    });
    if (end == End::kExecutor) loop.DestroyExecutor();
    BOOST_TEST_REQUIRE(wholes.stops() == 3, "of kind " << kind);
    BOOST_TEST(log.Count(What::kStarted) == 0);
    if (end != End::kExecutor) {
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
    }
    BOOST_TEST(log.Count(What::kStarted) == (end == End::kCancel));
    BOOST_TEST(absl::IsCancelled(status) == (end == End::kCancel));
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(wholes.starts() == 3);
    BOOST_TEST(wholes.stops() == 3);
  }
};

template <class H>
struct Gr04_NothingStartsAfterTheEnd {
  static constexpr char kRule[] =
      "A whole that ends while it starts its tasks starts no more of them; one "
      "that is never started starts none, and destroys their inputs";

  static void Run() {
    using E = typename H::Executor;
    for (int kind = 0; kind < 4; ++kind) {
      LoopLog log;
      std::array<HandTask<E, int>, 2> hands;
      Loop<H> loop;
      std::optional<TaskScope<E>> scope;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        std::vector<QIOTask<E, int>> tasks;
        tasks.push_back(hands[0].Task(on));
        tasks.push_back(MakeTask<int>(
            on, [&](OnLoop<E>&, Completer<E, int>) { scope.reset(); }));
        tasks.push_back(hands[1].Task(on));
        if (kind == 0) ThenItem(WhenAll(on, std::move(tasks)), &*scope, log, 1);
        if (kind == 1) ThenItem(WhenAny(on, std::move(tasks)), &*scope, log, 1);
        if (kind == 2) {
          ThenItem(WhenAll(on, std::move(tasks[0]), std::move(tasks[1]),
                           std::move(tasks[2])),
                   &*scope, log, 1);
        }
        if (kind == 3) {
          (void)WhenAll(
              on, hands[0].Task(on),
              RunInThread(on, [](Traced item) { item.Run(); }, Traced(log, 1)));
        }
      });
      loop.TurnALot();
      BOOST_TEST(hands[0].starts == (kind != 3));
      BOOST_TEST(hands[0].stops == (kind != 3));
      BOOST_TEST(hands[1].starts == 0, "of kind " << kind);
      BOOST_TEST(log.NoneCalled() == "");
      BOOST_TEST(log.OnceEach() == "");
      BOOST_TEST(Outstanding(loop) == 0);
    }
  }
};

template <class H>
struct Gr05_AGroupKeepsToItsLimit {
  static constexpr char kRule[] =
      "A group runs no more tasks at a time than its limit; the others wait, "
      "unstarted, and start in their order, each when a completion has "
      "returned";

  static void Run() {
    // A limit below one is one.
    for (const int limit : {0, 1, 3, 100}) RunOne(limit);
  }

 private:
  using E = typename H::Executor;
  static constexpr int kTasks = 12;

  static void RunOne(int limit) {
    std::array<HandTask<E, int>, kTasks> hands;
    const int running_max = std::clamp(limit, 1, kTasks);
    int calls = 0;
    Loop<H> loop;
    std::optional<TaskGroup<E>> group;
    auto expected = [&](int done) {
      return std::min(done + running_max, kTasks);
    };
    loop.Enter([&](auto& on) {
      group.emplace(on, limit);
      for (auto& hand : hands) {
        group->Add(on, hand.Task(on), [&](auto&, absl::StatusOr<int> result) {
          BOOST_TEST(result.ok());
          BOOST_TEST(StartsOf(hands) == expected(calls));
          ++calls;
        });
      }
      BOOST_TEST(group->running() == running_max);
      BOOST_TEST(group->waiting() == kTasks - running_max);
    });
    std::vector<std::size_t> running;
    for (int done = 0; done < kTasks; ++done) {
      // Those first in line have been started, and no others.
      for (int i = 0; i < kTasks; ++i) {
        const auto at = static_cast<std::size_t>(i);
        BOOST_TEST(hands[at].starts == (i < expected(done)));
        if (i < expected(done) &&
            static_cast<int>(running.size()) + done <= i) {
          running.push_back(at);
        }
      }
      // One of them ends.
      const auto which = running.begin() + done * 5 % std::ssize(running);
      loop.Enter([&](auto& on) { hands[*which].End(on, done); });
      running.erase(which);
      loop.TurnUntil([&] { return calls == done + 1; });
      loop.TurnALot();
      BOOST_TEST(calls == done + 1);
    }
    BOOST_TEST(group->running() == 0);
    BOOST_TEST(group->waiting() == 0);
    BOOST_TEST(StopsOf(hands) == 0);
    BOOST_TEST(Outstanding(loop) == 0);
    loop.Enter([&](auto&) { group.reset(); });
  }
};

template <class H>
struct Gr06_TheFirstErrorEndsTheGroup {
  static constexpr char kRule[] =
      "The first error of a group cancels what runs, and what waits never "
      "starts: each completes once, with kCancelled, as does what is added "
      "later; Join has that error when all have completed, and then the group "
      "is as new";

  static void Run() {
    for (const bool joins_early : {false, true}) {
      for (const bool is_cancelled : {false, true}) {
        RunOne(joins_early, is_cancelled);
      }
    }
  }

 private:
  using E = typename H::Executor;
  static constexpr std::size_t kTasks = 6;
  static constexpr int kRunning = 3;

  static void RunOne(bool joins_early, bool is_cancelled) {
    LoopLog log;
    std::array<HandTask<E, int>, kTasks> hands;
    HandTask<E, int> late, anew;
    std::array<absl::Status, kTasks> statuses;
    absl::Status late_status, error;
    int completed_before_join = -1;
    Loop<H> loop;
    std::optional<TaskGroup<E>> group;
    auto add = [&](auto& on, HandTask<E, int>& hand, int item,
                   absl::Status& status) {
      group->Add(
          on, hand.Task(on),
          [&, traced = Traced(log, item)](auto&, absl::StatusOr<int> result) {
            traced.Run([&] { status = result.status(); });
          });
    };
    auto join = [&](auto& on) {
      group->Join(on).Then([&](auto&, absl::Status result) {
        completed_before_join = log.Count(What::kDestroyed);
        error = result;
      });
    };
    loop.Enter([&](auto& on) {
      group.emplace(on, kRunning);
      for (std::size_t i = 0; i < kTasks; ++i) {
        add(on, hands[i], static_cast<int>(i), statuses[i]);
      }
      if (joins_early) join(on);
    });
    loop.TurnALot();
    BOOST_TEST(completed_before_join == -1);
    loop.Enter([&](auto& on) {
      if (is_cancelled) {
        group->Cancel(on);
        BOOST_TEST(StopsOf(hands) == kRunning);
      } else {
        hands[1].End(on, absl::NotFoundError("the first"));
        hands[2].End(on, absl::DataLossError("the second"));
      }
      BOOST_TEST(log.Count(What::kStarted) == 0);
    });
    loop.TurnUntil([&] { return log.Count(What::kStarted) > 0; });
    // What is added when the error is known, and not told yet.
    if (completed_before_join == -1) {
      loop.Enter([&](auto& on) { add(on, late, kTasks, late_status); });
      BOOST_TEST(log.Count(What::kStarted, kTasks) == 0);
      BOOST_TEST(late.starts == 0);
      loop.TurnUntil([&] { return log.Count(What::kDestroyed, kTasks) == 1; });
      BOOST_TEST(absl::IsCancelled(late_status));
    }
    const int added = log.Count(What::kDestroyed, kTasks);
    loop.TurnUntil([&] { return group->running() == 0; });
    if (!joins_early) loop.Enter([&](auto& on) { join(on); });
    loop.TurnUntil([&] { return completed_before_join != -1; });
    BOOST_TEST(completed_before_join == static_cast<int>(kTasks) + added);
    const absl::Status first = is_cancelled ? absl::CancelledError()
                                            : absl::NotFoundError("the first");
    BOOST_TEST(error == first);
    for (std::size_t i = 0; i < kTasks; ++i) {
      const bool is_first = i == 1 && !is_cancelled;
      BOOST_TEST(hands[i].starts == (i < kRunning));
      if (is_first) {
        BOOST_TEST(statuses[i] == first);
      } else {
        BOOST_TEST(absl::IsCancelled(statuses[i]));
      }
    }
    BOOST_TEST(hands[0].stops == 1);
    BOOST_TEST(log.AllCalledOnce() == "");
    // As new.
    loop.Enter([&](auto& on) {
      add(on, anew, 100, late_status);
      BOOST_TEST(anew.starts == 1);
      completed_before_join = -1;
      join(on);
      anew.End(on, 1);
    });
    loop.TurnUntil([&] { return completed_before_join != -1; });
    BOOST_TEST(error.ok());
    BOOST_TEST(late_status.ok());
    loop.Enter([&](auto&) { group.reset(); });
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Gr06_JoinWaitsForAll {
  static constexpr char kRule[] =
      "Join waits for all tasks, those added meanwhile too, for whoever asks; "
      "cancelled, it no longer waits and the group goes on; a task of a group "
      "may be cancelled by its handle";

  static void Run() {
    using E = typename H::Executor;
    LoopLog log;
    std::array<HandTask<E, void>, 3> hands;
    std::array<absl::Status, 3> statuses;
    Loop<H> loop;
    std::optional<TaskGroup<E>> group;
    TaskHandle<E> given_up, waiting;
    loop.Enter([&](auto& on) {
      group.emplace(on, 2);
      ThenItem(group->Join(on), nullptr, log, 10);  // Of an empty group.
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded, 10) == 1; });
    loop.Enter([&](auto& on) {
      group->Add(on, hands[0].Task(on));
      given_up = ThenItem(group->Join(on), nullptr, log, 0, &statuses[0]);
      ThenItem(group->Join(on), nullptr, log, 1, &statuses[1]);
      group->Add(on, hands[1].Task(on));
      waiting = group->Add(on, hands[2].Task(on));
      BOOST_TEST(group->waiting() == 1);
      BOOST_TEST(given_up.Cancel(on));
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded, 0) == 1; });
    BOOST_TEST(absl::IsCancelled(statuses[0]));
    BOOST_TEST(StopsOf(hands) == 0);
    loop.Enter([&](auto& on) { hands[1].End(on, absl::OkStatus()); });
    loop.TurnUntil([&] { return hands[2].starts == 1; });
    loop.Enter([&](auto& on) { hands[0].End(on, absl::OkStatus()); });
    loop.TurnALot();
    BOOST_TEST(log.Count(What::kEnded, 1) == 0);
    loop.Enter([&](auto& on) { BOOST_TEST(waiting.Cancel(on)); });
    loop.TurnUntil([&] { return log.Count(What::kEnded, 1) == 1; });
    BOOST_TEST(hands[2].stops == 1);
    BOOST_TEST(absl::IsCancelled(statuses[1]));
    loop.Enter([&](auto&) { group.reset(); });
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Gr07_NothingOfAGroupRunsAfterIt {
  static constexpr char kRule[] =
      "Destroying a group destroys its completions there and then: none runs, "
      "what runs is told, what waits never starts; a Join that still waits "
      "completes with kAborted";

  static void Run() {
    using E = typename H::Executor;
    constexpr std::size_t kTasks = 8;
    constexpr int kRunning = 4;
    LoopLog log;
    std::array<HandTask<E, int>, kTasks> hands;
    absl::Status joined;
    Loop<H> loop;
    std::optional<TaskGroup<E>> group;
    std::vector<TaskHandle<E>> handles;
    loop.Enter([&](auto& on) {
      group.emplace(on, kRunning);
      for (std::size_t i = 0; i < kTasks; ++i) {
        handles.push_back(
            group->Add(on, hands[i].Task(on),
                       [item = Traced(log, static_cast<int>(i))](
                           auto&, absl::StatusOr<int>) { item.Run(); }));
      }
      ThenItem(group->Join(on), nullptr, log, 100, &joined);
      hands[0].End(on, 1);
    });
    // A task that had to wait runs.
    loop.TurnUntil([&] { return hands[kRunning].starts == 1; });
    loop.Enter([&](auto& on) {
      hands[1].End(on, 1);                         // Its result is on its way;
      BOOST_TEST(handles[2].Cancel(on));           // was cancelled,
      BOOST_TEST(handles[kTasks - 1].Cancel(on));  // so was this, unstarted.
      group.reset();
      BOOST_TEST(log.Count(What::kDestroyed) == static_cast<int>(kTasks));
      BOOST_TEST(StopsOf(hands) == 3);
    });
    BOOST_TEST(log.Count(What::kStarted) == 1);
    loop.TurnUntil([&] { return log.Count(What::kEnded, 100) == 1; });
    loop.TurnALot();
    BOOST_TEST(absl::IsAborted(joined));
    BOOST_TEST(log.Count(What::kStarted) == 2);
    BOOST_TEST(StartsOf(hands) == kRunning + 1);
    BOOST_TEST(StopsOf(hands) == 3);
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(Outstanding(loop) == 0);
  }
};

template <class H>
struct Gr07_AGroupMayEndInItsOwnCompletion {
  static constexpr char kRule[] =
      "A group may be destroyed by one of its completions, or by what that "
      "held, or by an operation that it cancels";

  static void Run() {
    using E = typename H::Executor;
    enum Way { kCalled, kHeld, kFailing, kCancelled, kStopped, kWays };
    for (int way = 0; way < kWays; ++way) {
      LoopLog log;
      std::array<HandTask<E, int>, 6> hands;
      Loop<H> loop;
      auto group = std::make_shared<std::optional<TaskGroup<E>>>();
      loop.Enter([&](auto& on) {
        TaskGroup<E>& g = group->emplace(on, 4);
        if (way >= kCancelled) {
          g.Add(on, MakeTask<int>(on, EndsWhenStopped<E>(*group)));
        }
        for (std::size_t i = 0; i < hands.size(); ++i) {
          // The second one ends it.
          g.Add(on, hands[i].Task(on),
                [&, way, i, at_end = AtEnd([&, way, i] {
                              if (way == kHeld && i == 1) group->reset();
                            }),
                 item = Traced(log, static_cast<int>(i))](auto&,
                                                          absl::StatusOr<int>) {
                  item.Run([&] {
                    if (way == kHeld || way >= kCancelled || i != 1) return;
                    group->reset();
                    BOOST_TEST(log.Count(What::kDestroyed) == 5);
                  });
                });
        }
        hands[0].End(on, 1);
      });
      loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
      loop.Enter([&](auto& on) {
        if (way == kCancelled) {
          // The first that is told ends the group.
          (*group)->Cancel(on);
          BOOST_TEST(!group->has_value());
          return;
        }
        if (way == kFailing || way == kStopped) {
          hands[1].End(on, absl::NotFoundError(""));
        } else {
          hands[1].End(on, 1);
        }
      });
      loop.TurnUntil([&] { return !group->has_value(); });
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      BOOST_TEST(log.Count(What::kStarted) == (way >= kCancelled ? 1 : 2));
      BOOST_TEST(log.OnceEach() == "");
    }
  }

 private:
  // An operation that ends the group when it is stopped.
  template <class E>
  class EndsWhenStopped : private CancelHook {
   public:
    explicit EndsWhenStopped(std::optional<TaskGroup<E>>& group)
        : group_(&group) {}

    void operator()(OnLoop<E>& on, Completer<E, int> completer) {
      auto* self = new EndsWhenStopped(*this);
      self->cancelled = [](CancelHook* hook) noexcept {
        std::unique_ptr<EndsWhenStopped> self(
            static_cast<EndsWhenStopped*>(hook));
        self->group_->reset();
      };
      completer.SetCancelHook(on, self);
      self->completer_ =
          std::make_shared<Completer<E, int>>(std::move(completer));
    }

   private:
    std::optional<TaskGroup<E>>* group_;
    std::shared_ptr<Completer<E, int>> completer_;
  };
};

template <class H>
struct Gr07_AGroupMayOutliveItsExecutor {
  static constexpr char kRule[] =
      "When the executor ends, so do the completions of its groups, and what "
      "waits never starts; a group may be destroyed later, and one that its "
      "own "
      "completions keep alive ends there too";

  static void Run() {
    using E = typename H::Executor;
    for (const bool is_held : {false, true}) {
      LoopLog log;
      std::array<HandTask<E, int>, 6> hands;
      auto group = std::make_shared<std::optional<TaskGroup<E>>>();
      {
        Loop<H> loop;
        loop.Enter([&](auto& on) {
          group->emplace(on, 2);
          for (std::size_t i = 0; i < hands.size(); ++i) {
            (*group)->Add(on, hands[i].Task(on),
                          [item = Traced(log, static_cast<int>(i)),
                           held = is_held ? group : nullptr](
                              auto&, absl::StatusOr<int>) {});
          }
          ThenItem((*group)->Join(on), nullptr, log, 100);
        });
        // One that had to wait runs.
        loop.Enter([&](auto& on) { hands[1].End(on, 1); });
        loop.TurnUntil([&] { return hands[2].starts == 1; });
        if (is_held) group.reset();
        loop.DestroyExecutor();
        BOOST_TEST(log.Count(What::kDestroyed) ==
                   static_cast<int>(hands.size()) + 1);
        BOOST_TEST(StartsOf(hands) == 3);
        BOOST_TEST(StopsOf(hands) == 2);
      }
      if (!is_held) BOOST_TEST((*group)->running() == 0);
      group.reset();
      BOOST_TEST(StartsOf(hands) == 3);
      BOOST_TEST(log.NoneCalled() == "");
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Gr08_RetryTriesAgainWhatMayPass {
  static constexpr char kRule[] =
      "Retry makes another attempt after an error that may pass, as many as it "
      "may, and none after any other; its error is the last, code, payloads "
      "and all, and says how many attempts there were";

  static void Run() {
    using Code = absl::StatusCode;
    const auto refused = ErrnoStatus(ECONNREFUSED, "connect");
    Expect({absl::OkStatus()}, 5, 1, Code::kOk, "");
    Expect({refused, refused, absl::OkStatus()}, 5, 3, Code::kOk, "");
    Expect(
        {absl::ResourceExhaustedError(""), absl::DeadlineExceededError(""),
         absl::AbortedError(""), absl::UnavailableError(""), absl::OkStatus()},
        9, 5, Code::kOk, "");
    Expect({refused}, 4, 4, Code::kUnavailable,
           "connect: Connection refused (attempt 4 of 4)", ECONNREFUSED);
    Expect({refused}, 0, 1, Code::kUnavailable,
           "connect: Connection refused (attempt 1 of 1)", ECONNREFUSED);
    Expect({refused, absl::NotFoundError("nobody")}, 4, 2, Code::kNotFound,
           "nobody (attempt 2 of 4)");
    for (const Code code : {Code::kCancelled, Code::kUnknown,
                            Code::kInvalidArgument, Code::kInternal}) {
      Expect({absl::Status(code, "no")}, 4, 1, code, "no (attempt 1 of 4)");
    }
    auto is_internal = [](const absl::Status& error) {
      return absl::IsInternal(error);
    };
    Expect({absl::InternalError(""), refused}, 9, 2, Code::kUnavailable,
           "connect: Connection refused (attempt 2 of 9)", ECONNREFUSED,
           is_internal);
    RunThrowing();
    RunGivenUp();
  }

 private:
  using E = typename H::Executor;

  // Attempt i comes to outcomes[i], and the last for ever.
  static void Expect(const std::vector<absl::Status>& outcomes,
                     int attempts_max, std::size_t attempts,
                     absl::StatusCode code, const std::string& text,
                     int error_number = 0,
                     bool (*retryable)(const absl::Status&) = &IsRetryable) {
    std::size_t made = 0;
    bool is_over = false;
    absl::StatusOr<std::unique_ptr<int>> result;
    TimerLoop<H> loop;
    RetryOptions options;
    options.attempts_max = attempts_max;
    options.first_delay = std::chrono::nanoseconds(0);
    options.retryable = retryable;
    loop.Enter([&](auto& on) {
      Retry(on, options, [&](OnLoop<E>& on) {
        const std::size_t at = std::min(made++, outcomes.size() - 1);
        return MakeTask<std::unique_ptr<int>>(
            on,
            [status = outcomes[at]](
                OnLoop<E>& on, Completer<E, std::unique_ptr<int>> completer) {
              absl::StatusOr<std::unique_ptr<int>> outcome(nullptr);
              if (!status.ok()) outcome = status;
              std::move(completer).Complete(on, std::move(outcome));
            });
      }).Then([&](auto&, absl::StatusOr<std::unique_ptr<int>> outcome) {
        is_over = true;
        result = std::move(outcome);
      });
      BOOST_TEST(!is_over);
    });
    loop.TurnUntil([&] { return is_over; });
    loop.TurnALot();
    BOOST_TEST(made == attempts);
    BOOST_TEST((result.status().code() == code), result.status().ToString());
    BOOST_TEST(std::string(result.status().message()) == text);
    BOOST_TEST(Errno(result.status()) == error_number);
    BOOST_TEST(Outstanding(loop) == 0);
  }

  // What is thrown to make an attempt is its end.
  static void RunThrowing() {
    for (int throwing = 1; throwing <= 2; ++throwing) {
      LoopLog log;
      absl::Status status;
      int made = 0;
      TimerLoop<H> loop;
      loop.Enter([&](auto& on) {
        ThenItem(Retry(on, {.first_delay = std::chrono::nanoseconds(0)},
                       [&](OnLoop<E>& on) {
                         if (++made == throwing)
                           throw std::runtime_error("no tape");
                         return MakeTask<void>(
                             on,
                             [](OnLoop<E>& on, Completer<E, void> completer) {
                               std::move(completer).Complete(
                                   on, absl::UnavailableError(""));
                             });
                       }),
                 nullptr, log, 1, &status);
      });
      loop.TurnUntil([&] { return log.Count(What::kDestroyed) == 1; });
      BOOST_TEST(made == throwing);
      BOOST_TEST(absl::IsUnknown(status));
      BOOST_TEST((status.ToString().find("no tape") != std::string::npos));
      BOOST_TEST(Outstanding(loop) == 0);
    }
  }

  // Between two attempts.
  static void RunGivenUp() {
    for (const bool is_cancelled : {false, true}) {
      LoopLog log;
      absl::Status status;
      int made = 0;
      TimerLoop<H> loop;
      std::optional<TaskScope<E>> scope;
      TaskHandle<E> handle;
      loop.Enter([&](auto& on) {
        scope.emplace(on);
        handle = ThenItem(
            Retry(on, {.first_delay = std::chrono::hours(1)},
                  [&, item = Traced(log, 2)](OnLoop<E>& on) {
                    ++made;
                    return MakeTask<void>(
                        on, [](OnLoop<E>& on, Completer<E, void> completer) {
                          std::move(completer).Complete(
                              on, absl::UnavailableError(""));
                        });
                  }),
            &*scope, log, 1, &status);
      });
      loop.TurnALot();
      BOOST_TEST(Outstanding(loop) == 2);  // With its timer.
      loop.Enter([&](auto& on) {
        if (is_cancelled) {
          BOOST_TEST(handle.Cancel(on));
        } else {
          scope.reset();
        }
      });
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      BOOST_TEST(made == 1);
      BOOST_TEST(absl::IsCancelled(status) == is_cancelled);
      BOOST_TEST(log.Count(What::kStarted) == is_cancelled);
      BOOST_TEST(log.OnceEach() == "");
    }
  }
};

template <class H>
struct Gr09_DelaysGrowToTheirCap {
  static constexpr char kRule[] =
      "Between two attempts there is the first delay, then the factor times as "
      "much, up to the cap; with jitter up to its share less, and never more";

  static void Run() {
    RunOne(0);
    RunOne(0.5);
  }

 private:
  using E = typename H::Executor;
  using Ms = std::chrono::milliseconds;

  static void RunOne(double jitter) {
    constexpr std::array<Ms, 5> kDelays{Ms(4), Ms(12), Ms(20), Ms(20), Ms(20)};
    std::size_t made = 0;
    bool is_over = false, was_early = false, was_late = false;
    bool lower_passed = true, upper_passed = false;
    TimerLoop<H> loop;
    // Timers go by their deadlines: the attempt comes between these two.
    Timer<E> lower, upper;
    RetryOptions options;
    options.attempts_max = static_cast<int>(kDelays.size()) + 1;
    options.first_delay = kDelays[0];
    options.factor = 3;
    options.delay_max = kDelays.back();
    options.jitter = jitter;
    options.seed = 7;
    auto fail = [&](OnLoop<E>& on, Completer<E, void> completer) {
      lower_passed = upper_passed = made > kDelays.size();
      if (made <= kDelays.size()) {
        const Ms delay = kDelays[made - 1];
        lower.StartAfter(on, delay * (1 - jitter) - Ms(1),
                         [&](auto&) { lower_passed = true; });
        // Behind the completion, which is what starts the delay.
        Post(on, [&, delay](OnLoop<E>& on) {
          upper.StartAfter(on, delay + Ms(1),
                           [&](auto&) { upper_passed = true; });
        });
      }
      std::move(completer).Complete(on, absl::UnavailableError(""));
    };
    loop.Enter([&](auto& on) {
      Retry(on, options, [&](OnLoop<E>& on) {
        if (made++ > 0) {
          was_early |= !lower_passed;
          was_late |= upper_passed;
          upper.Stop(on);
        }
        return MakeTask<void>(on, fail);
      }).Then([&](auto&, absl::Status) { is_over = true; });
    });
    loop.TurnUntil([&] { return is_over; });
    BOOST_TEST(made == kDelays.size() + 1);
    BOOST_TEST(!was_early);
    BOOST_TEST(!was_late);
    loop.Enter([&](auto& on) { lower.Stop(on), upper.Stop(on); });
  }
};

template <class H>
struct Gr09_JitterIsWithinItsShare {
  static constexpr char kRule[] =
      "The random share of delays is that which was asked for, and is decided "
      "by the seed";

  static void Run() {
    for (const double jitter : {-1.0, 0.0, 0.25, 1.0, 8.0}) {
      const double share = std::clamp(jitter, 0.0, 1.0);
      double least = 1, most = 0;
      for (std::uint64_t seed = 0; seed < 100; ++seed) {
        auto first = Make(jitter, seed), again = Make(jitter, seed);
        std::int64_t planned = 1'000'000;
        for (int i = 0; i < 12; ++i) {
          const std::int64_t ns = first.NextNs();
          BOOST_TEST(ns == again.NextNs());
          const double part =
              static_cast<double>(ns) / static_cast<double>(planned);
          least = std::min(least, part);
          most = std::max(most, part);
          planned = std::min<std::int64_t>(planned * 2, 1'000'000'000);
        }
      }
      BOOST_TEST(least >= 1 - share - 1e-5);
      BOOST_TEST(least <= 1 - share * 0.9);
      BOOST_TEST(most <= 1);
      BOOST_TEST(most >= 1 - share * 0.1);
    }
    // The longest there is overflows nothing.
    RetryOptions options;
    options.first_delay = options.delay_max = std::chrono::hours::max();
    options.factor = 1e300;
    options.jitter = 0;
    internal_retry::Delays delays(options, 1);
    for (int i = 0; i < 3; ++i) BOOST_TEST(delays.NextNs() > 0);
  }

 private:
  static internal_retry::Delays Make(double jitter, std::uint64_t seed) {
    RetryOptions options;
    options.first_delay = std::chrono::milliseconds(1);
    options.delay_max = std::chrono::seconds(1);
    options.jitter = jitter;
    return internal_retry::Delays(options, seed);
  }
};

template <class H>
struct Gr10_AnyAllocationMayFail {
  static constexpr char kRule[] =
      "Whichever allocation fails while tasks are put together and run, once "
      "or from then on: what was thrown ended its tasks, nothing leaks, and "
      "what started completes once";

  static void Run() {
    for (int kind = 0; kind < kKinds; ++kind) {
      for (const int times : {1, support::FailingAllocations::kForEver}) {
        int nth = 0;
        while (RunFailing(kind, nth, times)) ++nth;
        BOOST_TEST(nth > 2, "of kind " << kind);
      }
    }
  }

 private:
  using E = typename H::Executor;
  enum Kind { kTuple, kVector, kAny, kGroup, kRetry, kKinds };

  static auto Work(OnLoop<E>& on, LoopLog& log, int item) {
    return RunInThread(
        on,
        [](std::array<char, 300>, Traced input) {
          input.Run();
          return std::string(100, 'x');
        },
        std::array<char, 300>{}, Traced(log, item));
  }

  // False: no allocation has failed.
  static bool RunFailing(int kind, int nth, int times) {
    LoopLog log;
    bool bit = false, has_thrown = false;
    int calls = 0, expected = 0;
    {
      TimerLoop<H> loop;
      Use(loop, std::make_shared<HandWorkers>(HandWorkers::When::kAtOnce));
      std::optional<TaskGroup<E>> group;
      std::optional<support::FailingAllocations> failing;
      const absl::Status entered = loop.executor().Enter([&](auto& on) {
        std::array<char, 1024> much{};
        auto then = [&](auto task, int item) {
          std::move(task).Then(
              [much, &calls, traced = Traced(log, item)](auto&, auto) {
                (void)much;
                traced.Run();
                ++calls;
              });
          ++expected;
        };
        failing.emplace(nth, times);
        try {
          if (kind == kTuple) {
            then(WhenAll(on, Work(on, log, 1), Work(on, log, 2)), 3);
          }
          if (kind == kVector || kind == kAny) {
            std::vector<QIOTask<E, std::string>> tasks;
            tasks.push_back(Work(on, log, 1));
            tasks.push_back(Work(on, log, 2));
            if (kind == kVector) then(WhenAll(on, std::move(tasks)), 3);
            if (kind == kAny) then(WhenAny(on, std::move(tasks)), 3);
          }
          if (kind == kGroup) {
            group.emplace(on, 1);
            for (int i = 0; i < 3; ++i) {
              group->Add(
                  on, Work(on, log, i),
                  [much, &calls, traced = Traced(log, 10 + i)](auto&, auto) {
                    (void)much;
                    traced.Run();
                    ++calls;
                  });
              ++expected;
            }
            then(group->Join(on), 3);
          }
          if (kind == kRetry) {
            then(Retry(on, {.first_delay = std::chrono::nanoseconds(0)},
                       [&, left = 2](OnLoop<E>& on) mutable {
                         auto task = Work(on, log, left);
                         return WhenAll(on, std::move(task),
                                        FailsUntil(on, --left));
                       }),
                 3);
          }
        } catch (const std::bad_alloc&) {
          has_thrown = true;
        }
      });
      while (calls < expected) loop.harness().RunOnce();
      bit = failing->bit();
      failing.reset();
      BOOST_TEST(entered.ok());
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      loop.Enter([&](auto&) { group.reset(); });
    }
    BOOST_TEST(calls == expected);
    if (kind != kGroup) BOOST_TEST(expected == !has_thrown);
    BOOST_TEST(log.OnceEach() == "");
    return bit;
  }

  static QIOTask<E, void> FailsUntil(OnLoop<E>& on, int left) {
    return MakeTask<void>(
        on, [left](OnLoop<E>& on, Completer<E, void> completer) {
          const auto code = absl::StatusCode::kUnavailable;
          std::move(completer).Complete(
              on, left > 0 ? absl::Status(code, absl::string_view())
                           : absl::OkStatus());
        });
  }
};

template <class H>
struct Gr11_WorkersAreToldToStop {
  static constexpr char kRule[] =
      "A worker whose result nobody needs any more, since another won or "
      "failed, or the group is gone, sees it by its token; nobody waits for it";

  static void Run() {
    using E = typename H::Executor;
    enum Way { kAny, kAll, kGroup, kGroupEnds, kWays };
    for (int way = 0; way < kWays; ++way) {
      LoopLog log;
      Gate gate;
      HandTask<E, int> hand;
      Loop<H> loop;
      const auto workers = Use(loop, std::make_shared<HandWorkers>());
      std::optional<TaskGroup<E>> group;
      loop.Enter([&](auto& on) {
        auto work = RunInThread(
            on,
            [](StopToken stop, Gate* gate) {
              gate->Pass();
              while (!stop.stop_requested()) std::this_thread::yield();
              return 1;
            },
            AssumeSendable(&gate));
        if (way == kAny) {
          ThenItem(WhenAny(on, std::move(work), hand.Task(on)), nullptr, log,
                   1);
        }
        if (way == kAll) {
          ThenItem(WhenAll(on, std::move(work), hand.Task(on)), nullptr, log,
                   1);
        }
        if (way == kGroup || way == kGroupEnds) {
          group.emplace(on);
          group->Add(on, std::move(work));
          group->Add(on, hand.Task(on));
          ThenItem(group->Join(on), nullptr, log, 1);
        }
      });
      loop.harness().RunOnce();  // Hands over what was started.
      std::thread worker([&] {
        while (!workers->RunOne()) std::this_thread::yield();
        workers->PublishOne();
      });
      gate.WaitUntilReached();
      gate.Open();
      loop.Enter([&](auto& on) {
        if (way == kGroupEnds) {
          group.reset();
        } else {
          hand.End(on, absl::NotFoundError(""));
        }
      });
      loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
      worker.join();
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      loop.Enter([&](auto&) { group.reset(); });
    }
  }
};

template <class H>
struct Gr12_ASleepIsATimer {
  static constexpr char kRule[] =
      "A sleep is never over before its time, counted from its start; "
      "cancelled, its timer is disarmed";

  static void Run() {
    using E = typename H::Executor;
    using std::chrono::steady_clock;
    LoopLog log;
    TimerLoop<H> loop;
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(20);
    bool early = false;
    int calls = 0;
    std::vector<TaskHandle<E>> handles;
    Timer<E> timer;
    loop.Enter([&](auto& on) {
      SleepUntil(on, deadline).Then([&](auto&, absl::Status status) {
        calls += status.ok();
        early |= steady_clock::now() < deadline;
      });
      // Timers go by their deadlines.
      auto sleep = SleepFor(on, std::chrono::milliseconds(10));
      timer.StartAfter(on, std::chrono::milliseconds(9),
                       [&](auto&) { calls += 10; });
      std::move(sleep).Then([&](auto&, absl::Status status) {
        calls += status.ok();
        early |= calls < 10;
      });
      // Due at once.
      SleepFor(on, std::chrono::hours::min())
          .Then([&](auto&, absl::Status status) { calls += status.ok(); });
      SleepUntil(on, steady_clock::time_point())
          .Then([&](auto&, absl::Status status) { calls += status.ok(); });
      BOOST_TEST(calls == 0);
      // Never.
      int item = 0;
      handles.push_back(ThenItem(SleepFor(on, std::chrono::hours::max()),
                                 nullptr, log, ++item));
      handles.push_back(
          ThenItem(SleepFor(on, std::chrono::duration<double>(1e300)), nullptr,
                   log, ++item));
      handles.push_back(
          ThenItem(SleepUntil(on, steady_clock::time_point::max()), nullptr,
                   log, ++item));
    });
    loop.TurnUntil([&] { return calls == 14; });
    BOOST_TEST(!early);
    BOOST_TEST(log.Count(What::kStarted) == 0);
    BOOST_TEST(Outstanding(loop) == 6);  // Each with its timer.
    loop.Enter([&](auto& on) {
      for (auto& handle : handles) BOOST_TEST(handle.Cancel(on));
    });
    loop.TurnUntil([&] { return log.Count(What::kEnded) == 3; });
    BOOST_TEST(Outstanding(loop) == 0);
    BOOST_TEST(log.AllCalledOnce() == "");
  }
};

template <class H>
struct Gr13_SteadyStateAllocatesNothing {
  static constexpr char kRule[] =
      "After a while 300 wholes, groups, sleeps or retrials, one after "
      "another, "
      "allocate nothing";

  static void Run() {
    for (int kind = 0; kind < kKinds; ++kind) RunOne(kind);
  }

 private:
  using E = typename H::Executor;
  enum Kind { kSleep, kAll, kAny, kGroup, kRetry, kKinds };

  static QIOTask<E, int> Soon(OnLoop<E>& on) {
    return MakeTask<int>(on, [](OnLoop<E>& on, Completer<E, int> completer) {
      std::move(completer).Complete(on, 1);
    });
  }

  struct Next {
    void operator()(OnLoop<E>& on) const {
      constexpr int kWarm = 100, kCounted = 300;
      if (++*calls == kWarm) *before = support::AllocationsSoFar();
      if (*calls == kWarm + kCounted) {
        *after = support::AllocationsSoFar();
        harness->Stop(on);
        return;
      }
      auto then = [this](auto task) {
        std::move(task).Then([next = *this](auto& on, auto result) {
          if (StatusIn(result).ok()) next(on);
        });
      };
      constexpr std::chrono::nanoseconds kNow(0);
      switch (kind) {
        case kSleep:
          return then(SleepFor(on, kNow));
        case kAll:
          return then(WhenAll(on, Soon(on), SleepFor(on, kNow), Soon(on)));
        case kAny:
          return then(WhenAny(on, Soon(on), Soon(on)));
        case kGroup:
          group->emplace(on, 2);
          for (int i = 0; i < 4; ++i) (*group)->Add(on, Soon(on));
          return then((*group)->Join(on));
        case kRetry:
          return then(Retry(
              on, {.first_delay = kNow}, [left = 2](OnLoop<E>& on) mutable {
                return MakeTask<void>(on, [is_last = --left == 0](
                                              OnLoop<E>& on,
                                              Completer<E, void> completer) {
                  const auto code = absl::StatusCode::kUnavailable;
                  std::move(completer).Complete(
                      on, is_last ? absl::OkStatus()
                                  : absl::Status(code, absl::string_view()));
                });
              }));
        case kKinds:
          return;
      }
    }

    Kind kind;
    int* calls;
    std::uint64_t *before, *after;
    H* harness;
    std::optional<TaskGroup<E>>* group;
  };

  static void RunOne(int kind) {
    TimerLoop<H> loop;
    std::uint64_t before = 0, after = 1;
    int calls = 0;
    std::optional<TaskGroup<E>> group;
    loop.Enter([&](auto& on) {
      Next{static_cast<Kind>(kind), &calls, &before, &after,
           &loop.harness(),         &group}(on);
    });
    loop.harness().Run();
    BOOST_TEST(after - before == 0u, "of kind " << kind);
    loop.Enter([&](auto&) { group.reset(); });
  }
};

template <class H>
struct Gr14_WhatTheyWaitForIsSaid {
  static constexpr char kRule[] =
      "A task that takes too long says which tasks of a whole are still out, "
      "which attempt it is, and how many run or wait in a group";

  static void Run() {
    using E = typename H::Executor;
    std::array<HandTask<E, void>, 3> hands;
    std::array<HandTask<E, void>, 5> any;
    absl::Status late;
    TimerLoop<H> loop;
    std::optional<TaskGroup<E>> group;
    std::vector<TaskHandle<E>> handles;
    auto start = [&](auto task) {
      handles.push_back(std::move(task).Then([](auto&, auto) {}));
    };
    auto fail = [](OnLoop<E>& on) {
      return MakeTask<void>(
          on, [](OnLoop<E>& on, Completer<E, void> completer) {
            std::move(completer).Complete(on, absl::UnavailableError(""));
          });
    };
    loop.Enter([&](auto& on) {
      constexpr std::chrono::hours kLong(1);
      start(SleepFor(on, kLong));
      start(WhenAll(on, RunInThread(on, [] {}), SleepFor(on, kLong),
                    hands[0].Task(on)));
      start(WhenAny(on, TasksOf(on, any)));
      start(Retry(on, {}, [&](OnLoop<E>& on) { return hands[1].Task(on); }));
      start(Retry(on, {.first_delay = std::chrono::seconds(9), .jitter = 0},
                  fail));
      group.emplace(on, 1);
      group->Add(on, hands[2].Task(on));
      start(group->Join(on));
      start(WhenAny(on, SleepFor(on, kLong).WithTimeout(kLong)));
      handles.push_back(group->Add(on, SleepFor(on, kLong)));
      SleepFor(on, kLong)
          .WithTimeout(std::chrono::milliseconds(1))
          .Then([&](auto&, absl::Status status) { late = status; });
    });
    const std::vector<std::string> expected{
        "a timer",
        "all of 3 tasks, 2 of them still out: a timer, the test",
        "the first of 5 tasks, 5 of them still out: the test, the test, the "
        "test, ...",
        "attempt 1 of 5: the test",
        "attempt 2 of 5, put off for 9000 ms",
        "a group of tasks, 1 running and 1 waiting",
        "the first of 1 tasks, 1 of them still out: a timer",
        "its turn in a group"};
    BOOST_TEST_REQUIRE(handles.size() == expected.size());
    auto text_of = [&](std::size_t i) {
      return internal_task::TaskMaker::Describe(handles[i]);
    };
    // A worker's result and a first error are on their way.
    loop.TurnUntil(
        [&] { return text_of(1) == expected[1] && text_of(4) == expected[4]; });
    loop.TurnUntil([&] { return !late.ok(); });
    BOOST_TEST(
        std::string(late.message()).ends_with(" of waiting for a timer"));
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < handles.size(); ++i) {
        BOOST_TEST(text_of(i) == expected[i]);
      }
      for (auto& handle : handles) handle.Cancel(on);
      group.reset();
    });
    loop.TurnUntil([&] { return Outstanding(loop) == 0; });
  }
};

template <class H>
struct Gr15_AStartThatThrowsIsAnErrorOfTheWhole {
  static constexpr char kRule[] =
      "What the start of a task throws is the result of the whole, and stops "
      "those that were started; in a group it is the task's own";

  static void Run() {
    using E = typename H::Executor;
    for (int kind = 0; kind < 3; ++kind) {
      LoopLog log;
      std::array<HandTask<E, int>, 2> hands;
      std::optional<Completer<E, int>> kept;
      absl::Status status;
      Loop<H> loop;
      std::optional<TaskGroup<E>> group;
      loop.Enter([&](auto& on) {
        std::vector<QIOTask<E, int>> tasks;
        tasks.push_back(hands[0].Task(on));
        // Its completer is in other hands.
        tasks.push_back(
            MakeTask<int>(on, [&](OnLoop<E>&, Completer<E, int> completer) {
              kept.emplace(std::move(completer));
              throw std::runtime_error("no tape");
            }));
        tasks.push_back(hands[1].Task(on));
        if (kind == 0) {
          ThenItem(WhenAll(on, std::move(tasks)), nullptr, log, 1, &status);
        }
        if (kind == 1) {
          ThenItem(WhenAny(on, std::move(tasks)), nullptr, log, 1, &status);
        }
        if (kind == 2) {
          group.emplace(on, 1);
          for (auto& task : tasks) group->Add(on, std::move(task));
          ThenItem(group->Join(on), nullptr, log, 1, &status);
          hands[0].End(on, 1);
        }
      });
      loop.TurnUntil([&] { return log.Count(What::kEnded) == 1; });
      BOOST_TEST(absl::IsUnknown(status));
      BOOST_TEST((status.ToString().find("no tape") != std::string::npos),
                 status.ToString());
      BOOST_TEST(hands[0].stops == (kind != 2));
      BOOST_TEST(hands[1].starts == 0);
      loop.Enter([&](auto&) { kept.reset(); });
      loop.TurnUntil([&] { return Outstanding(loop) == 0; });
      BOOST_TEST(log.AllCalledOnce() == "");
      loop.Enter([&](auto&) { group.reset(); });
    }
  }
};

template <class H>
void AddGroupCases(Suite& suite) {
  suite.AddAll<
      Gr01_AllResultsInTheirOrder<H>, Gr02_TheFirstErrorCancelsTheRest<H>,
      Gr02_AnErrorMayComeWhileTheRestStarts<H>, Gr03_TheFirstOfAnyWins<H>,
      Gr03_LateResultsAreDestroyedOnce<H>, Gr03_NobodyWinsAmongNone<H>,
      Gr04_TheWholeTakesAllAlong<H>, Gr04_NothingStartsAfterTheEnd<H>,
      Gr05_AGroupKeepsToItsLimit<H>, Gr06_TheFirstErrorEndsTheGroup<H>,
      Gr06_JoinWaitsForAll<H>, Gr07_NothingOfAGroupRunsAfterIt<H>,
      Gr07_AGroupMayEndInItsOwnCompletion<H>,
      Gr07_AGroupMayOutliveItsExecutor<H>, Gr08_RetryTriesAgainWhatMayPass<H>,
      Gr09_DelaysGrowToTheirCap<H>, Gr09_JitterIsWithinItsShare<H>,
      Gr10_AnyAllocationMayFail<H>, Gr11_WorkersAreToldToStop<H>,
      Gr12_ASleepIsATimer<H>, Gr13_SteadyStateAllocatesNothing<H>,
      Gr14_WhatTheyWaitForIsSaid<H>,
      Gr15_AStartThatThrowsIsAnErrorOfTheWhole<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_GROUP_CASES_H_
