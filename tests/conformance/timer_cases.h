// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/timer_cases.h
//
// TI: what a timer promises, on any executor.

#ifndef QIO_TESTS_CONFORMANCE_TIMER_CASES_H_
#define QIO_TESTS_CONFORMANCE_TIMER_CASES_H_

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/on_loop.h"
#include "qio/support/loop_log.h"
#include "qio/support/proc.h"
#include "qio/timer.h"

namespace qio::conformance {

using support::LoopLog;
using support::Traced;
using What = support::LoopLog::What;

// A loop whose clock follows the monotonic one.
template <class H>
class TimerLoop : public Loop<H> {
 public:
  TimerLoop() { this->harness().FollowClock(); }
};

template <class H>
struct Ti01_NeverEarly {
  static constexpr char kRule[] =
      "A timer never fires before its deadline, by the monotonic clock";

  static void Run() {
    using std::chrono::steady_clock;
    TimerLoop<H> loop;
    std::vector<Timer<typename H::Executor>> timers(60);
    std::size_t fired = 0;
    int early = 0;
    // A loop's clock may stand between its turns.
    const auto last_turn = steady_clock::now();
    loop.harness().RunOnce();
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < timers.size(); ++i) {
        // Fractions of a millisecond, and some of many.
        const auto delay = std::chrono::microseconds(i * 1637 % 90'000 + i);
        const auto deadline =
            (i % 2 == 0 ? steady_clock::now() : last_turn) + delay;
        auto fire = [&, deadline](auto&) {
          ++fired;
          early += steady_clock::now() < deadline;
        };
        if (i % 2 == 0) {
          timers[i].StartAt(on, deadline, fire);
        } else {
          timers[i].StartAfter(on, delay, fire);
        }
      }
    });
    loop.TurnUntil([&] { return fired == timers.size(); });
    BOOST_TEST(early == 0);
  }
};

template <class H>
struct Ti02_StopTellsWhetherItCame {
  static constexpr char kRule[] =
      "Stop() returns true and the callback never runs, or false and it ran or "
      "is running";

  static void Run() {
    using E = typename H::Executor;
    TimerLoop<H> loop;
    Timer<E> timer;
    int calls = 0;
    bool inside = true;
    loop.Enter([&](auto& on) {
      BOOST_TEST(!timer.Stop(on));  // Never started.
      // Long before, and when it is due and not called yet.
      for (const auto delay : {std::chrono::hours(1), std::chrono::hours(0),
                               std::chrono::hours(-1)}) {
        timer.StartAfter(on, delay, [&](auto&) { ++calls; });
        BOOST_TEST(timer.armed());
        BOOST_TEST(timer.Stop(on));
        BOOST_TEST(!timer.armed());
        BOOST_TEST(!timer.Stop(on));
      }
    });
    loop.TurnALot();
    BOOST_TEST(calls == 0);
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::milliseconds(1), [&](auto& on) {
        ++calls;
        inside = timer.Stop(on);
      });
    });
    loop.TurnUntil([&] { return calls == 1; });
    BOOST_TEST(!inside);
    loop.Enter([&](auto& on) { BOOST_TEST(!timer.Stop(on)); });
    // Of two that are due in one turn the first one stops the second.
    std::array<Timer<E>, 2> pair;
    int stopped = 0, not_stopped = 0;
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < 2; ++i) {
        pair[i].StartAfter(on, std::chrono::seconds(-1), [&, i](auto& on) {
          ++(pair[1 - i].Stop(on) ? stopped : not_stopped);
        });
      }
    });
    loop.TurnUntil([&] { return stopped + not_stopped > 0; });
    loop.TurnALot();
    BOOST_TEST(stopped == 1);
    BOOST_TEST(not_stopped == 0);
    // It has fired, and was not stopped.
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::nanoseconds(1),
                       [&](auto&) { ++calls; });
    });
    loop.TurnUntil([&] { return calls == 2; });
    loop.Enter([&](auto& on) { BOOST_TEST(!timer.Stop(on)); });
  }
};

template <class H>
struct Ti03_AnyTimerMayEndAnyOther {
  static constexpr char kRule[] =
      "Stopping, destroying or starting anew this or any other timer inside a "
      "callback is safe, also if both are due in one turn";

  enum class Act { kStop, kDestroy, kMove, kRestart };
  static constexpr std::size_t kTimers = 4;

  static void Run() {
    for (const Act act :
         {Act::kStop, Act::kDestroy, Act::kMove, Act::kRestart}) {
      for (std::size_t victim = 0; victim < kTimers; ++victim) {
        for (std::size_t striker = 0; striker < kTimers; ++striker) {
          RunOne(act, victim, striker);
        }
      }
    }
  }

  // All are due in one turn; `striker` does `act` to `victim`.
  static void RunOne(Act act, std::size_t victim, std::size_t striker) {
    using E = typename H::Executor;
    TimerLoop<H> loop;
    std::array<std::unique_ptr<Timer<E>>, kTimers> timers;
    std::array<int, kTimers> calls{};
    int calls_before = 0, calls_after_restart = 0;
    bool stopped = false;
    auto strike = [&](auto& on) {
      calls_before = calls[victim];
      switch (act) {
        case Act::kStop:
          stopped = timers[victim]->Stop(on);
          break;
        case Act::kDestroy:
          timers[victim].reset();
          break;
        case Act::kMove:
          timers[victim] =
              std::make_unique<Timer<E>>(std::move(*timers[victim]));
          break;
        case Act::kRestart:
          timers[victim]->StartAfter(on, std::chrono::milliseconds(-5),
                                     [&](auto&) { ++calls_after_restart; });
          break;
      }
    };
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < kTimers; ++i) {
        timers[i] = std::make_unique<Timer<E>>();
        timers[i]->StartAfter(
            on, std::chrono::milliseconds(-1),
            [&, i, guard = std::make_unique<int>(7)](auto& on) {
              ++calls[i];
              if (i == striker) strike(on);
              // The callback is still there.
              BOOST_TEST(*guard == 7);
            });
      }
    });
    auto expected = [&](std::size_t i) {
      return i == victim && act != Act::kMove ? calls_before : 1;
    };
    loop.TurnUntil([&] {
      if (calls[striker] == 0) return false;
      for (std::size_t i = 0; i < kTimers; ++i) {
        if (calls[i] < expected(i)) return false;
      }
      return act != Act::kRestart || calls_after_restart > 0;
    });
    loop.TurnALot();
    for (std::size_t i = 0; i < kTimers; ++i) {
      BOOST_TEST(calls[i] == expected(i));
    }
    BOOST_TEST(calls_after_restart == (act == Act::kRestart ? 1 : 0));
    if (act == Act::kStop) BOOST_TEST(stopped == (calls_before == 0));
    loop.Enter([&](auto&) {
      for (auto& timer : timers) timer.reset();
    });
  }
};

template <class H>
struct Ti03_TheCallbackOutlivesItsOwnCall {
  static constexpr char kRule[] =
      "The callback is destroyed once, on the loop, never while it runs";

  static void Run() {
    using E = typename H::Executor;
    // Left alone; ended from inside by stopping, destroying, starting anew.
    for (int way = 0; way < 4; ++way) {
      LoopLog log;
      TimerLoop<H> loop;
      auto timer = std::make_unique<Timer<E>>();
      int alive = -1, anew = 0;
      loop.Enter([&](auto& on) {
        timer->StartAfter(on, std::chrono::seconds(-1),
                          [&, way, item = Traced(log, 1)](auto& on) {
                            item.Run([&] {
                              if (way == 1) timer->Stop(on);
                              if (way == 2) timer.reset();
                              if (way == 3) {
                                timer->StartAfter(on, std::chrono::seconds(-1),
                                                  [&](auto&) { ++anew; });
                              }
                              alive = log.Count(What::kDestroyed) == 0;
                            });
                          });
      });
      loop.TurnUntil([&] {
        return log.Count(What::kDestroyed) > 0 && (way != 3 || anew > 0);
      });
      loop.TurnALot();
      BOOST_TEST(alive == 1);
      BOOST_TEST(anew == (way == 3 ? 1 : 0));
      BOOST_TEST(log.AllCalledOnce() == "");
      BOOST_TEST(log.OnlyOn(std::this_thread::get_id()) == "");
    }
  }
};

template <class H>
struct Ti03_ADestructorMayStartTheTimerAnew {
  static constexpr char kRule[] =
      "What a replaced callback held may start the same timer as it goes; the "
      "outer start has the last word";

  static void Run() {
    TimerLoop<H> loop;
    Timer<typename H::Executor> timer;
    int calls = 0, inner_calls = 0;
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::hours(1),
                       [at_end = AtEnd([&] {
                          timer.StartAfter(on, std::chrono::seconds(-1),
                                           [&](auto&) { ++inner_calls; });
                        })](auto&) {});
      timer.StartAfter(on, std::chrono::milliseconds(1),
                       [&](auto&) { ++calls; });
    });
    loop.TurnUntil([&] { return calls == 1; });
    BOOST_TEST(inner_calls == 0);
    loop.Enter(
        [&](auto& on) { BOOST_TEST(on.executor().outstanding(on) == 0); });
  }
};

template <class H>
struct Ti04_OnceIsOnce {
  static constexpr char kRule[] = "A one-shot timer fires once per start";

  static void Run() {
    TimerLoop<H> loop;
    Timer<typename H::Executor> timer;
    int calls = 0;
    for (int i = 1; i <= 5; ++i) {
      // Started twice: the second start replaces the first.
      loop.Enter([&](auto& on) {
        timer.StartAfter(on, std::chrono::milliseconds(1),
                         [&](auto&) { calls += 1000; });
        timer.StartAfter(on, std::chrono::milliseconds(i - 3),
                         [&](auto&) { ++calls; });
      });
      loop.TurnUntil([&] { return calls >= i; });
      BOOST_TEST(!timer.armed());
      loop.TurnALot();
      BOOST_TEST(calls == i);
    }
  }
};

template <class H>
struct Ti05_TheWallClockDoesNotMatter {
  static constexpr char kRule[] =
      "No timer of the loop is on the wall clock: setting that has no effect";

  static void Run() {
    TimerLoop<H> loop;
    Timer<typename H::Executor> timer;
    bool fired = false;
    loop.Enter([&](auto& on) {
      timer.StartAfter(on, std::chrono::milliseconds(20),
                       [&](auto&) { fired = true; });
    });
    // A turn arms whatever the kernel is asked to wait with.
    loop.harness().RunOnce();
    for (const auto& [fd, target] : support::OpenDescriptors()) {
      if (target.find("[timerfd]") == target.npos) continue;
      const std::string clock =
          support::FieldOf(support::DescriptorInfo(fd), "clockid:");
      BOOST_TEST(clock == std::to_string(CLOCK_MONOTONIC));
    }
    loop.TurnUntil([&] { return fired; });
  }
};

template <class H>
struct Ti06_ExtremesDoNotOverflow {
  static constexpr char kRule[] =
      "Zero and negative delays are due at once, the largest ones never";

  static void Run() {
    using E = typename H::Executor;
    using std::chrono::steady_clock;
    TimerLoop<H> loop;
    std::vector<Timer<E>> soon(6), never(8);
    std::size_t fired = 0;
    int wrong = 0;
    loop.Enter([&](auto& on) {
      auto fire = [&](auto&) { ++fired; };
      soon[0].StartAfter(on, std::chrono::nanoseconds(0), fire);
      soon[1].StartAfter(on, std::chrono::nanoseconds(-1), fire);
      soon[2].StartAfter(on, std::chrono::nanoseconds::min(), fire);
      soon[3].StartAfter(on, std::chrono::hours::min(), fire);
      soon[4].StartAt(on, steady_clock::time_point::min(), fire);
      soon[5].StartAt(on, steady_clock::time_point(), fire);
      auto fail = [&](auto&) { ++wrong; };
      never[0].StartAfter(on, std::chrono::nanoseconds::max(), fail);
      never[1].StartAfter(on, std::chrono::hours::max(), fail);
      never[2].StartAt(on, steady_clock::time_point::max(), fail);
      // Where milliseconds no longer fit an int, or an unsigned one.
      never[3].StartAfter(on, std::chrono::milliseconds(INT_MAX), fail);
      never[4].StartAfter(on, std::chrono::milliseconds(1LL << 32), fail);
      never[5].StartAfter(on, std::chrono::milliseconds(1LL << 31), fail);
      never[6].StartEvery(on, std::chrono::hours::max(), fail);
      never[7].StartAfter(on, std::chrono::duration<double>(1e300), fail);
    });
    loop.TurnUntil([&] { return fired == soon.size(); });
    loop.TurnALot();
    BOOST_TEST(wrong == 0);
    loop.Enter([&](auto& on) {
      for (auto& timer : never) BOOST_TEST(timer.Stop(on));
    });
  }
};

template <class H>
struct Ti06_WaitingForLongDoesNotSpin {
  static constexpr char kRule[] =
      "A loop whose earliest timer is further away than a wait can be told "
      "sleeps";

  static void Run() {
    const std::chrono::milliseconds delays[] = {
        std::chrono::milliseconds::max(),
        std::chrono::hours(24 * 366 * 250),
        std::chrono::milliseconds(1LL << 32),
        std::chrono::milliseconds(1LL << 31),
        std::chrono::milliseconds(INT_MAX),
        std::chrono::hours(1)};
    for (const auto delay : delays) {
      LoopThread<H> loop;
      Timer<typename H::Executor> timer;
      loop.Call([&](auto& on) { timer.StartAfter(on, delay, [](auto&) {}); });
      // A loop that waits for no time, again and again, never does.
      support::WaitUntilAsleep(loop.thread_id());
      loop.Call([&](auto&) { timer = {}; });
    }
  }
};

template <class H>
struct Ti06_WaitingForLessThanAMillisecondDoesNotSpin {
  static constexpr char kRule[] =
      "Waiting for a fraction of a millisecond is rounded up: no series of "
      "waits for no time";

  static void Run() {
    constexpr auto kLong = std::chrono::milliseconds(200);
    TimerLoop<H> loop;
    Timer<typename H::Executor> often, last;
    loop.Enter([&](auto& on) {
      often.StartEvery(on, std::chrono::milliseconds(1), [](auto&) {});
      last.StartAfter(on, kLong, [&](auto& on) { loop.harness().Stop(on); });
    });
    const auto before = ThreadTime();
    loop.harness().Run();
    BOOST_TEST((ThreadTime() - before < kLong / 2));
    loop.Enter([&](auto& on) { often.Stop(on); });
  }

  // The processor time that this thread has used.
  static std::chrono::nanoseconds ThreadTime() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) +
           std::chrono::nanoseconds(time.tv_nsec);
  }
};

template <class H>
struct Ti07_EqualDeadlinesKeepTheirOrder {
  static constexpr char kRule[] =
      "Timers of one deadline fire in the order in which they were started, "
      "those of different ones by deadline";

  static void Run() {
    using std::chrono::steady_clock;
    TimerLoop<H> loop;
    constexpr std::size_t kEach = 50;
    const std::array<std::chrono::milliseconds, 4> delays{
        std::chrono::milliseconds(70), std::chrono::milliseconds(3),
        std::chrono::milliseconds(-3), std::chrono::milliseconds(20)};
    std::vector<Timer<typename H::Executor>> timers(kEach * delays.size());
    std::vector<std::size_t> fired;
    loop.Enter([&](auto& on) {
      const auto now = steady_clock::now();
      // Round robin over the deadlines; every fifth one is stopped again.
      for (std::size_t i = 0; i < timers.size(); ++i) {
        timers[i].StartAt(on, now + delays[i % delays.size()],
                          [&, i](auto&) { fired.push_back(i); });
      }
      for (std::size_t i = 0; i < timers.size(); i += 5) timers[i].Stop(on);
    });
    const std::size_t left = timers.size() - timers.size() / 5;
    loop.TurnUntil([&] { return fired.size() == left; });
    const bool ordered = std::is_sorted(
        fired.begin(), fired.end(), [&](std::size_t a, std::size_t b) {
          const auto of_a = delays[a % delays.size()];
          const auto of_b = delays[b % delays.size()];
          return of_a != of_b ? of_a < of_b : a < b;
        });
    BOOST_TEST(ordered);
  }
};

template <class H>
struct Ti08_PeriodsCoalesceAndDoNotDrift {
  static constexpr char kRule[] =
      "A periodic timer keeps to multiples of its interval; those that were "
      "missed cost one call together";

  using Clock = std::chrono::steady_clock;
  static constexpr auto kInterval = std::chrono::milliseconds(10);

  static void Run() {
    // A busy machine may be late by anything, and a clock that is moved by hand
    // may stand while the timer is started: then it is tried again. A timer
    // that drifts does so each time.
    bool kept = false;
    for (int attempt = 0; attempt < 50 && !kept; ++attempt) kept = RunOne();
    BOOST_TEST(kept);
  }

  // True: all calls came where they should have.
  static bool RunOne() {
    TimerLoop<H> loop;
    Timer<typename H::Executor> timer;
    std::vector<Clock::duration> calls;
    loop.Enter([&](auto& on) {
      const auto start = Clock::now();
      timer.StartEvery(on, kInterval, [&, start](auto&) {
        calls.push_back(Clock::now() - start);
        // The first one takes more than five intervals.
        while (calls.size() == 1 && Clock::now() - start < kInterval * 13 / 2) {
        }
      });
    });
    loop.TurnUntil([&] { return calls.size() >= 4; });
    loop.Enter([&](auto& on) { BOOST_TEST(timer.Stop(on)); });
    const std::size_t count = calls.size();
    loop.TurnALot();
    BOOST_TEST(calls.size() == count);
    // 1, then those missed until 6.5 as one call; the next one waits for
    // another multiple, a quarter of an interval late at most, and so does the
    // one after it.
    return calls[0] / kInterval >= 1 && calls[1] / kInterval >= 6 &&
           calls[2] / kInterval > calls[1] / kInterval &&
           calls[3] / kInterval > calls[2] / kInterval &&
           calls[2] % kInterval < kInterval / 4;
  }
};

template <class H>
struct Ti08_APeriodMayEndItself {
  static constexpr char kRule[] =
      "A periodic timer that is stopped, destroyed or started anew in its own "
      "call fires no more";

  static void Run() {
    using E = typename H::Executor;
    for (int way = 0; way < 3; ++way) {
      LoopLog log;
      TimerLoop<H> loop;
      auto timer = std::make_unique<Timer<E>>();
      bool anew = false;
      loop.Enter([&](auto& on) {
        timer->StartEvery(on, std::chrono::milliseconds(1),
                          [&, way, item = Traced(log, 1)](auto& on) {
                            item.Run([&] {
                              if (way == 0) timer->Stop(on);
                              if (way == 1) timer.reset();
                              if (way == 2) {
                                timer->StartAfter(on,
                                                  std::chrono::milliseconds(3),
                                                  [&](auto&) { anew = true; });
                              }
                            });
                          });
      });
      loop.TurnUntil([&] {
        return log.Count(What::kDestroyed) > 0 && (way != 2 || anew);
      });
      loop.TurnALot();
      BOOST_TEST(log.AllCalledOnce() == "");
    }
  }
};

template <class H>
struct Ti09_ManyTimersCostNoDescriptor {
  static constexpr char kRule[] =
      "100,000 timers take no descriptor each, and starting and stopping one "
      "does not get slower by their number";

  static void Run() {
    using E = typename H::Executor;
    using std::chrono::steady_clock;
    constexpr std::size_t kTimers = 100'000;
    TimerLoop<H> loop;
    std::vector<Timer<E>> timers(kTimers);
    // 1,000 starts and stops of one more timer.
    Timer<E> one;
    auto measure = [&](auto& on) {
      auto best = steady_clock::duration::max();
      for (int round = 0; round < 5; ++round) {
        const auto begin = steady_clock::now();
        for (int i = 0; i < 1000; ++i) {
          one.StartAfter(on, std::chrono::minutes(i % 100 + 1), [](auto&) {});
          one.Stop(on);
        }
        best = std::min(best, steady_clock::now() - begin);
      }
      return best;
    };
    const std::size_t open = support::OpenDescriptors().size();
    loop.Enter([&](auto& on) {
      const auto alone = measure(on);
      for (std::size_t i = 0; i < kTimers; ++i) {
        timers[i].StartAfter(on, std::chrono::milliseconds(60'000 + i),
                             [](auto&) {});
      }
      const auto among_many = measure(on);
      BOOST_TEST(support::OpenDescriptors().size() == open);
      // log2(100,000) is 17; whatever walks over all is 100,000 times slower.
      BOOST_TEST((among_many < alone * 50));
      for (auto& timer : timers) BOOST_TEST_REQUIRE(timer.Stop(on));
    });
  }
};

template <class H>
void AddTimerCases(Suite& suite) {
  suite.AddAll<
      Ti01_NeverEarly<H>, Ti02_StopTellsWhetherItCame<H>,
      Ti03_AnyTimerMayEndAnyOther<H>, Ti03_TheCallbackOutlivesItsOwnCall<H>,
      Ti03_ADestructorMayStartTheTimerAnew<H>, Ti04_OnceIsOnce<H>,
      Ti05_TheWallClockDoesNotMatter<H>, Ti06_ExtremesDoNotOverflow<H>,
      Ti06_WaitingForLongDoesNotSpin<H>,
      Ti06_WaitingForLessThanAMillisecondDoesNotSpin<H>,
      Ti07_EqualDeadlinesKeepTheirOrder<H>,
      Ti08_PeriodsCoalesceAndDoNotDrift<H>, Ti08_APeriodMayEndItself<H>,
      Ti09_ManyTimersCostNoDescriptor<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_TIMER_CASES_H_
