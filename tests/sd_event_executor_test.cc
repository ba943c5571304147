// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is sd-event's alone; that SdEventExecutor is an executor like any other
// is for its conformance test.

#include <poll.h>
#include <systemd/sd-event.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/sd_event.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = SdEventExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
