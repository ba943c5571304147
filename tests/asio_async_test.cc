// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What AsyncWait() promises to a program of Asio's: CO-20 to CO-24.

#include "qio/executors/asio_async.h"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/coro.h"
#include "qio/executors/asio.h"
#include "qio/on_loop.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"
#include "qio/timer.h"

namespace qio {
namespace {

using Loop = AsioExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Counts what is alive of it.
class Counted {
 public:
  explicit Counted(int& alive) noexcept : alive_(&alive) { ++*alive_; }
  Counted(const Counted& other) noexcept : Counted(*other.alive_) {}
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive_; }

 private:
  int* alive_;
};

// Tells whether it was asked to stop, and lets go of its completer then.
struct Operation : CancelHook {
  Operation() {
    cancelled = [](CancelHook* hook) noexcept {
      auto* self = static_cast<Operation*>(hook);
      self->was_cancelled = true;
      self->completer.reset();
    };
  }

  std::optional<Completer<Loop, int>> completer;
  bool was_cancelled = false;
};

struct Fixture {
  Fixture() : io(std::in_place), loop(Loop::Create(*io).value()) {}

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // A task that is completed by hand.
  QIOTask<Loop, int> Waits(On& on, Operation& operation) {
    return MakeTask<int>(on,
                         [&operation](On& on, Completer<Loop, int> completer) {
                           operation.completer = std::move(completer);
                           operation.completer->SetCancelHook(on, &operation);
                         });
  }
  QIOTask<Loop, int> Waits(Operation& operation) {
    std::optional<QIOTask<Loop, int>> task;
    Enter([&](On& on) { task = Waits(on, operation); });
    return *std::move(task);
  }
  QIOTask<Loop, int> Computes(int answer) {
    std::optional<QIOTask<Loop, int>> task;
    Enter([&](On& on) {
      task = RunInThread(on, [](int a) { return a; }, answer);
    });
    return *std::move(task);
  }
  void Complete(Operation& operation, int result) {
    Enter([&](On& on) {
      Completer<Loop, int> completer = *std::move(operation.completer);
      operation.completer.reset();
      std::move(completer).Complete(on, result);
    });
  }

  support::Watchdog watchdog{"a case of AsyncWait()", 60};
  support::CapturedDiagnostics captured;
  std::optional<asio::io_context> io;
  std::unique_ptr<Loop> loop;
};

BOOST_AUTO_TEST_SUITE(AsioAsync)

BOOST_AUTO_TEST_CASE(Co20_ACallbackGetsTheResultOnTheLoop) {
  Fixture f;
  bool inside = true, called = false;
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] { return std::string("text"); }),
              [&](absl::StatusOr<std::string> text) {
                BOOST_TEST(!inside);
                BOOST_TEST(f.loop->IsOnLoop());
                BOOST_TEST(*text == "text");
                called = true;
              });
  });
  inside = false;
  f.io->run();
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(Co20_AnErrorAndNothingAtAllAreResultsToo) {
  Fixture f;
  std::string order;
  f.Enter([&](On& on) {
    AsyncWait(
        RunInThread(on, [] { return absl::NotFoundError("no such file"); }),
        [&](absl::Status status) {
          order += std::string(status.message()) + ", ";
        });
  });
  f.io->run();
  f.io->restart();
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] {}),
              [&](absl::Status status) { order += status.ToString(); });
  });
  f.io->run();
  BOOST_TEST(order == "no such file, OK");
}

Coro<Loop, std::unique_ptr<int>> Box(On& on, int value) {
  absl::StatusOr<int> answer =
      co_await RunInThread(on, [](int a) { return a + 1; }, value);
  if (!answer.ok()) co_return answer.status();
  co_return std::make_unique<int>(*answer);
}

BOOST_AUTO_TEST_CASE(Co20_ACoroIsATaskAndItsResultMayOnlyMove) {
  Fixture f;
  int got = 0;
  f.Enter([&](On& on) {
    AsyncWait(Box(on, 6), [&, only_moves = std::make_unique<int>(1)](
                              absl::StatusOr<std::unique_ptr<int>> box) {
      got = **box + *only_moves;
    });
  });
  f.io->run();
  BOOST_TEST(got == 8);
}

struct Back;

BOOST_AUTO_TEST_CASE(Co20_EveryBrandHasIt) {
  using BackLoop = BasicAsioExecutor<Back>;
  Fixture f;
  auto back = BackLoop::Create(*f.io).value();
  int got = 0;
  BOOST_TEST(back->Enter([&](OnLoop<BackLoop>& on) {
                   AsyncWait(RunInThread(on, [] { return 7; }),
                             [&](absl::StatusOr<int> r) { got = *r; });
                 })
                 .ok());
  f.io->run();
  BOOST_TEST(got == 7);
}

BOOST_AUTO_TEST_CASE(Co20_AFutureIsForAnotherThread) {
  Fixture f;
  std::future<absl::StatusOr<int>> good;
  std::future<absl::Status> bad;
  f.Enter([&](On& on) {
    good = AsyncWait(RunInThread(on, [] { return 42; }), asio::use_future);
    bad = AsyncWait(RunInThread(on, [] { return absl::AbortedError("so"); }),
                    asio::use_future);
  });
  std::thread runs([&] { f.io->run(); });
  BOOST_TEST(*good.get() == 42);
  BOOST_TEST(bad.get().message() == "so");
  runs.join();
}

// An awaitable is no callback of qio's: what it awaits enters by itself.
BOOST_AUTO_TEST_CASE(Co20_AnAwaitableAwaitsIt) {
  Fixture f;
  std::vector<int> got;
  asio::co_spawn(
      *f.io,
      [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 100; ++i) {
          absl::StatusOr<int> answer =
              co_await AsyncWait(f.Computes(i), asio::use_awaitable);
          got.push_back(*answer);
        }
      },
      asio::detached);
  f.io->run();
  BOOST_TEST(got.size() == 100u);
  BOOST_TEST(got.back() == 99);
}

QIOTask<Loop, int> Compute(On& on, int answer) {
  return RunInThread(on, [](int a) { return a; }, answer);
}

// It has no witness, so it says what makes its task.
BOOST_AUTO_TEST_CASE(Co20_AnAwaitableAwaitsWhatAFunctionMakes) {
  Fixture f;
  int sum = 0;
  asio::co_spawn(
      *f.io,
      [&]() -> asio::awaitable<void> {
        sum += *co_await AsyncWait(*f.loop, &Compute, asio::use_awaitable, 40);
        auto box = co_await AsyncWait(
            *f.loop, [](On& on, int value) { return Box(on, value); },
            asio::use_awaitable, 1);
        sum += **box;
      },
      asio::detached);
  f.io->run();
  BOOST_TEST(sum == 42);
}

BOOST_AUTO_TEST_CASE(Co20_WhatAFunctionThrowsIsItsResult) {
  Fixture f;
  absl::Status status;
  AsyncWait(
      *f.loop,
      [](On&) -> QIOTask<Loop, int> { throw std::runtime_error("thrown"); },
      [&](absl::StatusOr<int> result) { status = result.status(); });
  f.io->run();
  BOOST_TEST((status.code() == absl::StatusCode::kUnknown));
  BOOST_TEST((status.message().find("thrown") != absl::string_view::npos));
}

BOOST_AUTO_TEST_CASE(Co20_ADeferredOneStartsWhenItIsCalled) {
  Fixture f;
  Operation operation;
  auto deferred = AsyncWait(f.Waits(operation), asio::experimental::deferred);
  f.io->poll();
  BOOST_TEST(!operation.completer.has_value());
  int got = 0;
  std::move(deferred)([&](absl::StatusOr<int> r) { got = *r; });
  BOOST_REQUIRE(operation.completer.has_value());
  f.Complete(operation, 5);
  f.io->restart();
  f.io->run();
  BOOST_TEST(got == 5);
}

BOOST_AUTO_TEST_CASE(Co20_OneThatIsNeverStartedLeavesNothing) {
  Fixture f;
  {
    auto never = AsyncWait(f.Computes(1), asio::use_awaitable);
  }
  BOOST_TEST(f.io->run() == 0u);
}

BOOST_AUTO_TEST_CASE(Co21_TheHandlersExecutorCallsIt) {
  Fixture f;
  asio::io_context other;
  std::thread::id called_on;
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] { return 1; }),
              asio::bind_executor(other, [&](absl::StatusOr<int>) {
                called_on = std::this_thread::get_id();
              }));
  });
  // It has work until it has called the handler.
  std::thread runs_other([&] { other.run(); });
  const auto other_id = runs_other.get_id();
  f.io->run();
  runs_other.join();
  BOOST_TEST((called_on == other_id));
}

BOOST_AUTO_TEST_CASE(Co21_AStrandOfTheSameContextToo) {
  Fixture f;
  auto strand = asio::make_strand(*f.io);
  bool in_strand = false;
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] { return 1; }),
              asio::bind_executor(strand, [&](absl::StatusOr<int>) {
                in_strand = strand.running_in_this_thread();
              }));
  });
  f.io->run();
  BOOST_TEST(in_strand);
}

// Which nobody runs there.
BOOST_AUTO_TEST_CASE(Co21_DrainCallsAHandlerWithoutExecutor) {
  Fixture f;
  bool called = false;
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] {}), [&](absl::Status) { called = true; });
  });
  BOOST_TEST(*f.loop->Drain(std::chrono::steady_clock::now() + seconds(60)));
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(Co21_WhatAHandlerThrowsLeavesRun) {
  Fixture f;
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] {}),
              [](absl::Status) { throw std::runtime_error("thrown"); });
  });
  BOOST_CHECK_THROW(f.io->run(), std::runtime_error);
  bool called = false;
  f.Enter([&](On& on) {
    AsyncWait(RunInThread(on, [] {}), [&](absl::Status) { called = true; });
  });
  f.io->restart();
  f.io->run();
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(Co22_TheHandlersSlotCancelsTheTask) {
  Fixture f;
  Operation operation;
  asio::cancellation_signal signal;
  absl::StatusCode code = absl::StatusCode::kOk;
  int calls = 0;
  AsyncWait(f.Waits(operation),
            asio::bind_cancellation_slot(signal.slot(),
                                         [&](absl::StatusOr<int> result) {
                                           ++calls;
                                           code = result.status().code();
                                         }));
  // It cannot promise that nothing has happened.
  signal.emit(asio::cancellation_type::total);
  f.io->poll();
  BOOST_TEST(!operation.was_cancelled);
  signal.emit(asio::cancellation_type::terminal);
  f.io->restart();
  f.io->run();
  BOOST_TEST(operation.was_cancelled);
  BOOST_TEST(calls == 1);
  BOOST_TEST((code == absl::StatusCode::kCancelled));
  signal.emit(asio::cancellation_type::terminal);  // Of nothing any more.
}

BOOST_AUTO_TEST_CASE(Co22_AnAwaitableIsCancelledByWhatWinsAgainstIt) {
  using asio::experimental::awaitable_operators::operator||;
  Fixture f;
  Operation operation;
  std::size_t winner = 2;
  asio::co_spawn(
      *f.io,
      [&]() -> asio::awaitable<void> {
        asio::steady_timer timer(*f.io, milliseconds(2));
        auto either =
            co_await (AsyncWait(f.Waits(operation), asio::use_awaitable) ||
                      timer.async_wait(asio::use_awaitable));
        winner = either.index();
      },
      asio::detached);
  f.io->run();
  BOOST_TEST(winner == 1u);
  BOOST_TEST(operation.was_cancelled);
}

BOOST_AUTO_TEST_CASE(Co22_AnAwaitableThatWinsCancelsTheOthers) {
  using asio::experimental::awaitable_operators::operator||;
  Fixture f;
  int got = 0;
  asio::co_spawn(
      *f.io,
      [&]() -> asio::awaitable<void> {
        asio::steady_timer timer(*f.io, seconds(3600));
        auto either =
            co_await (AsyncWait(f.Computes(42), asio::use_awaitable) ||
                      timer.async_wait(asio::use_awaitable));
        got = *std::get<0>(either);
      },
      asio::detached);
  f.io->run();
  BOOST_TEST(got == 42);
}

BOOST_AUTO_TEST_CASE(Co23_TheHandlerEndsUncalledWithItsIoContext) {
  Fixture f;
  Operation operation;
  int alive = 0;
  AsyncWait(f.Waits(operation),
            [counted = Counted(alive)](auto) { BOOST_ERROR("called"); });
  BOOST_TEST(alive == 1);
  f.io.reset();
  BOOST_TEST(alive == 0);
  BOOST_TEST(operation.was_cancelled);
}

// What a coroutine of Asio's has on its frame may need its io_context.
BOOST_AUTO_TEST_CASE(Co23_ACoroutineEndsWithItsIoContext) {
  Fixture f;
  Operation operation;
  int alive = 0;
  asio::co_spawn(
      *f.io,
      [&]() -> asio::awaitable<void> {
        Counted counted(alive);
        asio::steady_timer timer(*f.io, seconds(3600));
        (void)co_await AsyncWait(f.Waits(operation), asio::use_awaitable);
        BOOST_ERROR("resumed");
      },
      asio::detached);
  f.io->poll();
  BOOST_TEST(alive == 1);
  f.io.reset();
  BOOST_TEST(alive == 0);
}

BOOST_AUTO_TEST_CASE(Co23_TheHandlerEndsUncalledWithItsExecutor) {
  Fixture f;
  Operation operation;
  int alive = 0;
  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, f.captured.diagnostics());
    AsyncWait(f.Waits(on, operation),
              [counted = Counted(alive)](auto) { BOOST_ERROR("called"); });
  });
  std::future<absl::StatusOr<int>> worker;
  f.Enter([&](On& on) {
    worker = AsyncWait(RunInThread(on, [] { return 1; }), asio::use_future);
  });
  f.loop.reset();
  BOOST_TEST(alive == 0);
  BOOST_CHECK_THROW((void)worker.get(), std::future_error);
  f.io->restart();
  f.io->run();
}

// It waits for the loop to be free.
BOOST_AUTO_TEST_CASE(Co23_AHandlerWhoseTaskWasNotStartedEndsWithThemToo) {
  for (const bool io_first : {true, false}) {
    Fixture f;
    int alive = 0;
    f.Enter([&](On& on) {
      on.executor().SetDiagnostics(on, f.captured.diagnostics());
      std::thread([&] {
        AsyncWait(
            *f.loop, &Compute,
            [counted = Counted(alive)](auto) { BOOST_ERROR("called"); }, 1);
      }).join();
    });
    BOOST_TEST(alive == 1);
    if (io_first) f.io.reset();
    f.loop.reset();
    BOOST_TEST(alive == 0);
  }
}

BOOST_AUTO_TEST_CASE(Co23_AfterTheExecutorBothEnd) {
  Fixture f;
  Operation operation;
  int alive = 0;
  QIOTask<Loop, int> task = f.Waits(operation);
  auto deferred = AsyncWait(f.Computes(1), asio::experimental::deferred);
  f.loop.reset();
  AsyncWait(std::move(task),
            [counted = Counted(alive)](auto) { BOOST_ERROR("called"); });
  std::move(deferred)(
      [counted = Counted(alive)](auto) { BOOST_ERROR("called"); });
  BOOST_TEST(alive == 0);
}

// Somebody else is on the loop then, outside of run(): nothing is outstanding.
BOOST_AUTO_TEST_CASE(Co24_WhatIsLazyStartsWhenTheLoopIsFree) {
  Fixture f;
  auto deferred = AsyncWait(f.Computes(3), asio::experimental::deferred);
  int got = 0;
  f.Enter([&](On&) {
    std::thread([&] {
      std::move(deferred)([&](absl::StatusOr<int> r) { got = *r; });
    }).join();
  });
  f.io->run();
  BOOST_TEST(got == 3);
}

// Several threads run the io_context. A lazy token starts a task from whichever
// has it, also while another is on the loop.
BOOST_AUTO_TEST_CASE(Co24_AnyThreadMayStartWhatIsLazy) {
  Fixture f;
  constexpr int kCoroutines = 8, kRounds = 200;
  std::atomic<int> got{0};
  for (int i = 0; i < kCoroutines; ++i) {
    std::vector<asio::awaitable<absl::StatusOr<int>>> answers;
    for (int k = 0; k < kRounds; ++k) {
      f.Enter([&](On& on) {
        answers.push_back(AsyncWait(
            RunInThread(on, [](int a) { return a; }, k), asio::use_awaitable));
      });
    }
    asio::co_spawn(
        asio::make_strand(*f.io),
        [&got,
         answers = std::move(answers)]() mutable -> asio::awaitable<void> {
          for (auto& answer : answers) {
            if ((co_await std::move(answer)).ok()) ++got;
          }
        },
        asio::detached);
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { f.io->run(); });
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(got == kCoroutines * kRounds);
}

BOOST_AUTO_TEST_CASE(Co24_AnyThreadMayHaveATaskMade) {
  Fixture f;
  constexpr int kThreads = 3, kRounds = 300;
  auto io_stays = asio::make_work_guard(*f.io);
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] { f.io->run(); });
  }
  std::vector<std::thread> askers;
  for (int i = 0; i < kThreads; ++i) {
    askers.emplace_back([&] {
      for (int k = 0; k < kRounds; ++k) {
        sum += *AsyncWait(*f.loop, &Compute, asio::use_future, 1).get();
      }
    });
  }
  for (std::thread& asker : askers) asker.join();
  io_stays.reset();
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(sum == kThreads * kRounds);
}

// Nothing else is outstanding, so nobody waits for mail that comes while
// another thread is about to leave: a start that it does not see hangs here.
BOOST_AUTO_TEST_CASE(Co24_NoStartIsLostWhileAnotherThreadLeaves) {
  Fixture f;
  constexpr int kRounds = 3000;
  std::atomic<int> round{0}, done{0};
  auto io_stays = asio::make_work_guard(*f.io);
  std::thread runs([&] { f.io->run(); });
  std::thread enters([&] {
    for (int i = 1; i <= kRounds; ++i) {
      while (round < i) std::this_thread::yield();
      (void)f.loop->Enter([](On&) {});
    }
  });
  auto wait = [](On& on) {
    return AsyncWait(MakeTask<int>(on,
                                   [](On& on, Completer<Loop, int> completer) {
                                     std::move(completer).Complete(on, 1);
                                   }),
                     asio::experimental::deferred);
  };
  for (int i = 1; i <= kRounds; ++i) {
    std::optional<std::invoke_result_t<decltype(wait), On&>> start;
    while (!f.loop->Enter([&](On& on) { start.emplace(wait(on)); }).ok()) {
      std::this_thread::yield();
    }
    round = i;
    for (int pause = i % 97; pause > 0; --pause) (void)round.load();
    (*std::move(start))([&, i](absl::StatusOr<int>) { done = i; });
    while (done != i) std::this_thread::yield();
  }
  enters.join();
  io_stays.reset();
  runs.join();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
