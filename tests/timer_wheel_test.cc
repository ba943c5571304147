// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/internal/timer_wheel.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <vector>

namespace qio {
namespace {

using internal_timer_wheel::Link;
using internal_timer_wheel::TimerWheel;
using internal_timer_wheel::WheelNode;
using Tick = TimerWheel::Tick;

struct Timer : WheelNode {
  int id = 0;
};

std::vector<int> TakeDue(TimerWheel& wheel) {
  Link due;
  wheel.TakeDue(due);
  std::vector<int> ids;
  while (due.linked()) {
    auto* timer = static_cast<Timer*>(due.next);
    timer->Unlink();
    ids.push_back(timer->id);
  }
  return ids;
}

BOOST_AUTO_TEST_SUITE(TimerWheelTest)

BOOST_AUTO_TEST_CASE(IsEmptyAtFirst) {
  TimerWheel wheel(1000);
  BOOST_TEST(wheel.NextTick() == TimerWheel::kNever);
  wheel.Advance(1'000'000);
  BOOST_TEST(TakeDue(wheel).empty());
  BOOST_TEST((wheel.PopAny() == nullptr));
}

BOOST_AUTO_TEST_CASE(FiresAtItsTickAndNotBefore) {
  for (const Tick delay : {1u, 63u, 64u, 65u, 4095u, 4096u, 300'000u}) {
    TimerWheel wheel(12345);
    Timer timer;
    wheel.Arm(timer, 12345 + delay);
    BOOST_TEST(wheel.NextTick() <= 12345 + delay);
    wheel.Advance(12345 + delay - 1);
    BOOST_TEST(TakeDue(wheel).empty());
    wheel.Advance(12345 + delay);
    BOOST_TEST(TakeDue(wheel).size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(WhatIsPastIsDueAtOnce) {
  TimerWheel wheel(100);
  Timer timer;
  wheel.Arm(timer, 7);
  BOOST_TEST(wheel.NextTick() == 0u);
  BOOST_TEST(TakeDue(wheel).size() == 1u);
}

BOOST_AUTO_TEST_CASE(CenturiesAreNotForgotten) {
  TimerWheel wheel(100);
  Timer timer;
  wheel.Arm(timer, Tick{1} << 60);
  wheel.Advance(Tick{1} << 45);
  BOOST_TEST(TakeDue(wheel).empty());
  BOOST_TEST(timer.linked());
  wheel.Cancel(timer);
  BOOST_TEST(wheel.NextTick() == TimerWheel::kNever);
}

// Timers of one tick keep their order however far ahead they were armed: some
// have come down the levels, some have not.
BOOST_AUTO_TEST_CASE(Ti07_OneTickKeepsTheOrderOfArming) {
  TimerWheel wheel(0);
  std::deque<Timer> timers;
  const Tick deadline = 5000;
  for (const Tick now : {0u, 1000u, 4096u, 4990u, 4999u}) {
    wheel.Advance(now);
    const int id = static_cast<int>(timers.size());
    timers.emplace_back().id = id;
    wheel.Arm(timers.back(), deadline);
  }
  wheel.Advance(deadline);
  const std::vector<int> ids = TakeDue(wheel);
  BOOST_TEST((ids == std::vector<int>{0, 1, 2, 3, 4}));
}

// Against the obvious implementation, with a fixed seed.
BOOST_AUTO_TEST_CASE(AgreesWithASortedMap) {
  std::mt19937 random(20260301);
  TimerWheel wheel(777);
  Tick now = 777;
  std::deque<Timer> timers;
  std::multimap<Tick, int> expected;  // Of one key, in order of insertion.
  std::vector<std::multimap<Tick, int>::iterator> place;
  std::vector<bool> is_armed;
  for (int step = 0; step < 200'000; ++step) {
    const unsigned choice = random() % 10;
    if (choice < 5) {
      const unsigned bits = random() % 20;
      const Tick tick = now + random() % (1u << bits);
      const int id = static_cast<int>(timers.size());
      timers.emplace_back().id = id;
      place.push_back(expected.emplace(tick, timers.back().id));
      is_armed.push_back(true);
      wheel.Arm(timers.back(), tick);
    } else if (choice < 7 && !timers.empty()) {
      const std::size_t i = random() % timers.size();
      if (!is_armed[i]) continue;
      wheel.Cancel(timers[i]);
      expected.erase(place[i]);
      is_armed[i] = false;
    } else {
      now += random() % (random() % 4 == 0 ? 5000 : 5);
      if (!expected.empty()) {
        BOOST_TEST_REQUIRE(wheel.NextTick() <=
                           std::max(expected.begin()->first, wheel.now()));
      }
      wheel.Advance(now);
      std::multimap<Tick, int> due;
      for (const int id : TakeDue(wheel)) {
        due.emplace(Tick{timers[static_cast<std::size_t>(id)].tick}, id);
        is_armed[static_cast<std::size_t>(id)] = false;
      }
      // What was due when it was armed comes in the order of arming; all else
      // in the order of its ticks.
      std::vector<int> got, wanted;
      for (const auto& entry : due) got.push_back(entry.second);
      while (!expected.empty() && expected.begin()->first <= now) {
        wanted.push_back(expected.begin()->second);
        expected.erase(expected.begin());
      }
      BOOST_TEST_REQUIRE((got == wanted));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
