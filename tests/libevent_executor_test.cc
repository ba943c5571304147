// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is libevent's alone; that LibeventExecutor is an executor like any other
// is for its conformance test.

#include <event2/event.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/executors/libevent.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/reactor.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/in_child.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = LibeventExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// An event_base with an executor and a timer event of libevent's own.
struct Fixture {
  Fixture() : base(event_base_new()), loop(Loop::Create(base).value()) {
    timer = event_new(
        base, -1, 0,
        [](evutil_socket_t, short, void* self) {
          static_cast<Fixture*>(self)->native();
        },
        this);
  }
  ~Fixture() {
    loop.reset();
    event_free(timer);
    event_base_free(base);
  }

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // Calls f() in a callback of libevent's.
  void AfterMs(int ms, std::function<void()> f) {
    native = std::move(f);
    const timeval after = {0, ms * 1000};
    event_add(timer, &after);
  }

  // Until nothing is left to be done.
  void Run() { event_base_dispatch(base); }

  support::Watchdog watchdog{"a case of LibeventExecutor", 60};
  event_base* const base;
  std::unique_ptr<Loop> loop;
  event* timer = nullptr;
  std::function<void()> native;
};

BOOST_AUTO_TEST_SUITE(LibeventExecutorTest)

BOOST_AUTO_TEST_CASE(Ex08_DispatchReturnsWhenTheLastOfAllIsDone) {
  Fixture f;
  support::Pipe pipe;
  Watch<Loop> watch;
  Timer<Loop> timer;
  std::string order;
  for (int round = 0; round < 2; ++round) {
    f.Enter([&](On& on) {
      Post(on, [&](On&) {
        order += "post ";
        pipe.Write();
      });
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [&](On& on, Condition) {
                          order += "watch ";
                          pipe.ReadDry();
                          watch.Stop(on);
                          timer.StartAfter(on, milliseconds(5),
                                           [&](On&) { order += "timer "; });
                        });
    });
    f.Run();
    // Nothing is outstanding: it returns at once.
    f.Run();
  }
  BOOST_TEST(order == "post watch timer post watch timer ");
}

// Destructors take no witness, so nobody enters the loop here.
BOOST_AUTO_TEST_CASE(Ex08_WhatANativeCallbackDestroysKeepsItNoLonger) {
  Fixture f;
  support::Pipe pipe;
  auto watch = std::make_unique<Watch<Loop>>();
  auto timer = std::make_unique<Timer<Loop>>();
  f.Enter([&](On& on) {
    (void)watch->Start(on, pipe.reader.get(), Condition::kIn,
                       [](On&, Condition) {});
  });
  f.AfterMs(1, [&] { watch.reset(); });
  f.Run();
  f.Enter([&](On& on) { timer->StartAfter(on, seconds(3600), [](On&) {}); });
  timer.reset();
  f.Run();
}

BOOST_AUTO_TEST_CASE(Ex04_WhatANativeCallbackDropsIsCompleted) {
  Fixture f;
  bool completed = false;
  std::optional<Completer<Loop, int>> dropped;
  f.Enter([&](On& on) {
    MakeTask<int>(on, [&](On&, Completer<Loop, int> completer) {
      dropped.emplace(std::move(completer));
    }).Then([&](On&, absl::StatusOr<int> result) {
      BOOST_TEST((result.status().code() == absl::StatusCode::kAborted));
      completed = true;
    });
  });
  f.AfterMs(1, [&] { dropped.reset(); });
  f.Run();
  BOOST_TEST(completed);
}

BOOST_AUTO_TEST_CASE(Ex04_ATimerArmedInANativeCallbackFires) {
  Fixture f;
  Timer<Loop> guard, timer;
  f.Enter([&](On& on) { guard.StartAfter(on, seconds(3600), [](On&) {}); });
  f.AfterMs(1, [&] {
    f.Enter([&](On& on) {
      Post(on, [&](On& on) {
        timer.StartAfter(on, milliseconds(2), [&](On& on) { guard.Stop(on); });
      });
    });
  });
  f.Run();
  BOOST_TEST(!guard.armed());
}

// What keeps posting to itself leaves the base's other events their turn, once
// per turn of its own.
BOOST_AUTO_TEST_CASE(Ex12_NativeEventsAreNotStarved) {
  Fixture f;
  std::int64_t calls = 0, calls_at_last_native = 0, most_between = 0;
  int natives = 0;
  struct Storm {
    void operator()(On& on) {
      ++calls;
      if (natives < 100) Post(on, *this);
    }
    std::int64_t& calls;
    int& natives;
  };
  std::function<void()> native = [&] {
    most_between = std::max(most_between, calls - calls_at_last_native);
    calls_at_last_native = calls;
    if (++natives < 100) f.AfterMs(0, native);
  };
  f.AfterMs(0, native);
  f.Enter([&](On& on) { Post(on, Storm{calls, natives}); });
  f.Run();
  BOOST_TEST(calls > 0);
  // A timer that is due waits for the next look at the clock.
  BOOST_TEST(most_between <= 2 * Reactor::kBudget);
}

BOOST_AUTO_TEST_CASE(Ex16_RunNestedLeavesNativeCallbacksForLater) {
  Fixture f;
  Timer<Loop> timer;
  std::string order;
  f.AfterMs(0, [&] { order += "native"; });
  f.Enter([&](On& on) {
    timer.StartAfter(on, milliseconds(5), [&](On&) { order += "timer "; });
    on.executor().RunNested(on, [&] { return !order.empty(); });
  });
  f.Run();
  BOOST_TEST(order == "timer native");
}

BOOST_AUTO_TEST_CASE(EnterNestsAndLetsExceptionsThrough) {
  Fixture f;
  bool posted = false;
  BOOST_CHECK_THROW((void)f.loop->Enter([&](On&) {
    f.Enter([&](On& on) { Post(on, [&](On&) { posted = true; }); });
    throw std::runtime_error("a test's");
  }),
                    std::runtime_error);
  BOOST_TEST(!f.loop->IsOnLoop());
  f.Run();
  BOOST_TEST(posted);
}

BOOST_AUTO_TEST_CASE(DrainGivesUpAtItsDeadline) {
  Fixture f;
  Timer<Loop> timer;
  f.Enter([&](On& on) { timer.StartAfter(on, seconds(3600), [](On&) {}); });
  const auto begin = steady_clock::now();
  BOOST_TEST(!f.loop->Drain(begin + milliseconds(20)).value());
  BOOST_TEST((steady_clock::now() >= begin + milliseconds(20)));
  f.Enter([&](On& on) {
    timer.StartAfter(on, milliseconds(1), [](On&) {});
    Post(on, [](On&) {});
  });
  BOOST_TEST(f.loop->Drain(begin + seconds(60)).value());
}

BOOST_AUTO_TEST_CASE(Ex10_ANativeCallbackMayDestroyIt) {
  support::CapturedDiagnostics captured;
  support::Pipe pipe;
  Watch<Loop> watch;
  auto capture = std::make_shared<int>(0);
  Fixture f;
  f.AfterMs(0, [&] {
    f.Enter([&](On& on) {
      on.executor().SetDiagnostics(on, captured.diagnostics());
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [capture](On&, Condition) { ++*capture; });
      Post(on, [capture](On&) { ++*capture; });
    });
    f.loop.reset();
    BOOST_TEST(capture.use_count() == 1);
  });
  pipe.Write();
  f.Run();
  BOOST_TEST(*capture == 0);
  BOOST_TEST(captured.text().find("watches 1, timers 0, queued calls 1") !=
                 std::string::npos,
             captured.text());
}

// Wakers are under way when it ends.
BOOST_AUTO_TEST_CASE(Ex05_MayEndWhileOthersPost) {
  for (int round = 0; round < 200; ++round) {
    Fixture f;
    std::optional<LoopRef<Loop>> ref;
    f.Enter([&](On& on) {
      on.executor().SetDiagnostics(on, {[](void*, std::string_view) {}});
      ref.emplace(on);
    });
    std::array<std::thread, 2> posters;
    for (std::thread& poster : posters) {
      poster = std::thread([ref = *ref] {
        while (ref.Post([](On&) {}).ok()) {
        }
      });
    }
    for (int i = 0; i < round % 7; ++i) event_base_loop(f.base, EVLOOP_ONCE);
    f.loop.reset();
    for (std::thread& poster : posters) poster.join();
  }
}

BOOST_AUTO_TEST_CASE(TwoOfThemShareABase) {
  Fixture f;
  auto other = Loop::Create(f.base).value();
  std::string order;
  (void)other->Enter([&](On& on) {
    Post(on, [&](On&) {
      order += "other ";
      f.Enter([&](On& on) { Post(on, [&](On&) { order += "first"; }); });
    });
  });
  f.Run();
  BOOST_TEST(order == "other first");
}

BOOST_AUTO_TEST_CASE(Ex15_AnExceptionEndsTheProgramWithASentence) {
  const support::ChildEnd end = support::RunInChild([] {
    Fixture f;
    f.Enter([](On& on) {
      Post(on, [](On&) { throw std::runtime_error("the test's own"); });
    });
    f.Run();
  });
  BOOST_TEST(end.signal == SIGABRT);
  BOOST_TEST(end.errors.find("qio: an exception left a callback on a loop of "
                             "libevent") != std::string::npos,
             end.errors);
}

BOOST_AUTO_TEST_CASE(DestroyingItInItsOwnCallbackEndsTheProgram) {
  const support::ChildEnd end = support::RunInChild([] {
    Fixture f;
    f.Enter([&](On& on) { Post(on, [&](On&) { f.loop.reset(); }); });
    f.Run();
  });
  BOOST_TEST(end.signal == SIGABRT);
  BOOST_TEST(
      end.errors.find("inside a callback of its own") != std::string::npos,
      end.errors);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
