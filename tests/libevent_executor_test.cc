// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is libevent's alone; that LibeventExecutor is an executor like any other
// is for its conformance test.

#include <event2/event.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/libevent.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = LibeventExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
