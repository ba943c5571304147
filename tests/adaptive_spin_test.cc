// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/internal/adaptive_spin.h"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <vector>

namespace qio {
namespace {

using internal_adaptive_spin::AdaptiveSpin;

constexpr std::uint32_t kLimit = 400;

// How often a spin looks for what never comes.
int LooksInVain(AdaptiveSpin& spin) {
  int looks = 0;
  BOOST_TEST(!spin.Until([&] {
    ++looks;
    return false;
  }));
  return looks;
}

// True if it finds what is there at its look number `at`, from 1.
bool Finds(AdaptiveSpin& spin, int at) {
  int looks = 0;
  return spin.Until([&] { return ++looks == at; });
}

// How often it sleeps without a look before it looks again.
int ParksBeforeAProbe(AdaptiveSpin& spin) {
  int parks = 0;
  while (LooksInVain(spin) == 0) ++parks;
  return parks;
}

BOOST_AUTO_TEST_SUITE(AdaptiveSpinTest)

BOOST_AUTO_TEST_CASE(FindsWhatComesWithinItsLimit) {
  for (const int at : {1, 2, 399, 400}) {
    AdaptiveSpin spin(kLimit);
    BOOST_TEST(Finds(spin, at));
  }
  AdaptiveSpin spin(kLimit);
  BOOST_TEST(!Finds(spin, 401));
}

BOOST_AUTO_TEST_CASE(LooksLessTheMoreOftenItFails) {
  AdaptiveSpin spin(kLimit);
  for (const int looks : {400, 200, 100, 50, 25, 0, 0}) {
    BOOST_TEST(LooksInVain(spin) == looks);
  }
}

BOOST_AUTO_TEST_CASE(LooksAgainNowAndThenAndEverMoreRarely) {
  AdaptiveSpin spin(kLimit);
  while (LooksInVain(spin) != 0) {
  }
  std::vector<int> parks;
  for (int i = 0; i < 5; ++i) parks.push_back(ParksBeforeAProbe(spin));
  // The first park was before this.
  BOOST_TEST(parks == (std::vector<int>{6, 15, 31, 31, 31}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(OneSuccessBringsItBack) {
  AdaptiveSpin spin(kLimit);
  while (LooksInVain(spin) != 0) {
  }
  for (int i = 0; i < 4; ++i) ParksBeforeAProbe(spin);
  int parks = 0;
  while (!Finds(spin, 300)) ++parks;
  BOOST_TEST(parks == 31);
  // Twice as long each time, up to its limit.
  for (const int at : {32, 64, 128, 256, 400}) BOOST_TEST(Finds(spin, at));
  while (LooksInVain(spin) != 0) {
  }
  BOOST_TEST(ParksBeforeAProbe(spin) == 6);
}

BOOST_AUTO_TEST_CASE(AFewFailuresCostNoProbe) {
  AdaptiveSpin spin(kLimit);
  for (int i = 0; i < 100; ++i) {
    BOOST_TEST(LooksInVain(spin) != 0);
    BOOST_TEST(Finds(spin, 1));
  }
}

BOOST_AUTO_TEST_CASE(WithoutALimitItNeverLooks) {
  AdaptiveSpin spin(0);
  BOOST_TEST(!spin.enabled());
  for (int i = 0; i < 300; ++i) BOOST_TEST(LooksInVain(spin) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
