// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/mailbox.h in every schedule: each node is taken exactly once
// (EX-01), in its producer's order (EX-11), with what was written before its
// push (TK-05), and no wake-up is lost (EX-04).

#include "qio/models/checker.h"
//
#include "qio/internal/mailbox.h"

namespace models {
namespace {

using qio::internal_mailbox::Mailbox;
using qio::internal_mailbox::Node;
using qio::internal_mailbox::NodeQueue;

struct Mail : Node {
  int producer = 0;
  int number = 0;
  int taken = 0;
  Plain<int> text{0};
};

// Thread 0 is the loop, the others push to it.
template <class M, int kProducers, int kEach>
struct Mailing : Model<M, 1 + kProducers> {
  void before() { Kernel::Get().EventFd(); }
  void after() {
    static_cast<M*>(this)->Check();
    mailbox.reset();
  }

  void thread(unsigned index) {
    if (index == 0) {
      static_cast<M*>(this)->Loop();
    } else {
      static_cast<M*>(this)->Producer(static_cast<int>(index) - 1);
    }
  }

  Mail& Write(int producer, int number) {
    Mail& one = mail[producer][number];
    one.producer = producer;
    one.number = number;
    one.text.set(1);
    return one;
  }

  // Takes what is there. Returns how much that was.
  int Read(NodeQueue& queue) {
    int count = 0;
    for (; !queue.empty(); ++count) {
      auto& one = *static_cast<Mail*>(queue.Pop());
      Expect(one.text.get() == 1, "what was written before the push is seen");
      Expect(one.number == next[one.producer]++, "each once and in order");
      ++one.taken;
    }
    return count;
  }

  std::optional<Mailbox> mailbox{std::in_place};
  Mail mail[kProducers][kEach];
  int next[kProducers] = {};
};

// The loop sleeps until all mail has come.
struct Delivery : Mailing<Delivery, 2, 2> {
  static constexpr int kPreemptionsMax = 3;

  void Producer(int producer) {
    for (int number = 0; number < 2; ++number) {
      const Mailbox::Pushed pushed = mailbox->Push(&Write(producer, number));
      Expect(pushed != Mailbox::Pushed::kClosed, "it is open");
      if (pushed == Mailbox::Pushed::kMustWake) {
        ++wakers;
        Kernel::Get().Write(Kernel::kEventFd);
      }
    }
  }

  void Loop() {
    for (int left = 4; left > 0;) {
      NodeQueue queue;
      wakers_seen += mailbox->Take(queue);
      left -= Read(queue);
      if (left == 0 || !mailbox->Park()) continue;
      Kernel::Get().EpollWait(true);
      mailbox->Unpark();
    }
  }

  void Check() {
    Expect(wakers == wakers_seen, "the loop has heard of each waker");
  }

  int wakers = 0;
  int wakers_seen = 0;
};

// The loop looks once and closes, with the producers still at it.
struct Closing : Mailing<Closing, 2, 2> {
  static constexpr int kPreemptionsMax = 4;

  void Producer(int producer) {
    for (int number = 0; number < 2; ++number) {
      Mail& one = Write(producer, number);
      if (mailbox->Push(&one) == Mailbox::Pushed::kClosed) {
        Expect(last_words.get() == 1, "what the loop wrote last is seen");
        Expect(one.text.get() == 1 && one.taken == 0, "it is still ours");
        ++refused[producer];
      }
    }
  }

  void Loop() {
    NodeQueue queue;
    mailbox->Take(queue);
    Read(queue);
    mailbox->Park();
    last_words.set(1);
    mailbox->Close(queue);
    Read(queue);
  }

  void Check() {
    for (int producer = 0; producer < 2; ++producer) {
      Expect(next[producer] + refused[producer] == 2,
             "each was taken or refused");
    }
  }

  Plain<int> last_words{0};
  int refused[2] = {};
};

BOOST_AUTO_TEST_SUITE(MailboxModel)

BOOST_AUTO_TEST_CASE(Ex04_NoWakeUpIsLostNorMail) {
  ExpectNothingFound<Delivery>("Delivery");
}

BOOST_AUTO_TEST_CASE(Ex01_ClosingTakesOrRefusesEach) {
  ExpectNothingFound<Closing>("Closing");
}

// Park() that does not look: what came since Take() is lost (drain, then
// disarm).
BOOST_AUTO_TEST_CASE(ParkingBlindlyIsFound) {
  ExpectFound<Delivery>("Delivery", {Planted::Kind::kBlind, "Mailbox::Park"},
                        rl::test_result_deadlock);
}

// A loop that sleeps without having parked.
BOOST_AUTO_TEST_CASE(SleepingUnparkedIsFound) {
  ExpectFound<Delivery>("Delivery", {Planted::Kind::kSkipped, "Mailbox::Park"},
                        rl::test_result_deadlock);
}

// Unpark() that does not look: the mail that woke the loop is lost.
BOOST_AUTO_TEST_CASE(UnparkingBlindlyIsFound) {
  ExpectFound<Delivery>("Delivery", {Planted::Kind::kBlind, "Mailbox::Unpark"},
                        rl::test_result_deadlock);
}

// Push() that does not look: the mail of another producer is lost.
BOOST_AUTO_TEST_CASE(PushingBlindlyIsFound) {
  ExpectFound<Delivery>("Delivery", {Planted::Kind::kBlind, "Mailbox::Push"},
                        rl::test_result_user_assert_failed);
}

BOOST_AUTO_TEST_CASE(EachMemoryOrderIsNeeded) {
  constexpr char kNothing[] = "it hands nothing over; Take() does";
  ExpectEachOrderNeeded<Delivery, Closing>(
      "qio/internal/mailbox.h",
      {
          {"Mailbox::Park: acq_rel to acquire", kNothing},
          {"Mailbox::Park: acq_rel to release", kNothing},
          {"Mailbox::Unpark: acq_rel to acquire", kNothing},
          {"Mailbox::Unpark: acq_rel to release", kNothing},
      });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace models
