// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is sd-event's alone; that SdEventExecutor is an executor like any other
// is for its conformance test.

#include <poll.h>
#include <signal.h>
#include <systemd/sd-event.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <ctime>
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
#include "qio/executors/sd_event.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/reactor.h"
#include "qio/sendable.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/in_child.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = SdEventExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// An sd_event with an executor and a timer of sd-event's own.
struct Fixture {
  explicit Fixture(std::int64_t priority = SD_EVENT_PRIORITY_NORMAL) {
    sd_event_new(&event);
    loop = Loop::Create(event, priority).value();
  }
  ~Fixture() {
    loop.reset();
    sd_event_source_disable_unref(timer);
    sd_event_unref(event);
  }

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // Calls f() in a handler of sd-event's.
  void AfterMs(unsigned ms, std::function<void()> f) {
    native = std::move(f);
    sd_event_source_disable_unref(std::exchange(timer, nullptr));
    sd_event_add_time_relative(
        event, &timer, CLOCK_MONOTONIC, ms * 1000, 1,
        [](sd_event_source*, std::uint64_t, void* self) {
          // It may be set anew by what it calls.
          const std::function<void()> f = static_cast<Fixture*>(self)->native;
          f();
          return 0;
        },
        this);
  }

  // Until Exit().
  void Run() { BOOST_TEST(sd_event_loop(event) == 0); }
  void Exit() { sd_event_exit(event, 0); }

  support::Watchdog watchdog{"a case of SdEventExecutor", 60};
  sd_event* event = nullptr;
  sd_event_source* timer = nullptr;
  std::unique_ptr<Loop> loop;
  std::function<void()> native;
};

BOOST_AUTO_TEST_SUITE(SdEventExecutorTest)

BOOST_AUTO_TEST_CASE(WatchesTimersAndPostsRunUntilItExits) {
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
    (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [&](On& on, Condition) {
                        order += "watch ";
                        watch.Stop(on);
                        timer.StartAfter(on, milliseconds(5), [&](On&) {
                          order += "timer";
                          f.Exit();
                        });
                      });
  });
  f.Run();
  BOOST_TEST(order == "post watch timer");
}

BOOST_AUTO_TEST_CASE(KeepsItsEventAlive) {
  sd_event* event = nullptr;
  sd_event_new(&event);
  auto loop = Loop::Create(event).value();
  sd_event_unref(event);
  bool called = false;
  BOOST_TEST(loop->Enter([&](On&) { called = true; }).ok());
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(HasThePriorityItWasGiven) {
  Fixture f(SD_EVENT_PRIORITY_IDLE);
  std::string order;
  std::function<void()> native = [&] {
    order += "native ";
    if (order.size() < 20) f.AfterMs(0, native);
  };
  f.Enter([&](On& on) {
    Post(on, [&](On&) {
      order += "qio";
      f.Exit();
    });
  });
  f.AfterMs(0, native);
  f.Run();
  BOOST_TEST(order == "native native native qio");
}

BOOST_AUTO_TEST_CASE(Ex04_ATimerArmedInANativeHandlerFires) {
  Fixture f;
  Timer<Loop> timer;
  f.AfterMs(1, [&] {
    f.Enter([&](On& on) {
      Post(on, [&](On& on) {
        timer.StartAfter(on, milliseconds(2), [&](On&) { f.Exit(); });
      });
    });
  });
  f.Run();
  BOOST_TEST(!timer.armed());
}

// Destructors take no witness, so nobody enters the loop here.
BOOST_AUTO_TEST_CASE(Ex04_WhatANativeHandlerDropsIsCompleted) {
  Fixture f;
  std::optional<Completer<Loop, int>> dropped;
  f.Enter([&](On& on) {
    MakeTask<int>(on, [&](On&, Completer<Loop, int> completer) {
      dropped.emplace(std::move(completer));
    }).Then([&](On&, absl::StatusOr<int> result) {
      BOOST_TEST((result.status().code() == absl::StatusCode::kAborted));
      f.Exit();
    });
  });
  f.AfterMs(1, [&] { dropped.reset(); });
  f.Run();
}

// A program that embeds sd-event sleeps itself, on sd_event_get_fd(), between
// sd_event_prepare() and sd_event_wait().
BOOST_AUTO_TEST_CASE(Ex04_AHostThatSleepsOnItsDescriptorIsWoken) {
  Fixture f;
  std::optional<LoopRef<Loop>> ref;
  f.Enter([&](On& on) { ref.emplace(on); });
  Timer<Loop> timer;
  for (int round = 0; round < 100; ++round) {
    bool called = false;
    BOOST_REQUIRE(sd_event_prepare(f.event) == 0);
    std::thread poster;
    if (round % 2 == 0) {
      poster = std::thread([&] {
        (void)ref->Post([](On&, bool* called) { *called = true; },
                        AssumeSendable(&called));
      });
    } else {
      f.Enter([&](On& on) {
        timer.StartAfter(on, milliseconds(1), [&](On&) { called = true; });
      });
    }
    while (!called) {
      pollfd embedded{sd_event_get_fd(f.event), POLLIN, 0};
      BOOST_TEST(::poll(&embedded, 1, -1) == 1);
      if (sd_event_wait(f.event, 0) > 0) sd_event_dispatch(f.event);
      if (!called) sd_event_prepare(f.event);
    }
    // Back to where the next round begins.
    while (sd_event_get_state(f.event) != SD_EVENT_INITIAL) {
      if (sd_event_wait(f.event, 0) > 0) sd_event_dispatch(f.event);
    }
    if (poster.joinable()) poster.join();
  }
}

// What keeps posting to itself leaves the event's other sources their turn,
// once per turn of its own.
BOOST_AUTO_TEST_CASE(Ex12_OtherSourcesAreNotStarved) {
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
    if (++natives < 100) {
      f.AfterMs(0, native);
    } else {
      f.Exit();
    }
  };
  f.AfterMs(0, native);
  f.Enter([&](On& on) { Post(on, Storm{calls, natives}); });
  f.Run();
  BOOST_TEST(calls > 0);
  // A timer that is due waits for the next look at the clock.
  BOOST_TEST(most_between <= 2 * Reactor::kBudget);
  BOOST_TEST(f.loop->Drain(steady_clock::now() + seconds(30)).value());
}

BOOST_AUTO_TEST_CASE(Ex16_RunNestedLeavesOtherSourcesForLater) {
  Fixture f;
  Timer<Loop> timer;
  std::string order;
  f.AfterMs(0, [&] {
    order += "native";
    f.Exit();
  });
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
    f.Enter([&](On& on) {
      Post(on, [&](On&) {
        posted = true;
        f.Exit();
      });
    });
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

BOOST_AUTO_TEST_CASE(Ex10_ANativeHandlerMayDestroyIt) {
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
    f.Exit();
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
    for (int i = 0; i < round % 7; ++i) sd_event_run(f.event, 0);
    f.loop.reset();
    for (std::thread& poster : posters) poster.join();
  }
}

BOOST_AUTO_TEST_CASE(TwoOfThemShareAnEvent) {
  Fixture f;
  auto other = Loop::Create(f.event).value();
  std::string order;
  (void)other->Enter([&](On& on) {
    Post(on, [&](On&) {
      order += "other ";
      f.Enter([&](On& on) {
        Post(on, [&](On&) {
          order += "first";
          f.Exit();
        });
      });
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
                             "sd-event") != std::string::npos,
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
