// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is libuv's alone; that LibuvExecutor is an executor like any other is
// for its conformance test.

#include <poll.h>
#include <uv.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/executors/libuv.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = LibuvExecutor;
using On = OnLoop<Loop>;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A uv_loop_t with an executor and a timer of libuv's own.
struct Fixture {
  Fixture() {
    uv_loop_init(&uv);
    uv_timer_init(&uv, &timer);
    timer.data = this;
    loop = Loop::Create(&uv).value();
  }
  ~Fixture() {
    loop.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    uv_run(&uv, UV_RUN_DEFAULT);
    BOOST_TEST(uv_loop_close(&uv) == 0);
  }

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // Calls f() in a callback of libuv's.
  void AfterMs(unsigned ms, std::function<void()> f) {
    native = std::move(f);
    uv_timer_start(
        &timer,
        [](uv_timer_t* handle) {
          static_cast<Fixture*>(handle->data)->native();
        },
        ms, 0);
  }

  // Until nothing is left to be done.
  void Run() { BOOST_TEST(uv_run(&uv, UV_RUN_DEFAULT) == 0); }

  support::Watchdog watchdog{"a case of LibuvExecutor", 60};
  uv_loop_t uv;
  uv_timer_t timer;
  std::function<void()> native;
  std::unique_ptr<Loop> loop;
};

BOOST_AUTO_TEST_SUITE(LibuvExecutorTest)

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
  // Nothing is outstanding: it returns at once.
  f.Run();
}

// A program that embeds libuv runs it without waiting and sleeps itself, on
// uv_backend_fd(), when uv_run() is long over.
BOOST_AUTO_TEST_CASE(Ex04_AHostThatSleepsOnTheBackendIsWoken) {
  Fixture f;
  std::optional<LoopRef<Loop>> ref;
  f.Enter([&](On& on) { ref.emplace(on); });
  for (int round = 0; round < 100; ++round) {
    bool called = false;
    uv_run(&f.uv, UV_RUN_NOWAIT);
    std::thread poster([&] {
      (void)ref->Post([](On&, bool* called) { *called = true; },
                      AssumeSendable(&called));
    });
    while (!called) {
      pollfd backend{uv_backend_fd(&f.uv), POLLIN, 0};
      BOOST_TEST(::poll(&backend, 1, uv_backend_timeout(&f.uv)) == 1);
      uv_run(&f.uv, UV_RUN_NOWAIT);
    }
    poster.join();
  }
  // Entered while nobody runs it, too.
  Timer<Loop> timer;
  bool called = false;
  f.Enter([&](On& on) {
    timer.StartAfter(on, milliseconds(1), [&](On&) { called = true; });
  });
  while (!called) {
    pollfd backend{uv_backend_fd(&f.uv), POLLIN, 0};
    BOOST_TEST(::poll(&backend, 1, -1) == 1);
    uv_run(&f.uv, UV_RUN_NOWAIT);
  }
}

// libuv says that its uv_run() is not re-entrant, and addons do it all the
// same.
BOOST_AUTO_TEST_CASE(Ex16_ABareNestedRunGoesOn) {
  Fixture f;
  Timer<Loop> timer;
  std::string order;
  f.Enter([&](On& on) {
    Post(on, [&](On& on) {
      bool done = false;
      timer.StartAfter(on, milliseconds(1), [&](On&) {
        order += "timer ";
        done = true;
      });
      Post(on, [&](On&) { order += "post "; });
      while (!done) uv_run(&f.uv, UV_RUN_ONCE);
      order += "outer";
      BOOST_TEST(f.loop->IsOnLoop());
    });
  });
  f.Run();
  BOOST_TEST(order == "post timer outer");
  BOOST_TEST(!f.loop->IsOnLoop());
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

BOOST_AUTO_TEST_CASE(EnterIsRefusedWhileAnotherThreadSleepsInRun) {
  Fixture f;
  std::optional<LoopRef<Loop>> ref;
  f.Enter([&](On& on) { ref.emplace(on); });
  std::thread runner([&] { uv_run(&f.uv, UV_RUN_DEFAULT); });
  while (!f.loop->RunsElsewhere()) std::this_thread::yield();
  const absl::Status status = f.loop->Enter([](On&) {});
  BOOST_TEST((status.code() == absl::StatusCode::kFailedPrecondition));
  BOOST_TEST(!f.loop->IsOnLoop());
  BOOST_TEST((f.loop->Drain(steady_clock::now()).status().code() ==
              absl::StatusCode::kFailedPrecondition));
  // The last reference keeps it running.
  ref.reset();
  runner.join();
  BOOST_TEST(!f.loop->RunsElsewhere());
}

BOOST_AUTO_TEST_CASE(Ex10_ANativeCallbackMayDestroyIt) {
  support::CapturedDiagnostics captured;
  support::Pipe pipe, native_pipe;
  Watch<Loop> watch;
  auto capture = std::make_shared<int>(0);
  Fixture f;
  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, captured.diagnostics());
    (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                      [capture](On&, Condition) { ++*capture; });
    Post(on, [capture](On&) { ++*capture; });
  });
  // While libuv sleeps, as far as it is seen: it looks at descriptors.
  uv_poll_t poll;
  poll.data = &f;
  uv_poll_init(&f.uv, &poll, native_pipe.reader.get());
  native_pipe.Write();
  std::function<void()> destroy = [&] {
    f.loop.reset();
    BOOST_TEST(capture.use_count() == 1);
  };
  f.native = destroy;
  uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
    static_cast<Fixture*>(handle->data)->native();
    uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr);
  });
  // Its own descriptor is ready too, in which order is the kernel's choice.
  f.Run();
  BOOST_TEST(captured.text().find("watches 1") != std::string::npos,
             captured.text());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
