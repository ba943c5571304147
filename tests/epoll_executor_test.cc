// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What EpollExecutor promises beyond the conformance suite.

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "qio/executors/epoll.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/timer.h"

namespace qio {
namespace {

using Loop = EpollExecutor;
using On = OnLoop<Loop>;

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

BOOST_AUTO_TEST_CASE(DrainSaysWhetherAllIsDone) {
  auto loop = *Loop::Create();
  Timer<Loop> timer;
  BOOST_TEST(loop->Enter([&](On& on) {
                   timer.StartAfter(on, std::chrono::hours(1), [](On&) {});
                 })
                 .ok());
  const auto now = std::chrono::steady_clock::now();
  BOOST_TEST(!*loop->Drain(now + std::chrono::milliseconds(5)));
  BOOST_TEST(loop->Enter([&](On& on) { timer.Stop(on); }).ok());
  BOOST_TEST(*loop->Drain(now + std::chrono::hours(1)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
