// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is GLib's alone; that GlibExecutor is an executor like any other is for
// its conformance test.

#include <glib.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/glib.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/in_child.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = GlibExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// A context with an executor, and a main loop on it.
struct Fixture {
  explicit Fixture(int priority = G_PRIORITY_DEFAULT)
      : context(g_main_context_new()),
        main_loop(g_main_loop_new(context, FALSE)),
        loop(Loop::Create(context, priority).value()) {}
  ~Fixture() {
    loop.reset();
    g_main_loop_unref(main_loop);
    g_main_context_unref(context);
  }

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // Calls f() in a source of GLib's, again and again while it returns true.
  template <class F>
  void AddSource(F* f, int priority = G_PRIORITY_DEFAULT) {
    GSource* source = g_idle_source_new();
    g_source_set_priority(source, priority);
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean { return (*static_cast<F*>(data))(); }, f,
        nullptr);
    g_source_attach(source, context);
    g_source_unref(source);
  }

  void Run() { g_main_loop_run(main_loop); }
  void Quit() { g_main_loop_quit(main_loop); }

  support::Watchdog watchdog{"a case of GlibExecutor", 60};
  GMainContext* const context;
  GMainLoop* const main_loop;
  std::unique_ptr<Loop> loop;
};

BOOST_AUTO_TEST_SUITE(GlibExecutorTest)

BOOST_AUTO_TEST_CASE(RunsOnTheDefaultContextUnlessToldOtherwise) {
  auto loop = Loop::Create();
  BOOST_REQUIRE(loop.ok());
  BOOST_TEST((*loop)->context() == g_main_context_default());
}

BOOST_AUTO_TEST_CASE(KeepsItsContextAlive) {
  GMainContext* context = g_main_context_new();
  auto loop = Loop::Create(context);
  BOOST_REQUIRE(loop.ok());
  g_main_context_unref(context);
  bool called = false;
  BOOST_TEST((*loop)->Enter([&](On&) { called = true; }).ok());
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(WatchesTimersAndPostsRunInAMainLoop) {
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
    BOOST_REQUIRE(watch
                      .Start(on, pipe.reader.get(), Condition::kIn,
                             [&](On& on, Condition) {
                               order += "watch ";
                               pipe.ReadDry();
                               timer.StartAfter(on, milliseconds(5), [&](On&) {
                                 order += "timer";
                                 f.Quit();
                               });
                             })
                      .ok());
  });
  f.Run();
  BOOST_TEST(order == "post watch timer");
  f.Enter([&](On& on) { watch.Stop(on); });
}

// A native callback may post, arm and start: nothing of it sleeps.
BOOST_AUTO_TEST_CASE(Ex04_APostMadeInANativeCallbackIsCalled) {
  for (const int priority :
       {G_PRIORITY_HIGH, G_PRIORITY_DEFAULT, G_PRIORITY_LOW}) {
    Fixture f;
    auto native = [&] {
      f.Enter([&](On& on) { Post(on, [&](On&) { f.Quit(); }); });
      return false;
    };
    f.AddSource(&native, priority);
    f.Run();
  }
}

// A host that polls for a context, as Qt and Node do, may call us between its
// prepare and its check, when the time it sleeps is already settled.
BOOST_AUTO_TEST_CASE(Ex04_AnEnterWhileAHostPollsForTheContextWakesIt) {
  Fixture f;
  Timer<Loop> timer;
  for (const bool post : {true, false}) {
    BOOST_REQUIRE(g_main_context_acquire(f.context));
    int priority = 0;
    BOOST_TEST(!g_main_context_prepare(f.context, &priority));
    std::array<GPollFD, 8> fds;
    int timeout_ms = 0;
    const int size = g_main_context_query(f.context, priority, &timeout_ms,
                                          fds.data(), fds.size());
    BOOST_TEST(timeout_ms == -1);
    bool called = false;
    f.Enter([&](On& on) {
      if (post) {
        Post(on, [&](On&) { called = true; });
      } else {
        timer.StartAfter(on, milliseconds(1), [&](On&) { called = true; });
      }
    });
    BOOST_TEST(g_poll(fds.data(), size, timeout_ms) > 0);
    g_main_context_check(f.context, priority, fds.data(), size);
    g_main_context_dispatch(f.context);
    while (!called) g_main_context_iteration(f.context, TRUE);
    g_main_context_release(f.context);
  }
}

BOOST_AUTO_TEST_CASE(Ex16_GoesOnInNestedMainLoops) {
  Fixture f;
  support::Pipe pipe;
  Watch<Loop> watch;
  Timer<Loop> timer;
  std::vector<std::string> log;
  f.Enter([&](On& on) {
    Post(on, [&](On& on) {
      log.push_back("outer begins");
      GMainLoop* inner = g_main_loop_new(f.context, FALSE);
      Post(on, [&](On&) { pipe.Write(); });
      (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                        [&](On& on, Condition) {
                          log.push_back("watch");
                          watch.Stop(on);
                          timer.StartAfter(on, milliseconds(1), [&](On&) {
                            log.push_back("timer");
                            g_main_loop_quit(inner);
                          });
                        });
      g_main_loop_run(inner);
      g_main_loop_unref(inner);
      log.push_back("outer ends");
      f.Quit();
    });
    Post(on, [&](On&) { log.push_back("second"); });
  });
  f.Run();
  const std::vector<std::string> expected = {"outer begins", "second", "watch",
                                             "timer", "outer ends"};
  BOOST_TEST(log == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(HasThePriorityItWasGiven) {
  Fixture f(G_PRIORITY_DEFAULT_IDLE);
  std::string order;
  auto native = [&] {
    order += "native ";
    return order.size() < 20;
  };
  f.AddSource(&native);
  f.Enter([&](On& on) {
    Post(on, [&](On&) {
      order += "qio";
      f.Quit();
    });
  });
  f.Run();
  BOOST_TEST(order == "native native native qio");
}

// What keeps posting to itself leaves the context's other sources their turn,
// once per turn of its own.
BOOST_AUTO_TEST_CASE(Ex12_OtherSourcesAreNotStarved) {
  Fixture f;
  std::int64_t calls = 0;
  std::int64_t calls_at_last_native = 0;
  std::int64_t most_between = 0;
  int natives = 0;
  struct Storm {
    std::int64_t& calls;
    bool& over;
    void operator()(On& on) {
      ++calls;
      if (!over) Post(on, *this);
    }
  };
  bool over = false;
  auto native = [&] {
    most_between = std::max(most_between, calls - calls_at_last_native);
    calls_at_last_native = calls;
    if (++natives < 100) return true;
    over = true;
    f.Quit();
    return false;
  };
  f.AddSource(&native);
  f.Enter([&](On& on) { Post(on, Storm{calls, over}); });
  f.Run();
  BOOST_TEST(natives == 100);
  BOOST_TEST(calls > 0);
  BOOST_TEST(most_between <= Reactor::kBudget);
  BOOST_TEST(f.loop->Drain(steady_clock::now() + seconds(30)).value());
}

BOOST_AUTO_TEST_CASE(EnterIsRefusedWhileAnotherThreadRunsTheContext) {
  Fixture f;
  bool running = false;
  std::optional<LoopRef<Loop>> ref;
  f.Enter([&](On& on) { ref.emplace(on); });
  std::thread runner([&] { f.Run(); });
  while (!f.loop->RunsElsewhere()) std::this_thread::yield();
  const absl::Status status = f.loop->Enter([&](On&) { running = true; });
  BOOST_TEST((status.code() == absl::StatusCode::kFailedPrecondition));
  BOOST_TEST(!running);
  BOOST_TEST(!f.loop->IsOnLoop());
  BOOST_TEST((f.loop->Drain(steady_clock::now()).status().code() ==
              absl::StatusCode::kFailedPrecondition));
  BOOST_TEST(
      ref->Post([](On&, Fixture* f) { f->Quit(); }, AssumeSendable(&f)).ok());
  runner.join();
  ref.reset();
  f.Enter([](On& on) { BOOST_TEST(on.executor().IsOnLoop()); });
}

BOOST_AUTO_TEST_CASE(Ex10_DestroyingItEndsWhatIsOutstandingThere) {
  support::CapturedDiagnostics captured;
  support::Pipe pipe;
  Watch<Loop> watch;
  Timer<Loop> timer;
  auto capture = std::make_shared<int>(0);
  Fixture f;
  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, captured.diagnostics());
    (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [capture](On&, Condition) { ++*capture; });
    timer.StartAfter(on, milliseconds(0), [capture](On&) { ++*capture; });
    Post(on, [capture](On&) { ++*capture; });
  });
  pipe.Write();
  // From a callback of GLib's, while its source is about to be dispatched.
  auto native = [&] {
    f.loop.reset();
    BOOST_TEST(capture.use_count() == 1);
    return false;
  };
  f.AddSource(&native, G_PRIORITY_HIGH);
  while (g_main_context_iteration(f.context, FALSE)) {
  }
  BOOST_TEST(*capture == 0);
  BOOST_TEST(captured.text().find("watches 1, timers 1, queued calls 1") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(DestroyingItWhileAnotherThreadRunsItEndsTheProgram) {
  const support::ChildEnd end = support::RunInChild([] {
    Fixture f;
    std::thread runner([&] { f.Run(); });
    while (!f.loop->RunsElsewhere()) std::this_thread::yield();
    f.loop.reset();
  });
  BOOST_TEST(end.signal == SIGABRT);
  BOOST_TEST(end.errors.find("while another thread runs its main context") !=
                 std::string::npos,
             end.errors);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
