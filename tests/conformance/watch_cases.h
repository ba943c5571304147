// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/watch_cases.h
//
// WA: what a watch promises, on any executor.

#ifndef QIO_TESTS_CONFORMANCE_WATCH_CASES_H_
#define QIO_TESTS_CONFORMANCE_WATCH_CASES_H_

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "qio/condition.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/support/allocations.h"
#include "qio/support/loop_log.h"
#include "qio/support/pipe.h"
#include "qio/support/proc.h"
#include "qio/watch.h"

namespace qio::conformance {

using support::LoopLog;
using support::Pipe;
using support::Traced;
using What = support::LoopLog::What;

// Starts a watch that must start.
template <class E, class F>
void MustStart(Watch<E>& watch, OnLoop<E>& on, int fd, Condition wanted, F f) {
  const absl::Status status = watch.Start(on, fd, wanted, std::move(f));
  BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
}

template <class H>
struct Wa01_NoCallStartsAfterStop {
  static constexpr char kRule[] =
      "After Stop() the callback never starts again, even if its event was "
      "taken from the kernel already";

  static void Run() {
    // Two watches are ready in one batch; whichever is called first stops both.
    Loop<H> loop;
    std::array<Pipe, 2> pipes;
    std::array<Watch<typename H::Executor>, 2> watches;
    int calls = 0;
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < 2; ++i) {
        pipes[i].Write();
        MustStart(watches[i], on, pipes[i].reader.get(), Condition::kIn,
                  [&](auto& on, Condition) {
                    ++calls;
                    for (auto& watch : watches) watch.Stop(on);
                  });
      }
    });
    loop.TurnUntil([&] { return calls > 0; });
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    for (const auto& watch : watches) BOOST_TEST(!watch.armed());
    // Ready, and stopped before the loop has looked.
    loop.Enter([&](auto& on) {
      MustStart(watches[0], on, pipes[0].reader.get(), Condition::kIn,
                [&](auto&, Condition) { ++calls; });
      watches[0].Stop(on);
      watches[0].Stop(on);
    });
    loop.TurnALot();
    BOOST_TEST(calls == 1);
  }
};

template <class H>
struct Wa02_AStaleEventDoesNotReachItsSuccessor {
  static constexpr char kRule[] =
      "An event of a closed descriptor never reaches a new watch on the same "
      "number";

  static void Run() {
    for (int round = 0; round < 50; ++round) {
      // Two are ready in one batch. The first to be called closes the other
      // one, whose number becomes a pipe with nothing to read, watched anew.
      Loop<H> loop;
      std::array<Pipe, 2> pipes;
      Pipe successor;
      std::array<Watch<typename H::Executor>, 2> watches;
      int calls = 0, successor_calls = 0;
      auto replace = [&](auto& on, std::size_t at) {
        const int number = pipes[at].reader.release();
        watches[at].Stop(on);
        if (round % 2 == 0) ::close(number);
        BOOST_REQUIRE(::dup3(successor.reader.get(), number, O_CLOEXEC) ==
                      number);
        pipes[at].reader = OwnedFd(number);
        MustStart(watches[at], on, number, Condition::kIn,
                  [&, at](auto& on, Condition) {
                    ++successor_calls;
                    watches[at].Stop(on);
                  });
      };
      loop.Enter([&](auto& on) {
        for (std::size_t i = 0; i < 2; ++i) {
          MustStart(watches[i], on, pipes[i].reader.get(), Condition::kIn,
                    [&, i](auto& on, Condition) {
                      pipes[i].ReadDry();
                      if (++calls == 1) replace(on, 1 - i);
                    });
        }
        const std::size_t first = round / 2 % 2;
        pipes[first].Write();
        pipes[1 - first].Write();
      });
      loop.TurnUntil([&] { return calls > 0; });
      loop.TurnALot();
      BOOST_TEST(calls == 1);
      BOOST_TEST(successor_calls == 0);
      // Its own event does.
      successor.Write();
      loop.TurnUntil([&] { return successor_calls > 0; });
    }
  }
};

template <class H>
struct Wa03_AnyWatchMayEndAnyOther {
  static constexpr char kRule[] =
      "Stopping, destroying, moving or restarting this or any other watch "
      "inside a callback is safe, in every order of a batch";

  enum class Act { kStop, kDestroy, kMove, kRestart };
  static constexpr std::size_t kWatches = 4;

  static void Run() {
    for (const Act act :
         {Act::kStop, Act::kDestroy, Act::kMove, Act::kRestart}) {
      for (std::size_t victim = 0; victim < kWatches; ++victim) {
        std::array<std::size_t, kWatches> order{0, 1, 2, 3};
        do {
          RunOne(act, victim, order);
        } while (std::next_permutation(order.begin(), order.end()));
      }
    }
  }

  // All become ready in `order`, in one batch; the first one called does `act`
  // to `victim`.
  static void RunOne(Act act, std::size_t victim,
                     const std::array<std::size_t, kWatches>& order) {
    using E = typename H::Executor;
    Loop<H> loop;
    std::array<Pipe, kWatches> pipes;
    std::array<std::unique_ptr<Watch<E>>, kWatches> watches;
    std::array<int, kWatches> calls{};
    int called = 0;
    bool victim_was_called = false;
    auto strike = [&](auto& on) {
      victim_was_called = calls[victim] != 0;
      switch (act) {
        case Act::kStop:
          watches[victim]->Stop(on);
          break;
        case Act::kDestroy:
          watches[victim].reset();
          break;
        case Act::kMove:
          watches[victim] =
              std::make_unique<Watch<E>>(std::move(*watches[victim]));
          break;
        case Act::kRestart:
          MustStart(*watches[victim], on, pipes[victim].reader.get(),
                    Condition::kIn, [&](auto&, Condition) {
                      pipes[victim].ReadDry();
                      ++calls[victim];
                    });
          break;
      }
    };
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < kWatches; ++i) {
        watches[i] = std::make_unique<Watch<E>>();
        MustStart(
            *watches[i], on, pipes[i].reader.get(), Condition::kIn,
            [&, i, guard = std::make_unique<int>(7)](auto& on, Condition) {
              pipes[i].ReadDry();
              ++calls[i];
              if (++called == 1) strike(on);
              // The callback is still there.
              BOOST_TEST(*guard == 7);
            });
      }
      for (const std::size_t i : order) pipes[i].Write();
    });
    const bool ends = act == Act::kStop || act == Act::kDestroy;
    loop.TurnUntil([&] {
      for (std::size_t i = 0; i < kWatches; ++i) {
        if (calls[i] == 0 && !(i == victim && ends)) return false;
      }
      return true;
    });
    loop.TurnALot();
    for (std::size_t i = 0; i < kWatches; ++i) {
      BOOST_TEST(calls[i] ==
                 (i == victim && ends && !victim_was_called ? 0 : 1));
    }
    loop.Enter([&](auto&) {
      for (auto& watch : watches) watch.reset();
    });
  }
};

template <class H>
struct Wa03_AnyWatchOfADescriptorMayEndAnyOther {
  static constexpr char kRule[] =
      "The same among watches of one descriptor, which one event calls";

  static constexpr std::size_t kWatches = 3;

  static void Run() {
    for (std::size_t striker = 0; striker < kWatches; ++striker) {
      // Each set of watches that may be struck at once.
      for (unsigned victims = 1; victims < 1u << kWatches; ++victims) {
        RunOne(striker, victims, true);
        RunOne(striker, victims, false);
      }
    }
  }

  static void RunOne(std::size_t striker, unsigned victims, bool destroy) {
    using E = typename H::Executor;
    Loop<H> loop;
    Pipe pipe;
    pipe.Write();
    std::array<std::unique_ptr<Watch<E>>, kWatches> watches;
    std::array<int, kWatches> calls{};
    std::array<int, kWatches> before{};
    int wrong = 0;
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < kWatches; ++i) {
        watches[i] = std::make_unique<Watch<E>>();
        MustStart(*watches[i], on, pipe.reader.get(), Condition::kIn,
                  [&, i](auto& on, Condition) {
                    ++calls[i];
                    wrong += calls[striker] != 0 && i != striker &&
                             (victims >> i & 1) != 0;
                    if (i != striker || calls[i] > 1) return;
                    before = calls;
                    for (std::size_t v = 0; v < kWatches; ++v) {
                      if ((victims >> v & 1) == 0) continue;
                      if (destroy) {
                        watches[v].reset();
                      } else {
                        watches[v]->Stop(on);
                      }
                    }
                  });
      }
    });
    loop.TurnUntil([&] {
      for (std::size_t i = 0; i < kWatches; ++i) {
        if (calls[i] == 0 && (victims >> i & 1) == 0) return false;
      }
      return calls[striker] != 0;
    });
    pipe.ReadDry();
    loop.TurnALot();
    BOOST_TEST(wrong == 0);
    for (std::size_t i = 0; i < kWatches; ++i) {
      if ((victims >> i & 1) != 0) BOOST_TEST(calls[i] == before[i]);
    }
    loop.Enter([&](auto&) {
      for (auto& watch : watches) watch.reset();
    });
  }
};

template <class H>
struct Wa04_NoRegistrationOutlivesItsOwner {
  static constexpr char kRule[] =
      "A watch that was stopped or destroyed leaves no registration, also if "
      "the open file lives on in a duplicate";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> loop;
    Pipe pipe;
    for (int way = 0; way < 3; ++way) {
      OwnedFd twin = pipe.reader.Duplicate().value();
      const int number = twin.get();
      int calls = 0;
      loop.Enter([&](auto& on) {
        Watch<E> watch;
        MustStart(watch, on, number, Condition::kIn,
                  [&](auto&, Condition) { ++calls; });
        BOOST_TEST(watch.armed());
        if (way == 0) watch.Stop(on);
        if (way == 1) watch = Watch<E>();
      });
      BOOST_TEST(support::EpollRegistrations(number) == 0);
      twin.reset();
      pipe.Write();
      loop.TurnALot();
      BOOST_TEST(calls == 0);
      pipe.ReadDry();
    }
    BOOST_TEST(loop.diagnostics().text() == "");
  }
};

template <class H>
struct Wa04_AClosedDescriptorIsReported {
  static constexpr char kRule[] =
      "A descriptor that was closed before its watch was stopped is reported";

  static void Run() {
    Loop<H> loop;
    Pipe pipe;
    Watch<typename H::Executor> watch;
    loop.Enter([&](auto& on) {
      MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                [](auto&, Condition) {});
      pipe.reader.reset();
      watch.Stop(on);
    });
    BOOST_TEST(loop.diagnostics().sentences().size() == 1);
  }
};

template <class H>
struct Wa05_AFailedStartIsAStatus {
  static constexpr char kRule[] =
      "A registration that fails is a Status with its errno; the watch stays "
      "inert and its callback is destroyed";

  static void Run() {
    LoopLog log;
    Loop<H> loop;
    Pipe pipe;
    const OwnedFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    const int closed = OwnedFd(::dup(pipe.reader.get())).get();
    Watch<typename H::Executor> watch;
    int item = 0, calls = 0;
    loop.Enter([&](auto& on) {
      const std::int64_t before = on.executor().outstanding(on);
      const std::pair<int, int> errors[] = {
          {-1, EBADF}, {closed, EBADF}, {file.get(), EPERM}};
      for (const auto& [fd, error] : errors) {
        const absl::Status status = watch.Start(
            on, fd, Condition::kIn,
            [traced = Traced(log, ++item)](auto&, Condition) { traced.Run(); });
        BOOST_TEST(Errno(status) == error, status.ToString());
        BOOST_TEST(!watch.armed());
        BOOST_TEST(log.Count(What::kDestroyed, item) == 1);
        BOOST_TEST(on.executor().outstanding(on) == before);
      }
      // It can be used again; and fails again, which ends what it watched.
      for (int i = 0; i < 2; ++i) {
        MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                  [&](auto& on, Condition) { ++calls, watch.Stop(on); });
        if (i == 0) {
          BOOST_TEST(
              !watch.Start(on, -1, Condition::kIn, [](auto&, Condition) {})
                   .ok());
          BOOST_TEST(!watch.armed());
        }
      }
    });
    BOOST_TEST(log.OnceEach() == "");
    BOOST_TEST(log.NoneCalled() == "");
    pipe.Write();
    loop.TurnUntil([&] { return calls == 1; });
  }
};

template <class H>
struct Wa05_AStartWithoutMemoryLeavesNothing {
  static constexpr char kRule[] =
      "A registration that finds no memory, at whichever allocation, leaves "
      "the "
      "watch inert and its callback destroyed";

  static void Run() {
    using E = typename H::Executor;
    // A number beyond any that the loop has room for.
    Pipe pipe;
    bool all_bit = true;
    int nth = 0;
    for (; all_bit && nth < 20; ++nth) {
      LoopLog log;
      Loop<H> loop;
      const OwnedFd high(::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 500));
      Watch<E> watch;
      loop.Enter([&](auto& on) {
        const std::int64_t before = on.executor().outstanding(on);
        absl::Status status;
        bool thrown = false;
        {
          auto f = [traced = Traced(log, 1)](auto&, Condition) {
            traced.Run();
          };
          support::FailingAllocations failing(nth, 1);
          try {
            status = watch.Start(on, high.get(), Condition::kIn, std::move(f));
          } catch (const std::bad_alloc&) {
            thrown = true;
          }
          all_bit = failing.bit();
        }
        if (all_bit) {
          BOOST_TEST((thrown || Errno(status) == ENOMEM));
          BOOST_TEST(!watch.armed());
          BOOST_TEST(log.Count(What::kDestroyed) == 1);
          BOOST_TEST(on.executor().outstanding(on) == before);
        } else {
          BOOST_TEST(status.ok());
        }
        watch.Stop(on);
      });
    }
    BOOST_TEST(nth > 1);
  }
};

template <class H>
struct Wa06_TheCallbackOutlivesItsOwnCall {
  static constexpr char kRule[] =
      "The callback is destroyed once, on the loop, never while it runs";

  static void Run() {
    using E = typename H::Executor;
    // Ended from inside by: stopping, destroying, starting anew, moving away
    // and destroying.
    for (int way = 0; way < 4; ++way) {
      LoopLog log;
      Loop<H> loop;
      Pipe pipe;
      pipe.Write();
      auto watch = std::make_unique<Watch<E>>();
      int alive = -1;
      loop.Enter([&](auto& on) {
        MustStart(*watch, on, pipe.reader.get(), Condition::kIn,
                  [&, way, item = Traced(log, 1)](auto& on, Condition) {
                    item.Run([&] {
                      if (way == 0) watch->Stop(on);
                      if (way == 1) watch.reset();
                      if (way == 2) {
                        MustStart(*watch, on, pipe.writer.get(),
                                  Condition::kNone, [](auto&, Condition) {});
                      }
                      if (way == 3) Watch<E>(std::move(*watch));
                      alive = log.Count(What::kDestroyed) == 0;
                    });
                  });
      });
      loop.TurnUntil([&] { return log.Count(What::kDestroyed) > 0; });
      loop.TurnALot();
      BOOST_TEST(alive == 1);
      BOOST_TEST(log.AllCalledOnce() == "");
      BOOST_TEST(log.OnlyOn(std::this_thread::get_id()) == "");
      loop.Enter([&](auto&) { watch.reset(); });
    }
  }
};

template <class H>
struct Wa07_ReplacingRetiresTheOldWatchFirst {
  static constexpr char kRule[] =
      "Replacing a callback retires the old watch first, then destroys what it "
      "held";

  static void Run() {
    Loop<H> loop;
    Pipe old_pipe, new_pipe;
    old_pipe.Write();
    Watch<typename H::Executor> watch;
    int ends = 0, old_calls = 0, new_calls = 0;
    const int number = old_pipe.reader.get();
    const int new_number = new_pipe.reader.get();
    loop.Enter([&](auto& on) {
      MustStart(watch, on, number, Condition::kIn,
                [&, at_end = AtEnd([&] {
                      ++ends;
                      BOOST_TEST(!watch.armed());
                      BOOST_TEST(support::EpollRegistrations(number) == 0);
                      BOOST_TEST(support::EpollRegistrations(new_number) == 0);
                    })](auto&, Condition) { ++old_calls; });
      BOOST_TEST(support::EpollRegistrations(number) == 1);
      MustStart(watch, on, new_pipe.reader.get(), Condition::kIn,
                [&](auto& on, Condition) { ++new_calls, watch.Stop(on); });
      BOOST_TEST(ends == 1);
      BOOST_TEST(watch.armed());
    });
    new_pipe.Write();
    loop.TurnUntil([&] { return new_calls == 1; });
    loop.TurnALot();
    BOOST_TEST(old_calls == 0);
    BOOST_TEST(new_calls == 1);
  }
};

template <class H>
struct Wa07_ADestructorMayStartTheWatchAnew {
  static constexpr char kRule[] =
      "What a replaced callback held may start the same watch as it goes; the "
      "outer start has the last word";

  static void Run() {
    Loop<H> loop;
    Pipe pipe, other;
    other.Write();
    Watch<typename H::Executor> watch;
    int calls = 0, inner_calls = 0;
    loop.Enter([&](auto& on) {
      MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                [at_end = AtEnd([&] {
                   MustStart(watch, on, other.reader.get(), Condition::kIn,
                             [&](auto&, Condition) { ++inner_calls; });
                 })](auto&, Condition) {});
      MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                [&](auto&, Condition) { ++calls, pipe.ReadDry(); });
    });
    pipe.Write();
    loop.TurnUntil([&] { return calls == 1; });
    loop.TurnALot();
    BOOST_TEST(inner_calls == 0);
    loop.Enter([&](auto& on) {
      watch.Stop(on);
      BOOST_TEST(on.executor().outstanding(on) == 0);
    });
  }
};

template <class H>
struct Wa08_HangUpAndErrorAreToldUnasked {
  static constexpr char kRule[] =
      "A hang-up and an error are told even if they were not asked for";

  static void Run() {
    Loop<H> loop;
    Pipe read_end, write_end;
    Watch<typename H::Executor> reader, writer;
    Condition reader_saw{}, writer_saw{};
    loop.Enter([&](auto& on) {
      MustStart(reader, on, read_end.reader.get(), Condition::kNone,
                [&](auto& on, Condition ready) {
                  reader_saw |= ready;
                  reader.Stop(on);
                });
      MustStart(writer, on, write_end.writer.get(), Condition::kNone,
                [&](auto& on, Condition ready) {
                  writer_saw |= ready;
                  writer.Stop(on);
                });
    });
    loop.TurnALot();
    BOOST_TEST((reader_saw == Condition::kNone));
    BOOST_TEST((writer_saw == Condition::kNone));
    read_end.writer.reset();
    write_end.reader.reset();
    loop.TurnUntil([&] { return !reader.armed() && !writer.armed(); });
    BOOST_TEST((reader_saw == Condition::kHup));
    BOOST_TEST((writer_saw == Condition::kErr));
  }
};

template <class H>
struct Wa08_AStandingHangUpDoesNotSpin {
  static constexpr char kRule[] =
      "After 16 calls that leave a hang-up or an error standing the watch is "
      "disarmed, and reported";

  static void Run() {
    for (const Condition wanted : {Condition::kNone, Condition::kIn}) {
      LoopLog log;
      Loop<H> loop;
      Pipe pipe;
      Watch<typename H::Executor> watch;
      int calls = 0;
      loop.Enter([&](auto& on) {
        MustStart(watch, on, pipe.reader.get(), wanted,
                  [&](auto&, Condition ready) {
                    BOOST_TEST(Has(ready, Condition::kHup));
                    ++calls;
                  });
      });
      pipe.writer.reset();
      loop.TurnUntil([&] { return !watch.armed(); });
      loop.TurnALot();
      BOOST_TEST(calls == 16);
      BOOST_TEST(loop.diagnostics().sentences().size() == 1);
      loop.Enter([&](auto& on) {
        BOOST_TEST(on.executor().outstanding(on) == 0);
        watch.Stop(on);
      });
    }
  }
};

template <class H>
struct Wa08_AHangUpBehindUnreadDataIsNoSpin {
  static constexpr char kRule[] =
      "A reader that still finds data behind the hang-up is not disarmed";

  static void Run() {
    constexpr int kBytes = 200;
    Loop<H> loop;
    Pipe pipe;
    pipe.Write(std::string(kBytes, 'x'));
    pipe.writer.reset();
    Watch<typename H::Executor> watch;
    int bytes = 0;
    bool at_end = false;
    loop.Enter([&](auto& on) {
      MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                [&](auto& on, Condition) {
                  const ssize_t size = pipe.Read(1);
                  if (size == 1) {
                    ++bytes;
                  } else {
                    at_end = size == 0;
                    watch.Stop(on);
                  }
                });
    });
    loop.TurnUntil([&] { return !watch.armed(); });
    BOOST_TEST(bytes == kBytes);
    BOOST_TEST(at_end);
    BOOST_TEST(loop.diagnostics().text() == "");
  }
};

template <class H>
struct Wa09_LevelTriggered {
  static constexpr char kRule[] =
      "Unread data means another call; what was read dry means none";

  static void Run() {
    constexpr int kBytes = 100;
    Loop<H> loop;
    Pipe pipe;
    Watch<typename H::Executor> watch;
    int calls = 0;
    loop.Enter([&](auto& on) {
      MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                [&](auto&, Condition ready) {
                  BOOST_TEST((ready == Condition::kIn));
                  ++calls;
                  BOOST_TEST(pipe.Read(1) == 1);
                });
    });
    for (int i = 1; i <= 2; ++i) {
      pipe.Write(std::string(kBytes, 'x'));
      loop.TurnUntil([&] { return calls == i * kBytes; });
      loop.TurnALot();
      BOOST_TEST(calls == i * kBytes);
    }
    loop.Enter([&](auto& on) { watch.Stop(on); });
  }
};

template <class H>
struct Wa10_ReadinessMayBeSpurious {
  static constexpr char kRule[] =
      "A watch whose data another one has read finds EAGAIN or is not called; "
      "the loop goes on";

  static void Run() {
    Loop<H> loop;
    Pipe pipe;
    std::array<Watch<typename H::Executor>, 2> watches;
    int reads = 0, blocked = 0;
    loop.Enter([&](auto& on) {
      for (auto& watch : watches) {
        MustStart(watch, on, pipe.reader.get(), Condition::kIn,
                  [&](auto&, Condition) {
                    if (pipe.Read(1) == 1) {
                      ++reads;
                    } else {
                      blocked += errno == EAGAIN ? 1 : 1000;
                    }
                  });
      }
    });
    for (int i = 1; i <= 10; ++i) {
      pipe.Write();
      loop.TurnUntil([&] { return reads == i; });
    }
    BOOST_TEST(blocked <= 10);
    loop.Enter([&](auto& on) {
      for (auto& watch : watches) watch.Stop(on);
    });
  }
};

template <class H>
struct Wa11_WatchesOfOneDescriptorAreIndependent {
  static constexpr char kRule[] =
      "Two watches on one descriptor, one to read and one to write, do not "
      "touch each other";

  static void Run() {
    Loop<H> loop;
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX,
                               SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                               ends) == 0);
    const OwnedFd mine(ends[0]), peer(ends[1]);
    Watch<typename H::Executor> reader, writer;
    int reads = 0, writes = 0;
    auto read = [&](auto&, Condition ready) {
      BOOST_TEST((ready == Condition::kIn));
      char byte;
      reads += ::recv(mine.get(), &byte, 1, 0) == 1;
    };
    auto write = [&](auto&, Condition ready) {
      BOOST_TEST((ready == Condition::kOut));
      ++writes;
    };
    loop.Enter([&](auto& on) {
      MustStart(reader, on, mine.get(), Condition::kIn, read);
      MustStart(writer, on, mine.get(), Condition::kOut, write);
    });
    loop.TurnUntil([&] { return writes > 2; });
    BOOST_TEST(reads == 0);
    BOOST_TEST(::send(peer.get(), "x", 1, 0) == 1);
    loop.TurnUntil([&] { return reads == 1; });
    // The writer ends; the reader goes on.
    loop.Enter([&](auto& on) { writer.Stop(on); });
    writes = 0;
    BOOST_TEST(::send(peer.get(), "x", 1, 0) == 1);
    loop.TurnUntil([&] { return reads == 2; });
    loop.TurnALot();
    BOOST_TEST(writes == 0);
    // The other way round; and a descriptor's last watch takes all with it.
    loop.Enter([&](auto& on) {
      MustStart(writer, on, mine.get(), Condition::kOut, write);
      reader.Stop(on);
    });
    BOOST_TEST(::send(peer.get(), "x", 1, 0) == 1);
    loop.TurnUntil([&] { return writes > 2; });
    BOOST_TEST(reads == 2);
    loop.Enter([&](auto& on) { writer.Stop(on); });
    BOOST_TEST(support::EpollRegistrations(mine.get()) == 0);
  }
};

template <class H>
struct Wa12_AnInterestChangesAtOnce {
  static constexpr char kRule[] =
      "A change of interest takes effect before the next poll; changing away "
      "drops an event that was taken from the kernel already";

  static void Run() {
    Loop<H> loop;
    std::array<Pipe, 2> pipes;
    std::array<Watch<typename H::Executor>, 2> watches;
    int calls = 0;
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < 2; ++i) {
        pipes[i].Write();
        MustStart(watches[i], on, pipes[i].reader.get(), Condition::kIn,
                  [&](auto& on, Condition) {
                    ++calls;
                    // Of both, one of which is in the batch and not called yet.
                    for (auto& watch : watches) {
                      BOOST_TEST(watch.SetInterest(on, Condition::kNone).ok());
                    }
                  });
      }
    });
    loop.TurnUntil([&] { return calls > 0; });
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    loop.Enter([&](auto& on) {
      for (auto& watch : watches) {
        BOOST_TEST(watch.armed());
        BOOST_TEST(watch.SetInterest(on, Condition::kIn).ok());
      }
    });
    loop.TurnUntil([&] { return calls > 1; });
    loop.TurnALot();
    BOOST_TEST(calls == 2);
    loop.Enter([&](auto& on) {
      for (auto& watch : watches) {
        watch.Stop(on);
        BOOST_TEST((watch.SetInterest(on, Condition::kIn).code() ==
                    absl::StatusCode::kFailedPrecondition));
      }
    });
  }
};

template <class H>
struct Wa13_FilesAreRefusedAlike {
  static constexpr char kRule[] =
      "A regular file and a directory are refused with EPERM, on every "
      "executor";

  static void Run() {
    Loop<H> loop;
    for (const char* path : {"/proc/self/exe", "/"}) {
      const OwnedFd file(::open(path, O_RDONLY | O_CLOEXEC));
      Watch<typename H::Executor> watch;
      loop.Enter([&](auto& on) {
        const absl::Status status = watch.Start(on, file.get(), Condition::kIn,
                                                [](auto&, Condition) {});
        BOOST_TEST(Errno(status) == EPERM, status.ToString());
        BOOST_TEST((status.code() == absl::StatusCode::kPermissionDenied));
        BOOST_TEST(!watch.armed());
      });
    }
  }
};

template <class H>
struct Wa14_FromElsewhereAWatchIsStartedByPost {
  static constexpr char kRule[] =
      "Starting and stopping take the witness; another thread posts instead";

  // That a watch does not start or stop without one.
  template <class W>
  static constexpr bool kNeedsTheWitness = !requires(W& w) {
    w.Stop();
  } && !requires(W& w) { w.SetInterest(Condition::kIn); };

  static void Run() {
    using E = typename H::Executor;
    static_assert(kNeedsTheWitness<Watch<E>>);
    LoopThread<H> loop;
    Pipe pipe;
    pipe.Write();
    Watch<E> watch;
    std::promise<void> called;
    const absl::Status posted = loop.ref().Post(
        [](auto& on, Watch<E>* watch, int fd, std::promise<void>* called) {
          (void)watch->Start(on, fd, Condition::kIn,
                             [watch, called](auto& on, Condition) {
                               watch->Stop(on);
                               called->set_value();
                             });
        },
        AssumeSendable(&watch), pipe.reader.get(), AssumeSendable(&called));
    BOOST_TEST(posted.ok());
    called.get_future().get();
  }
};

template <class H>
struct Wa15_NobodyStarvesAmongTenThousand {
  static constexpr char kRule[] =
      "Of 10,000 ready descriptors each is served within one rotation";
  static constexpr bool kOnDemand = true;

  static void Run() {
    // Of one pipe only so many: an epoll set that another one holds, as on some
    // hosts, takes no more than 500 descriptors of one file.
    constexpr std::size_t kWatches = 10'000, kOfOnePipe = 100;
    rlimit limit;
    BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    BOOST_REQUIRE_MESSAGE(limit.rlim_max > kWatches + 500,
                          "the hard limit of descriptors is too low");
    Loop<H> loop;
    std::vector<Pipe> pipes(kWatches / kOfOnePipe);
    for (Pipe& pipe : pipes) pipe.Write();
    std::vector<OwnedFd> twins;
    std::vector<Watch<typename H::Executor>> watches(kWatches);
    std::vector<int> calls(kWatches);
    std::size_t served = 0;
    int most = 0;
    loop.Enter([&](auto& on) {
      for (std::size_t i = 0; i < kWatches; ++i) {
        const Pipe& pipe = pipes[i / kOfOnePipe];
        twins.push_back(pipe.reader.Duplicate().value());
        MustStart(watches[i], on, twins[i].get(), Condition::kIn,
                  [&, i](auto&, Condition) {
                    served += calls[i] == 0;
                    most = std::max(most, ++calls[i]);
                  });
      }
    });
    loop.TurnUntil([&] { return served == kWatches; });
    // Nobody's third call came before everybody's first.
    BOOST_TEST(most <= 2);
    loop.Enter([&](auto&) { watches.clear(); });
  }
};

template <class H>
struct Wa16_AWatchBelongsToItsLoop {
  static constexpr char kRule[] =
      "Ending a watch never touches a watch of another loop on the same "
      "descriptor";

  static void Run() {
    using E = typename H::Executor;
    Loop<H> one, other;
    Pipe pipe;
    Watch<E> of_one, of_other;
    int one_calls = 0, other_calls = 0;
    one.Enter([&](auto& on) {
      MustStart(of_one, on, pipe.reader.get(), Condition::kIn,
                [&](auto&, Condition) { ++one_calls; });
    });
    other.Enter([&](auto& on) {
      MustStart(of_other, on, pipe.reader.get(), Condition::kIn,
                [&](auto&, Condition) { ++other_calls; });
    });
    pipe.Write();
    one.TurnUntil([&] { return one_calls > 0; });
    BOOST_TEST(other_calls == 0);
    one.Enter([&](auto& on) { of_one.Stop(on); });
    one_calls = 0;
    other.TurnUntil([&] { return other_calls > 0; });
    one.TurnALot();
    BOOST_TEST(one_calls == 0);
    // The other loop ends; one's next watch does not care.
    one.Enter([&](auto& on) {
      MustStart(of_one, on, pipe.reader.get(), Condition::kIn,
                [&](auto&, Condition) { ++one_calls; });
    });
    other.DestroyExecutor();
    BOOST_TEST(!of_other.armed());
    one.TurnUntil([&] { return one_calls > 0; });
    one.Enter([&](auto& on) { of_one.Stop(on); });
  }
};

template <class H>
void AddWatchCases(Suite& suite) {
  suite.AddAll<
      Wa01_NoCallStartsAfterStop<H>,
      Wa02_AStaleEventDoesNotReachItsSuccessor<H>,
      Wa03_AnyWatchMayEndAnyOther<H>,
      Wa03_AnyWatchOfADescriptorMayEndAnyOther<H>,
      Wa04_NoRegistrationOutlivesItsOwner<H>,
      Wa04_AClosedDescriptorIsReported<H>, Wa05_AFailedStartIsAStatus<H>,
      Wa05_AStartWithoutMemoryLeavesNothing<H>,
      Wa06_TheCallbackOutlivesItsOwnCall<H>,
      Wa07_ReplacingRetiresTheOldWatchFirst<H>,
      Wa07_ADestructorMayStartTheWatchAnew<H>,
      Wa08_HangUpAndErrorAreToldUnasked<H>, Wa08_AStandingHangUpDoesNotSpin<H>,
      Wa08_AHangUpBehindUnreadDataIsNoSpin<H>, Wa09_LevelTriggered<H>,
      Wa10_ReadinessMayBeSpurious<H>,
      Wa11_WatchesOfOneDescriptorAreIndependent<H>,
      Wa12_AnInterestChangesAtOnce<H>, Wa13_FilesAreRefusedAlike<H>,
      Wa14_FromElsewhereAWatchIsStartedByPost<H>,
      Wa15_NobodyStarvesAmongTenThousand<H>, Wa16_AWatchBelongsToItsLoop<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_WATCH_CASES_H_
