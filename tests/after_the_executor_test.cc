// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What belonged to an executor may end on any thread once that is gone, on
// several at a time too. For ThreadSanitizer and LeakSanitizer above all.

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/pipe.h"
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = EpollExecutor;
using On = OnLoop<Loop>;

// One of everything that a program may hold.
struct Holder {
  std::optional<support::Pipe> pipe;
  Watch<Loop> watch;
  Timer<Loop> timer;
  std::optional<TaskScope<Loop>> scope;
  std::optional<QIOTask<Loop, int>> lazy;
  std::optional<Completer<Loop, int>> completer;
  std::optional<SendableCompleter<Loop, int>> sendable;
  std::optional<LoopRef<Loop>> ref;
};

void Fill(On& on, Holder& holder) {
  const std::string large(1000, 'x');
  holder.pipe.emplace();
  BOOST_TEST(holder.watch
                 .Start(on, holder.pipe->reader.get(), Condition::kIn,
                        [large](On&, Condition) {})
                 .ok());
  holder.timer.StartAfter(on, std::chrono::hours(1), [large](On&) {});
  holder.scope.emplace(on);
  holder.lazy.emplace(RunInThread(
      on, [](std::string text) { return int(text.size()); }, large));
  const auto keep = [&holder](On&, Completer<Loop, int> completer) {
    holder.completer.emplace(std::move(completer));
  };
  MakeTask<int>(on, keep).Then(*holder.scope,
                               [large](On&, absl::StatusOr<int>) {});
  MakeTask<int>(on, [&holder](On&, Completer<Loop, int> completer) {
    holder.sendable.emplace(std::move(completer).ToSendable());
  }).Then([large](On&, absl::StatusOr<int>) {});
  holder.ref.emplace(on);
}

BOOST_AUTO_TEST_SUITE(AfterTheExecutor)

BOOST_AUTO_TEST_CASE(EverythingEndsOnAnyThread) {
  for (int round = 0; round < 200; ++round) {
    std::vector<std::unique_ptr<Holder>> holders;
    for (int i = 0; i < 4; ++i) holders.push_back(std::make_unique<Holder>());
    support::CapturedDiagnostics diagnostics;
    {
      auto loop = *Loop::Create();
      BOOST_TEST(loop->Enter([&](On& on) {
                       on.executor().SetDiagnostics(on,
                                                    diagnostics.diagnostics());
                       for (auto& holder : holders) Fill(on, *holder);
                     })
                     .ok());
    }
    BOOST_TEST(diagnostics.sentences().size() == 1u);
    std::vector<std::thread> threads;
    std::latch all_there(static_cast<std::ptrdiff_t>(holders.size()));
    for (auto& holder : holders) {
      threads.emplace_back([&holder, &all_there] {
        all_there.arrive_and_wait();
        if (holder->ref->Post([](On&) {}).ok()) std::abort();
        holder.reset();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
