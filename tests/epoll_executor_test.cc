// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What EpollExecutor promises beyond the conformance suite.

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/workers.h"

namespace qio {
namespace {

using Loop = EpollExecutor;
using On = OnLoop<Loop>;
using std::chrono_literals::operator""s;

BOOST_AUTO_TEST_SUITE(EpollExecutorTest)

BOOST_AUTO_TEST_CASE(AStopBeforeRunEndsItAtOnce) {
  auto loop = *Loop::Create();
  loop->StopFromAnywhere();
  bool has_begun = false;
  BOOST_TEST(loop->Run([&](On&) { has_begun = true; }).ok());
  BOOST_TEST(has_begun);
}

BOOST_AUTO_TEST_CASE(AnotherThreadStopsASleepingLoop) {
  auto loop = *Loop::Create();
  std::thread other([&] { loop->StopFromAnywhere(); });
  BOOST_TEST(loop->Run().ok());
  other.join();
}

BOOST_AUTO_TEST_CASE(AStoppedLoopHasHandedOverWhatItStarted) {
  static std::atomic<bool> has_run;
  has_run = false;
  auto loop = *Loop::Create();
  int completions = 0;
  BOOST_TEST(loop->Run([&](On& on) {
                   RunInThread(on, [] {
                     has_run = true;
                   }).Then([&](On&, absl::Status) { ++completions; });
                   on.executor().Stop(on);
                 })
                 .ok());
  // Nobody runs the loop.
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!has_run && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  BOOST_TEST(has_run);
  BOOST_TEST(completions == 0);
  BOOST_TEST(loop->Drain(deadline).value());
  BOOST_TEST(completions == 1);
}

// A worker that is done just when the loop begins to spin for it.
class DoneForASpin final : public Workers {
 public:
  ~DoneForASpin() override { Finish(); }
  void Submit(internal_workers::Work* first) noexcept override {
    work_ = first;
  }
  std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point) override {
    return {};
  }
  ProcessorHints* processor_hints() noexcept override {
    Finish();
    return &hints_;
  }

 private:
  void Finish() noexcept {
    if (work_ == nullptr) return;
    internal_workers::Work* const work = std::exchange(work_, nullptr);
    work->ops->run(work);
    work->ops->publish(work);
  }

  internal_workers::Work* work_ = nullptr;
  ProcessorHints hints_;
};

BOOST_AUTO_TEST_CASE(AStoppedLoopSpinsForNoMore) {
  auto loop = *Loop::Create();
  int completions = 0;
  std::function<void(On&)> next = [&](On& on) {
    RunInThread(on, [] {}).Then([&](On& on, const absl::Status&) {
      if (++completions == 5) on.executor().Stop(on);
      if (completions < 10) next(on);
    });
  };
  BOOST_TEST(loop->Run([&](On& on) {
                   on.executor().UseWorkers(on,
                                            std::make_shared<DoneForASpin>());
                   next(on);
                 })
                 .ok());
  BOOST_TEST(completions == 5);
  BOOST_TEST(loop->Drain(std::chrono::steady_clock::now() + 10s).value());
  BOOST_TEST(completions == 10);
}

BOOST_AUTO_TEST_CASE(NullWorkersAreANewPool) {
  auto loop = *Loop::Create();
  int completions = 0;
  BOOST_TEST(loop->Run([&](On& on) {
                   const auto* const first = &on.executor().workers(on);
                   auto task = RunInThread(on, [] {});
                   on.executor().UseWorkers(on, nullptr);
                   BOOST_TEST(&on.executor().workers(on) != first);
                   std::move(task).Then([&](On& on, absl::Status status) {
                     BOOST_TEST(status.ok());
                     ++completions;
                     on.executor().Stop(on);
                   });
                 })
                 .ok());
  BOOST_TEST(completions == 1);
}

BOOST_AUTO_TEST_CASE(RunElsewhereIsRefused) {
  auto loop = *Loop::Create();
  BOOST_TEST(loop->Run([&](On& on) {
                   std::thread([&] {
                     BOOST_TEST(!loop->Run().ok());
                     BOOST_TEST(!loop->Enter([](On&) {}).ok());
                     BOOST_TEST(loop->RunsElsewhere());
                     BOOST_TEST(!loop->IsOnLoop());
                   }).join();
                   BOOST_TEST(loop->IsOnLoop());
                   on.executor().Stop(on);
                 })
                 .ok());
  BOOST_TEST(!loop->RunsElsewhere());
}

BOOST_AUTO_TEST_CASE(RunOnceWaitsNoLongerThanItIsTold) {
  auto loop = *Loop::Create();
  Timer<Loop> timer;
  int calls = 0;
  BOOST_TEST(loop->Enter([&](On& on) {
                   Post(on, [&](On&) { ++calls; });
                   timer.StartAfter(on, std::chrono::hours(1),
                                    [&](On&) { calls += 100; });
                 })
                 .ok());
  BOOST_TEST(loop->RunOnce(std::chrono::milliseconds(1)).ok());
  BOOST_TEST(calls == 1);
  BOOST_TEST(loop->Enter([&](On& on) { timer.Stop(on); }).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
