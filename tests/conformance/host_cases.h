// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/host_cases.h
//
// EX, once more, for executors on a loop that has callbacks of its own: what
// those may do, and that they have their turn. A harness with CallNatively()
// gets these cases.

#ifndef QIO_TESTS_CONFORMANCE_HOST_CASES_H_
#define QIO_TESTS_CONFORMANCE_HOST_CASES_H_

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/conformance/executor_cases.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/reactor.h"
#include "qio/support/pipe.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio::conformance {

template <class H>
concept HasNativeCallbacks = requires(H& harness, std::function<void()> f) {
  harness.CallNatively(std::chrono::milliseconds(1), f);
};

template <class H>
struct Ex02_ExecutorsOfOneHostAreToldApart {
  static constexpr char kRule[] =
      "Two executors on one host's loop each run their own work, and one may "
      "be entered in the other's";

  static void Run() {
    Loop<H> loop;
    const auto other = loop.harness().CreateAnother().value();
    std::string order;
    const absl::Status entered = other->Enter([&](auto& on) {
      Post(on, [&](OnLoopOf<H>& on) {
        order += "other ";
        BOOST_TEST(std::addressof(on.executor()) == other.get());
        loop.Enter([&](auto& on) {
          Post(on, [&](OnLoopOf<H>& on) {
            order += "first";
            BOOST_TEST(std::addressof(on.executor()) ==
                       std::addressof(loop.executor()));
          });
        });
      });
    });
    BOOST_TEST(entered.ok());
    loop.TurnUntil([&] { return order == "other first"; });
  }
};

// The loop is asleep when the callback comes, and settled for how long.
template <class H>
struct Ex04_ANativeCallbackMayUseTheLoop {
  static constexpr char kRule[] =
      "What a callback of the host's own posts is called, and a timer that it "
      "starts fires";

  static void Run() {
    for (const bool posts : {false, true}) {
      Loop<H> loop;
      Timer<typename H::Executor> timer;
      bool fired = false;
      auto arm = [&](OnLoopOf<H>& on) {
        timer.StartAfter(on, std::chrono::milliseconds(2),
                         [&](OnLoopOf<H>& on) {
                           fired = true;
                           loop.harness().Stop(on);
                         });
      };
      loop.harness().CallNatively(std::chrono::milliseconds(1), [&] {
        loop.Enter([&](OnLoopOf<H>& on) {
          if (posts) {
            Post(on, arm);
          } else {
            arm(on);
          }
        });
      });
      loop.harness().Run();
      BOOST_TEST(fired);
    }
  }
};

// Destructors take no witness, so nobody enters the loop here and in the next.
template <class H>
struct Ex04_WhatANativeCallbackDropsIsCompleted {
  static constexpr char kRule[] =
      "An operation whose Completer a callback of the host's own destroys "
      "completes, with Aborted";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    absl::Status said;
    std::optional<Completer<E, int>> dropped;
    loop.Enter([&](OnLoopOf<H>& on) {
      MakeTask<int>(on, [&](OnLoopOf<H>&, Completer<E, int> completer) {
        dropped.emplace(std::move(completer));
      }).Then([&](OnLoopOf<H>& on, absl::StatusOr<int> result) {
        said = result.status();
        loop.harness().Stop(on);
      });
    });
    loop.harness().CallNatively(std::chrono::milliseconds(1),
                                [&] { dropped.reset(); });
    loop.harness().Run();
    BOOST_TEST(absl::IsAborted(said));
  }
};

template <class H>
struct Ex08_WhatANativeCallbackDestroysKeepsTheLoopNoLonger {
  static constexpr char kRule[] =
      "A loop that stops when idle stops when the last watch or timer is "
      "destroyed, by a callback of the host's own or while nobody runs it";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    auto idles = [&] {
      return loop.harness().RunUntilIdle(std::chrono::steady_clock::now() +
                                         std::chrono::seconds(30));
    };
    support::Pipe pipe;
    auto watch = std::make_unique<Watch<E>>();
    auto timer = std::make_unique<Timer<E>>();
    loop.Enter([&](auto& on) {
      (void)watch->Start(on, pipe.reader.get(), Condition::kIn,
                         [](auto&, Condition) {});
    });
    loop.harness().CallNatively(std::chrono::milliseconds(1),
                                [&] { watch.reset(); });
    BOOST_TEST(idles());
    loop.Enter([&](auto& on) {
      timer->StartAfter(on, std::chrono::hours(1), [](auto&) {});
    });
    loop.harness().CallNatively(std::chrono::milliseconds(1),
                                [&] { timer.reset(); });
    BOOST_TEST(idles());
    timer = std::make_unique<Timer<E>>();
    loop.Enter([&](auto& on) {
      timer->StartAfter(on, std::chrono::hours(1), [](auto&) {});
    });
    timer.reset();
    BOOST_TEST(idles());
  }
};

template <class H>
struct Ex10_ANativeCallbackMayEndTheExecutor {
  static constexpr char kRule[] =
      "An executor may be destroyed in a callback of the host's own, with all "
      "that is due: nothing of it is called, all of it reported";

  static void Run() {
    using E = typename H::Executor;
    support::Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    Timer<E> timer;
    const auto calls = std::make_shared<int>(0);
    bool ended = false;
    Loop<H> loop;
    loop.harness().CallNatively(std::chrono::milliseconds(0), [&] {
      loop.Enter([&](auto& on) {
        (void)watch.Start(on, pipe.reader.get(), Condition::kIn,
                          [calls](auto&, Condition) { ++*calls; });
        timer.StartAfter(on, std::chrono::milliseconds(0),
                         [calls](auto&) { ++*calls; });
        Post(on, [calls](auto&) { ++*calls; });
      });
      loop.DestroyExecutor();
      BOOST_TEST(calls.use_count() == 1);
      ended = true;
    });
    loop.TurnUntil([&] { return ended; });
    loop.TurnALot();
    BOOST_TEST(*calls == 0);
    const std::string text = loop.diagnostics().text();
    BOOST_TEST((text.find("watches 1, timers 1, queued calls 1") != text.npos),
               text);
  }
};

template <class H>
struct Ex12_NativeCallbacksAreNotStarved {
  static constexpr char kRule[] =
      "While calls post ever more calls, the host's own timers are called "
      "within two turns' budget";

  static void Run() {
    constexpr int kNatives = 100;
    Loop<H> loop;
    Storm<typename H::Executor> storm;
    int natives = 0, calls_at_last = 0, most_between = 0;
    std::function<void()> native = [&] {
      most_between = std::max(most_between, storm.calls - calls_at_last);
      calls_at_last = storm.calls;
      if (++natives < kNatives) {
        loop.harness().CallNatively(std::chrono::milliseconds(0), native);
      }
    };
    storm.each = [&](OnLoopOf<H>& on) {
      storm.over = natives == kNatives || storm.calls > 1'000'000;
      if (storm.over) loop.harness().Stop(on);
    };
    loop.harness().CallNatively(std::chrono::milliseconds(0), native);
    loop.Enter([&](auto& on) { storm.Call(on); });
    loop.harness().Run();
    BOOST_TEST(natives == kNatives);
    // A timer that is due waits for the host's next look at the clock.
    BOOST_TEST(most_between <= 2 * Reactor::kBudget);
  }
};

template <class H>
void AddHostCases(Suite& suite) {
  suite.AddAll<Ex02_ExecutorsOfOneHostAreToldApart<H>,
               Ex04_ANativeCallbackMayUseTheLoop<H>,
               Ex04_WhatANativeCallbackDropsIsCompleted<H>,
               Ex08_WhatANativeCallbackDestroysKeepsTheLoopNoLonger<H>,
               Ex10_ANativeCallbackMayEndTheExecutor<H>,
               Ex12_NativeCallbacksAreNotStarved<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_HOST_CASES_H_
