// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// LoopRefs of threads against a loop that runs until it is idle, and against
// one that goes away: each post is called once, or refused (EX-01, EX-05), none
// is slept over (EX-04), and the last one out frees the core, once.

#include "qio/models/loop_model.h"

namespace models {
namespace {

using Ref = qio::LoopRef<Loop>;

// Thread 0 is the loop. Each other one has a LoopRef, posts a letter through
// it, or two, and lets go of it.
template <class M>
struct Posting : Model<M, 3> {
  void before() {
    called = nullptr;
    Letter::alive = 0;
    loop = Loop::Create();
    (void)loop->Enter([&](Loop::On& on) {
      refs[0].emplace(on);
      refs[1].emplace(*refs[0]);
    });
  }

  void thread(unsigned index) {
    called = counts;
    if (index == 0) {
      static_cast<M*>(this)->Run();
      loop.reset();
    } else {
      Post(static_cast<int>(index) - 1);
    }
  }

  void Post(int i) {
    for (int number = 2 * i; number < 2 * i + M::kEach; ++number) {
      Letter letter(number);
      const absl::Status status = refs[i]->Post(
          [](Loop::On&, Letter letter) {
            Expect(letter.Read() == letter.number(),
                   "what was written is seen");
            Expect(letter.number() % 2 == 0 || called[letter.number() - 1] == 1,
                   "in order");
            ++called[letter.number()];
          },
          std::move(letter));
      if (status.ok()) {
        ++accepted[number];
      } else {
        Expect(letter.number() == number, "what was refused is given back");
        Expect(letter.Read() == number, "as it was");
      }
    }
    refs[i].reset();
  }

  void after() {
    for (int number = 0; number < 4; ++number) {
      Expect(called[number] <= accepted[number], "called at most once");
      if (M::kAllCalled) {
        Expect(called[number] == (number % 2 < M::kEach), "called once");
      }
    }
    Expect(Letter::alive == 0, "each letter has ended");
  }

  // A worker's function captures nothing.
  static inline int* called = nullptr;

  std::unique_ptr<Loop> loop;
  std::optional<Ref> refs[2];
  int counts[4] = {};
  int accepted[4] = {};
};

struct UntilIdle : Posting<UntilIdle> {
  static constexpr int kPreemptionsMax = 2;
  static constexpr int kEach = 1;
  static constexpr bool kAllCalled = true;
  void Run() { loop->RunUntilIdle(); }
};

struct Going : Posting<Going> {
  static constexpr int kPreemptionsMax = 3;
  static constexpr int kEach = 1;
  static constexpr bool kAllCalled = false;
  void Run() { loop->RunOnceAndPark(); }
};

BOOST_AUTO_TEST_SUITE(LoopModel)

BOOST_AUTO_TEST_CASE(Ex04_RunsUntilTheLastRefIsGone) {
  ExpectNothingFound<UntilIdle>("UntilIdle");
}

BOOST_AUTO_TEST_CASE(Ex05_PostsWhileTheLoopGoesAway) {
  ExpectNothingFound<Going>("Going");
}

// Close() that does not wait for who is about to write.
BOOST_AUTO_TEST_CASE(ClosingUnderAWakerIsFound) {
  ExpectFound<Going>(
      "Going",
      {Planted::Kind::kOther, "an eventfd that says more than was written"},
      rl::test_result_user_assert_failed);
}

BOOST_AUTO_TEST_CASE(EachMemoryOrderIsNeeded) {
  constexpr char kMailed[] = "the note came by mail, which has ordered it";
  ExpectEachOrderNeeded<UntilIdle, Going>(
      "qio/internal/loop_core.h",
      {
          {"LoopCore::NoteArrived: acq_rel to acquire", kMailed},
          {"LoopCore::NoteArrived: acq_rel to release", kMailed},
      });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace models
