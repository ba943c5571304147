// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is Asio's alone; that AsioExecutor is an executor like any other is for
// its conformance test.

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/asio.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = AsioExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

struct Fixture {
  explicit Fixture(int concurrency_hint = ASIO_CONCURRENCY_HINT_DEFAULT)
      : io(std::in_place, concurrency_hint), loop(Loop::Create(*io).value()) {}

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // As a program does that ends when nothing is left to be done.
  std::size_t Run() {
    io->restart();
    return io->run();
  }

  support::Watchdog watchdog{"a case of AsioExecutor", 60};
  std::optional<asio::io_context> io;
  std::unique_ptr<Loop> loop;
};

BOOST_AUTO_TEST_SUITE(AsioExecutorTest)

BOOST_AUTO_TEST_CASE(Ex08_RunReturnsAtOnceWhenNothingIsOutstanding) {
  Fixture f;
  BOOST_TEST(f.Run() == 0u);
  f.Enter([](On&) {});
  BOOST_TEST(f.Run() == 0u);
}

BOOST_AUTO_TEST_CASE(Ex08_RunReturnsWhenTheLastOfAllIsDone) {
  Fixture f;
  support::Pipe pipe;
  Watch<Loop> watch;
  Timer<Loop> timer;
  std::string order;
  f.Enter([&](On& on) {
    Post(on, [&](On&) {
      order += "post ";
      pipe.Write();
    });
    (void)watch.Start(
        on, pipe.reader.get(), Condition::kIn, [&](On& on, Condition) {
          order += "watch ";
          watch.Stop(on);
          timer.StartAfter(on, milliseconds(5), [&](On&) { order += "timer"; });
        });
  });
  f.Run();
  BOOST_TEST(order == "post watch timer");
  BOOST_TEST(f.io->stopped());
}

BOOST_AUTO_TEST_CASE(Ex08_ALaterPostIsCalledByTheNextRun) {
  Fixture f;
  for (int round = 0; round < 3; ++round) {
    bool called = false;
    f.Enter([&](On& on) { Post(on, [&](On&) { called = true; }); });
    f.Run();
    BOOST_TEST(called);
  }
}

BOOST_AUTO_TEST_CASE(Ex08_WhatIsStoppedOutsideOfRunKeepsItNoLonger) {
  Fixture f;
  support::Pipe pipe;
  Watch<Loop> watch;
  for (int round = 0; round < 3; ++round) {
    f.Enter([&](On& on) {
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [](On&, Condition) {});
    });
    f.Enter([&](On& on) { watch.Stop(on); });
    f.Run();
  }
  // Armed again before the cancelled wait was heard of.
  int calls = 0;
  auto start = [&](On& on) {
    (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](On& on, Condition) {
                        ++calls;
                        watch.Stop(on);
                      });
  };
  f.Enter(start);
  f.Enter([&](On& on) { watch.Stop(on); });
  f.Enter(start);
  pipe.Write();
  f.Run();
  BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(Ex08_AStoppedContextIsNotRestarted) {
  Fixture f;
  bool called = false;
  f.io->stop();
  f.Enter([&](On& on) { Post(on, [&](On&) { called = true; }); });
  BOOST_TEST(f.io->stopped());
  BOOST_TEST(
      (f.loop->Drain(steady_clock::now() + seconds(30)).status().code() ==
       absl::StatusCode::kFailedPrecondition));
  BOOST_TEST(!called);
  f.Run();
  BOOST_TEST(called);
}

// From a handler of Asio's while the loop waits, alone on its thread.
BOOST_AUTO_TEST_CASE(Ex04_APostMadeInANativeHandlerIsCalled) {
  for (const int hint : {1, ASIO_CONCURRENCY_HINT_DEFAULT}) {
    Fixture f(hint);
    Timer<Loop> guard;
    Timer<Loop> timer;
    bool fired = false;
    f.Enter([&](On& on) { guard.StartAfter(on, seconds(3600), [](On&) {}); });
    asio::steady_timer native(*f.io, milliseconds(5));
    native.async_wait([&](asio::error_code) {
      f.Enter([&](On& on) {
        Post(on, [&](On& on) {
          timer.StartAfter(on, milliseconds(2), [&](On& on) {
            fired = true;
            guard.Stop(on);
          });
        });
      });
    });
    f.Run();
    BOOST_TEST(fired);
  }
}

BOOST_AUTO_TEST_CASE(HostsThatPollAreServed) {
  Fixture f;
  support::Pipe pipe;
  Watch<Loop> watch;
  Timer<Loop> timer;
  int calls = 0;
  f.Enter([&](On& on) {
    (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](On&, Condition) {
                        pipe.ReadDry();
                        ++calls;
                      });
    timer.StartAfter(on, milliseconds(1), [&](On&) { ++calls; });
  });
  pipe.Write();
  while (calls < 2) f.io->poll();
  pipe.Write();
  while (calls < 3) f.io->poll_one();
  pipe.Write();
  while (calls < 4) f.io->run_one();
  f.Enter([&](On& on) { watch.Stop(on); });
  f.io->run();
}

BOOST_AUTO_TEST_CASE(Ex12_NativeHandlersAreNotStarved) {
  Fixture f;
  std::int64_t calls = 0;
  std::int64_t calls_at_last_native = 0;
  std::int64_t most_between = 0;
  int natives = 0;
  bool over = false;
  struct Storm {
    std::int64_t& calls;
    bool& over;
    void operator()(On& on) {
      ++calls;
      if (!over) Post(on, *this);
    }
  };
  std::function<void()> native = [&] {
    most_between = std::max(most_between, calls - calls_at_last_native);
    calls_at_last_native = calls;
    over = ++natives == 100;
    if (!over) asio::post(*f.io, native);
  };
  f.Enter([&](On& on) { Post(on, Storm{calls, over}); });
  asio::post(*f.io, native);
  f.Run();
  BOOST_TEST(natives == 100);
  BOOST_TEST(calls > 0);
  BOOST_TEST(most_between <= Reactor::kBudget);
}

BOOST_AUTO_TEST_CASE(Ex15_ExceptionsLeaveRunAndTheRestIsCalled) {
  Fixture f;
  std::string order;
  f.Enter([&](On& on) {
    Post(on, [&](On&) {
      order += "a";
      throw std::runtime_error("a test's");
    });
    Post(on, [&](On&) { order += "b"; });
  });
  BOOST_CHECK_THROW(f.Run(), std::runtime_error);
  BOOST_TEST(!f.loop->IsOnLoop());
  f.io->run();
  BOOST_TEST(order == "ab");
  BOOST_CHECK_THROW((void)f.loop->Enter([&](On& on) {
    Post(on, [&](On&) { order += "c"; });
    throw std::runtime_error("a test's");
  }),
                    std::runtime_error);
  f.Run();
  BOOST_TEST(order == "abc");
}

BOOST_AUTO_TEST_CASE(Ex16_RunNestedGoesOnWithAllHandlers) {
  for (const int hint : {1, ASIO_CONCURRENCY_HINT_DEFAULT}) {
    Fixture f(hint);
    support::Pipe pipe;
    Watch<Loop> watch;
    Timer<Loop> timer;
    asio::steady_timer native(*f.io);
    std::string order;
    f.Enter([&](On& on) {
      Post(on, [&](On& on) {
        bool done = false;
        Post(on, [&](On&) { pipe.Write(); });
        (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                          [&](On& on, Condition) {
                            order += "watch ";
                            watch.Stop(on);
                            native.expires_after(milliseconds(1));
                            native.async_wait([&](asio::error_code) {
                              order += "native ";
                              f.Enter([&](On& on) {
                                timer.StartAfter(on, milliseconds(1),
                                                 [&](On&) { done = true; });
                              });
                            });
                          });
        BOOST_TEST(on.executor().RunNested(on, [&] { return done; }));
        order += "outer ";
      });
      Post(on, [&](On&) { order += "second "; });
    });
    f.Run();
    BOOST_TEST(order == "second watch native outer ");
    BOOST_TEST(f.io->stopped());
  }
}

BOOST_AUTO_TEST_CASE(Ex16_RunNestedSaysThatTheContextWasStopped) {
  Fixture f;
  Timer<Loop> timer;
  f.Enter([&](On& on) {
    Post(on, [&](On& on) {
      timer.StartAfter(on, milliseconds(1), [&](On&) { f.io->stop(); });
      BOOST_TEST(!on.executor().RunNested(on, [] { return false; }));
    });
  });
  f.Run();
}

// A bare nested run serves the program's handlers; ours wait and are not lost.
BOOST_AUTO_TEST_CASE(Ex16_ABareNestedRunIsHarmless) {
  Fixture f;
  std::string order;
  f.Enter([&](On& on) {
    Post(on, [&](On& on) {
      Post(on, [&](On&) { order += "ours"; });
      asio::post(*f.io, [&] { order += "native "; });
      f.io->poll();
      order += "outer ";
    });
  });
  f.Run();
  BOOST_TEST(order == "native outer ours");
}

// Other threads take our handlers while one of them runs nested.
BOOST_AUTO_TEST_CASE(Ex16_RunNestedWithSeveralThreads) {
  Fixture f;
  int calls = 0;
  Timer<Loop> timer;
  f.Enter([&](On& on) {
    Post(on, [&](On& on) {
      timer.StartEvery(on, milliseconds(1), [&](On&) { ++calls; });
      BOOST_TEST(on.executor().RunNested(on, [&] { return calls >= 20; }));
      timer.Stop(on);
    });
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) threads.emplace_back([&] { f.io->run(); });
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(calls >= 20);
}

// Plain data, for ThreadSanitizer: each call happens before the next.
BOOST_AUTO_TEST_CASE(Ex21_CallsNeverOverlapHoweverManyThreadsRun) {
  constexpr int kCalls = 20'000;
  Fixture f;
  struct State {
    void operator()(On& on) {
      if (inside.exchange(true)) overlaps.fetch_add(1);
      ++calls;
      if (calls < kCalls) {
        // Through a descriptor, so that Asio chooses a thread each time.
        if (calls % 4 == 0) {
          pipe.Write();
        } else {
          Post(on, [this](On& on) { (*this)(on); });
        }
      } else {
        watch.Stop(on);
      }
      inside.store(false);
    }
    int calls = 0;
    std::atomic<bool> inside{false};
    std::atomic<int> overlaps{0};
    support::Pipe pipe;
    Watch<Loop> watch;
  } state;
  f.Enter([&](On& on) {
    (void)state.watch.Start(on, state.pipe.reader.get(), Condition::kIn,
                            [&](On& on, Condition) {
                              state.pipe.ReadDry();
                              state(on);
                            });
  });
  state.pipe.Write();
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) threads.emplace_back([&] { f.io->run(); });
  // And one that comes from outside: refused, or alone on the loop.
  std::thread outsider([&] {
    while (!over) {
      (void)f.loop->Enter([&](On&) {
        if (state.inside.exchange(true)) state.overlaps.fetch_add(1);
        state.inside.store(false);
      });
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  for (std::thread& thread : threads) thread.join();
  over = true;
  outsider.join();
  BOOST_TEST(state.calls == kCalls);
  BOOST_TEST(state.overlaps == 0);
}

BOOST_AUTO_TEST_CASE(EnterIsRefusedWhileAnotherThreadIsOnTheLoop) {
  Fixture f;
  std::atomic<int> step{0};
  bool late_call = false;
  std::thread other([&] {
    f.Enter([&](On&) {
      step = 1;
      while (step != 2) std::this_thread::yield();
    });
  });
  while (step != 1) std::this_thread::yield();
  BOOST_TEST(f.loop->RunsElsewhere());
  BOOST_TEST(!f.loop->IsOnLoop());
  const absl::Status status = f.loop->Enter([](On&) {});
  BOOST_TEST((status.code() == absl::StatusCode::kFailedPrecondition));
  step = 2;
  other.join();
  f.Enter([&](On& on) {
    BOOST_TEST(f.loop->IsOnLoop());
    Post(on, [&](On&) { late_call = true; });
  });
  f.Run();
  BOOST_TEST(late_call);
}

// A turn that found somebody on the loop is made up for.
BOOST_AUTO_TEST_CASE(Ex04_ATurnThatWasInTheWayIsMadeUpFor) {
  Fixture f;
  support::Pipe pipe;
  Watch<Loop> watch;
  int calls = 0;
  f.Enter([&](On& on) {
    (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](On& on, Condition) {
                        ++calls;
                        watch.Stop(on);
                      });
  });
  std::atomic<int> step{0};
  std::thread other([&] {
    f.Enter([&](On&) {
      step = 1;
      while (step != 2) std::this_thread::yield();
    });
  });
  while (step != 1) std::this_thread::yield();
  pipe.Write();
  BOOST_TEST(f.io->run_one() == 1u);
  BOOST_TEST(calls == 0);
  step = 2;
  other.join();
  f.io->run();
  BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(Ex10_TheContextMayEndFirst) {
  for (const bool waiting : {false, true}) {
    support::CapturedDiagnostics captured;
    Timer<Loop> timer;
    auto capture = std::make_shared<int>(0);
    Fixture f;
    f.Enter([&](On& on) {
      on.executor().SetDiagnostics(on, captured.diagnostics());
      timer.StartAfter(on, seconds(3600), [capture](On&) {});
      if (!waiting) Post(on, [capture](On&) { ++*capture; });
    });
    f.io.reset();
    BOOST_TEST((f.loop->Enter([](On&) {}).code() ==
                absl::StatusCode::kFailedPrecondition));
    BOOST_TEST((f.loop->Drain(steady_clock::now()).status().code() ==
                absl::StatusCode::kFailedPrecondition));
    f.loop.reset();
    BOOST_TEST(capture.use_count() == 1);
    BOOST_TEST(*capture == 0);
    BOOST_TEST(captured.text().find("timers 1") != std::string::npos);
  }
}

// A handler that is never called takes its executor along.
BOOST_AUTO_TEST_CASE(Ex10_TheContextMayOwnTheExecutor) {
  Fixture f;
  f.Enter([](On& on) {
    on.executor().SetDiagnostics(on, {[](void*, std::string_view) {}});
    Post(on, [](On&) {});
  });
  asio::post(*f.io, [loop = std::move(f.loop)] {});
  f.io.reset();
}

// Wakers are under way, and handlers with Asio, when it ends.
BOOST_AUTO_TEST_CASE(Ex05_MayEndWhileOthersPost) {
  for (int round = 0; round < 300; ++round) {
    Fixture f;
    std::optional<LoopRef<Loop>> ref;
    f.Enter([&](On& on) {
      on.executor().SetDiagnostics(on, {[](void*, std::string_view) {}});
      ref.emplace(on);
    });
    std::vector<std::thread> posters;
    for (int t = 0; t < 2; ++t) {
      posters.emplace_back([ref = *ref] {
        while (ref.Post([](On&) {}).ok()) {
        }
      });
    }
    for (int i = 0; i < round % 7; ++i) f.io->run_one();
    if (round % 3 == 0) f.io.reset();
    f.loop.reset();
    if (round % 3 == 1) f.Run();
    for (std::thread& poster : posters) poster.join();
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
