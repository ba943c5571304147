// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/channel_cases.h
//
// CH: what a channel promises, on any executor.

#ifndef QIO_TESTS_CONFORMANCE_CHANNEL_CASES_H_
#define QIO_TESTS_CONFORMANCE_CHANNEL_CASES_H_

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/status.h"
#include "qio/support/proc.h"
#include "qio/support/raw_socket.h"
#include "qio/support/socket_faults.h"
#include "qio/task.h"
#include "qio/watch.h"

namespace qio::conformance {

using support::RawSocket;
using support::SocketFaults;

template <class H>
using ChannelOf = SocketChannel<typename H::Executor>;

// The other side of what is tested: a socket of the kernel, or what the harness
// has in its place.
template <class H>
struct RawSocketOfHarness {
  using Type = RawSocket;
};
template <class H>
  requires requires { typename H::RawSocket; }
struct RawSocketOfHarness<H> {
  using Type = typename H::RawSocket;
};
template <class H>
using RawSocketOf = typename RawSocketOfHarness<H>::Type;
template <class H>
inline constexpr bool kHasKernelsSockets =
    std::is_same_v<RawSocketOf<H>, RawSocket>;

// A test that needs what is not there has failed.
template <class T>
T Must(absl::StatusOr<T> result) {
  BOOST_REQUIRE_MESSAGE(result.ok(), result.status().ToString());
  return *std::move(result);
}
inline void Must(const absl::Status& status) {
  BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
}

template <class H>
ChannelOf<H> Adopted(Loop<H>& loop, RawSocketOf<H> socket) {
  ChannelOf<H> channel;
  loop.Enter([&](auto& on) {
    channel = Must(ChannelOf<H>::Adopt(on, socket.Release()));
  });
  return channel;
}

// Starts the task that make(on) returns and turns the loop until it is over.
template <class H, class Make>
auto ResultOf(Loop<H>& loop, Make make) {
  using On = OnLoopOf<H>;
  using Result = typename decltype(make(std::declval<On&>()))::Result;
  std::optional<Result> result;
  loop.Enter([&](On& on) {
    make(on).Then([&](On&, Result r) { result.emplace(std::move(r)); });
  });
  loop.TurnUntil([&] { return result.has_value(); });
  return *std::move(result);
}

// A channel and its other side.
template <class H>
struct ChannelAndPeer {
  explicit ChannelAndPeer(Loop<H>& loop) {
    if constexpr (kHasKernelsSockets<H>) {
      auto [ours, theirs] = RawSocket::Pair();
      channel = Adopted(loop, std::move(ours));
      peer = std::move(theirs);
    } else {
      Connect(loop, support::Loopback());
    }
  }
  ChannelAndPeer(Loop<H>& loop, const ResolvedAddress& over) {
    if constexpr (kHasKernelsSockets<H>) {
      const RawSocket listener = RawSocket::ListeningOn(over);
      listener.MakeBuffersSmall();
      peer = RawSocket::ConnectedTo(listener.address());
      peer.MakeBuffersSmall();
      channel = Adopted(loop, listener.Accept());
    } else {
      Connect(loop, over);
    }
  }

  // Where no socket can be adopted.
  void Connect(Loop<H>& loop, const ResolvedAddress& over) {
    NetListener<typename H::Executor> listener;
    loop.Enter([&](auto& on) {
      const auto opened = Must(listener.Open(on, over.ToSocketAddress()));
      peer = RawSocketOf<H>::ConnectedTo(opened.front().address);
    });
    channel =
        Must(ResultOf(loop, [&](auto& on) { return listener.WaitClient(on); }));
  }

  ChannelOf<H> channel;
  RawSocketOf<H> peer;
};

// Makes the kernel's buffers full in the direction of `peer`.
template <class H>
void Fill(Loop<H>& loop, ChannelOf<H>& channel) {
  const std::string chunk(65536, 'f');
  loop.Enter([&](auto& on) {
    while (channel.TryWrite(on, chunk).ok()) {
    }
  });
}

inline std::string Pattern(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += static_cast<char>('a' + (i * 7 + i / 26) % 26);
  }
  return text;
}

template <class H>
struct Ch02_AWriteToNobodyIsAStatusAndNoSignal {
  static constexpr char kRule[] =
      "A write to a connection that the other side has closed is a Status; "
      "SIGPIPE is never raised and the program's disposition is left alone";

  static void Run() {
    static int signals;
    signals = 0;
    struct sigaction action = {}, before = {}, after = {};
    action.sa_handler = [](int) { ++signals; };
    ::sigaction(SIGPIPE, &action, &before);
    {
      SocketFaults faults;
      Loop<H> loop;
      ChannelAndPeer<H> unix_pair(loop), tcp(loop, support::Loopback());
      for (auto* pair : {&unix_pair, &tcp}) {
        pair->peer.Break();
        // TCP may find out only now.
        absl::StatusOr<std::size_t> written = std::size_t{0};
        loop.TurnUntil([&] {
          loop.Enter(
              [&](auto& on) { written = pair->channel.TryWrite(on, "x"); });
          return !written.ok();
        });
        loop.Enter(
            [&](auto& on) { written = pair->channel.TryWrite(on, "x"); });
        BOOST_TEST(Errno(written.status()) == EPIPE);
        const absl::Status all = ResultOf(
            loop, [&](auto& on) { return pair->channel.WriteAll(on, "more"); });
        BOOST_TEST(Errno(all) == EPIPE);
        const auto some = ResultOf(
            loop, [&](auto& on) { return pair->channel.Write(on, "more"); });
        BOOST_TEST(Errno(some.status()) == EPIPE);
      }
      BOOST_TEST(faults.sends_with_signal == 0);
    }
    BOOST_TEST(signals == 0);
    ::sigaction(SIGPIPE, &before, &after);
    BOOST_TEST((after.sa_handler == action.sa_handler));
  }
};

template <class H>
struct Ch03_ShortReadsGiveTheSameStream {
  static constexpr char kRule[] =
      "Reads that are cut short at any byte yield the stream as it was sent";

  static void Run() {
    const std::string text = Pattern(40);
    for (std::size_t split = 1; split <= text.size(); ++split) {
      Loop<H> loop;
      ChannelAndPeer<H> pair(loop);
      SocketFaults faults;
      faults.only_fd = -1;
      pair.peer.Send(text);
      faults.transfer_max = split;
      // By tasks: two halves and a bit.
      BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                   return pair.channel.ReadExactly(on, 17);
                 })) == text.substr(0, 17));
      std::string rest;
      while (rest.size() < 3) {
        rest += Must(ResultOf(loop, [&](auto& on) {
          return pair.channel.Read(on, 3 - rest.size());
        }));
      }
      BOOST_TEST(rest == text.substr(17, 3));
      pair.peer.ShutdownWrite();
      BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                   return pair.channel.ReadAll(on, 100);
                 })) == text.substr(20));
      // By the function.
      ChannelAndPeer<H> other(loop);
      faults.transfer_max = 0;
      other.peer.Send(text);
      other.peer.ShutdownWrite();
      faults.transfer_max = split;
      std::string got;
      bool has_ended = false;
      loop.Enter([&](auto& on) {
        Must(other.channel.OnData(on, [&](auto&, Received in) {
          BOOST_TEST(in.ok());
          BOOST_TEST(in.end() == in.bytes().empty());
          BOOST_TEST(in.bytes().size() <= split);
          got += in.text();
          has_ended = in.end();
        }));
      });
      loop.TurnUntil([&] { return has_ended; });
      BOOST_TEST(got == text);
    }
  }
};

template <class H>
struct Ch03_ShortWritesGiveTheSameStream {
  static constexpr char kRule[] =
      "Writes that are cut short at any byte yield the stream as it was given";

  static void Run() {
    const std::string text = Pattern(40);
    for (std::size_t split = 1; split <= text.size(); ++split) {
      Loop<H> loop;
      ChannelAndPeer<H> pair(loop);
      SocketFaults faults;
      faults.transfer_max = split;
      // A unix socket counts small pieces as large ones: it has room again when
      // they are read.
      std::string got;
      const auto drain = [&] {
        for (std::string piece; !(piece = pair.peer.Receive()).empty();) {
          got += piece;
        }
      };
      Must(ResultOf(loop,
                    [&](auto& on) { return pair.channel.WriteAll(on, text); }));
      drain();
      const std::size_t some = Must(ResultOf(
          loop, [&](auto& on) { return pair.channel.Write(on, text); }));
      BOOST_TEST(some == std::min(split, text.size()));
      // By hand, as far as it goes each time.
      std::size_t sent = 0;
      const auto go_on = [&](auto& on) {
        const auto n = Must(
            pair.channel.TryWrite(on, std::string_view(text).substr(sent)));
        BOOST_TEST(n <= split);
        sent += n;
      };
      loop.Enter([&](auto& on) {
        Must(pair.channel.OnWritable(on, go_on));
        go_on(on);
      });
      loop.TurnUntil([&] {
        drain();
        return sent == text.size();
      });
      loop.TurnALot();
      drain();
      BOOST_TEST(got == text + text.substr(0, some) + text);
    }
  }
};

template <class H>
struct Ch03_ABlockedWriteGoesOnWhenThereIsRoom {
  static constexpr char kRule[] =
      "A write that the kernel does not take goes on, where it stopped, when "
      "there is room";

  static void Run() {
    Loop<H> loop;
    const std::string text = Pattern(3'000'000);
    ChannelAndPeer<H> tcp(loop, support::Loopback()), unix_pair(loop);
    for (auto* pair : {&tcp, &unix_pair}) {
      std::optional<absl::Status> result;
      loop.Enter([&](auto& on) {
        pair->channel.WriteAll(on, text).Then(
            [&](auto&, absl::Status status) { result = std::move(status); });
        // It takes nothing from a second writer meanwhile.
        BOOST_TEST(!pair->channel.TryWrite(on, "x").ok());
      });
      loop.TurnALot();
      BOOST_TEST(!result.has_value());
      std::string got;
      loop.TurnUntil([&] {
        got += pair->peer.Receive(100'000);
        return got.size() == text.size();
      });
      loop.TurnUntil([&] { return result.has_value(); });
      Must(*result);
      BOOST_TEST((got == text));
    }
  }
};

template <class H>
struct Ch03_InterruptedCallsAreRepeated {
  static constexpr char kRule[] =
      "EINTR from the kernel is never seen by the program";

  static void Run() {
    Loop<H> loop;
    const RawSocketOf<H> listener =
        RawSocketOf<H>::ListeningOn(support::Loopback());
    SocketFaults faults;
    faults.errors["connect"] = {EINTR};
    ChannelOf<H> channel = Must(ResultOf(loop, [&](auto& on) {
      return ChannelOf<H>::Connect(on, listener.address());
    }));
    BOOST_TEST(faults.calls["connect"] == 1);
    const RawSocketOf<H> peer = listener.Accept();
    faults.errors["send"] = {EINTR, EINTR};
    Must(ResultOf(loop,
                  [&](auto& on) { return channel.WriteAll(on, "hello"); }));
    BOOST_TEST(faults.calls["send"] == 3);
    BOOST_TEST(peer.Receive() == "hello");
    peer.Send("world");
    faults.calls.clear();
    faults.errors["recv"] = {EINTR, EINTR, EINTR, EINTR, EINTR};
    BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                 return channel.ReadExactly(on, 5);
               })) == "world");
    BOOST_TEST(faults.calls["recv"] == 6);
  }
};

template <class H>
struct Ch06_ADescriptorIsClosedOnce {
  static constexpr char kRule[] =
      "A channel closes its descriptor exactly once, also if close() is "
      "interrupted, and after it has left the loop's set";

  static void Run() {
    for (const int how : {0, 1, 2, 3}) {
      Loop<H> loop;
      std::optional<ChannelAndPeer<H>> pair(std::in_place, loop);
      const int fd = [&] {
        int number = -1;
        loop.Enter([&](auto& on) {
          Must(pair->channel.OnData(on, [](auto&, Received) {}));
          // The only other thing that knows the number.
          for (const auto& [n, what] : support::OpenDescriptors()) {
            if (n != pair->peer.fd() && support::EpollRegistrations(n) > 0 &&
                what.find("socket") != std::string::npos) {
              number = n;
            }
          }
        });
        return number;
      }();
      BOOST_TEST_REQUIRE(fd >= 0);
      SocketFaults faults;
      faults.only_fd = fd;
      faults.error_after_close = EINTR;
      switch (how) {
        case 0:
          loop.Enter([&](auto& on) {
            pair->channel.Close(on);
            pair->channel.Close(on);
          });
          break;
        case 1:
          pair->channel = {};
          break;
        case 2:
          loop.DestroyExecutor();
          break;
        case 3: {
          ChannelOf<H> moved = std::move(pair->channel);
          pair->channel = std::move(moved);
          break;
        }
      }
      BOOST_TEST(pair->channel.is_open() == (how == 3));
      pair.reset();
      BOOST_TEST(faults.closed.size() == 1);
      // Out of the set before it is closed, or the kernel would say ENOENT.
      BOOST_TEST(loop.diagnostics().text().find("was closed before") ==
                 std::string::npos);
    }
  }
};

template <class H>
struct Ch13_AChannelThatIsNeverMadeLeavesNothing {
  static constexpr char kRule[] =
      "Whichever step of making a channel fails, or is the last one, it can be "
      "torn down and leaves no descriptor open";

  static void Run() {
    const RawSocketOf<H> listener =
        RawSocketOf<H>::ListeningOn(support::Loopback());
    Loop<H> loop;
    loop.Enter([](auto& on) {
      // No channel at all.
      ChannelOf<H> none;
      none.Close(on);
      BOOST_TEST(!none.is_open());
      BOOST_TEST(!none.TryWrite(on, "x").ok());
      BOOST_TEST(!none.OnData(on, [](auto&, Received) {}).ok());
      BOOST_TEST(!none.local_address(on).ok());
      BOOST_TEST(!none.ShutdownWrite(on).ok());
      // Tasks that are never started.
      (void)ChannelOf<H>::Connect(on, support::Loopback(1));
      (void)none.Read(on, 1);
    });
    const auto result =
        ResultOf(loop, [](auto& on) { return ChannelOf<H>().Read(on, 1); });
    BOOST_TEST(
        (result.status().code() == absl::StatusCode::kFailedPrecondition));
    const support::Baseline baseline;
    // Each call of connecting fails, by itself.
    for (const auto* call : {"socket", "connect", "epoll_ctl", "getsockopt"}) {
      SocketFaults faults;
      faults.errors[call] = {ENOMEM};
      const auto connected = ResultOf(loop, [&](auto& on) {
        return ChannelOf<H>::Connect(on, listener.address());
      });
      BOOST_TEST_CONTEXT(call) {
        if (faults.calls[call] != 0) {
          BOOST_TEST(Errno(connected.status()) == ENOMEM);
        }
      }
    }
    BOOST_TEST(baseline.Difference() == "");
    // Of adopting.
    for (const auto* call : {"getsockopt"}) {
      SocketFaults faults;
      faults.errors[call] = {ENOMEM};
      RawSocketOf<H> one = RawSocketOf<H>::ConnectedTo(listener.address());
      loop.Enter([&](auto& on) {
        BOOST_TEST(!ChannelOf<H>::Adopt(on, one.Release()).ok());
      });
    }
    while (listener.Accept().is_open()) {
    }
    BOOST_TEST(baseline.Difference() == "");
    // Cancelled, or its executor gone, at each step.
    for (const bool destroy : {false, true}) {
      std::optional<Loop<H>> inner(std::in_place);
      const support::Baseline with_loop;
      bool has_run = false;
      absl::StatusCode code = absl::StatusCode::kOk;
      inner->Enter([&](auto& on) {
        auto handle =
            ChannelOf<H>::Connect(on, listener.address())
                .Then([&](auto&, absl::StatusOr<ChannelOf<H>> channel) {
                  has_run = true;
                  code = channel.status().code();
                });
        if (!destroy) BOOST_TEST(handle.Cancel(on));
      });
      if (destroy) {
        inner->DestroyExecutor();
      } else {
        inner->TurnUntil([&] { return has_run; });
        BOOST_TEST((code == absl::StatusCode::kCancelled));
        BOOST_TEST(with_loop.Difference() == "");
      }
      inner.reset();
      BOOST_TEST(has_run == !destroy);
    }
    while (listener.Accept().is_open()) {
    }
    BOOST_TEST(baseline.Difference() == "");
  }
};

template <class H>
struct Ch17_TheOthersEndStopsOnlyReading {
  static constexpr char kRule[] =
      "When the other side has ended what it sends, reads end and writes go on";

  static void Run() {
    Loop<H> loop;
    ChannelAndPeer<H> tcp(loop, support::Loopback()), unix_pair(loop);
    for (auto* pair : {&tcp, &unix_pair}) {
      pair->peer.Send("last");
      pair->peer.ShutdownWrite();
      BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                   return pair->channel.ReadAll(on, 100);
                 })) == "last");
      // Again and again, whoever asks.
      BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                   return pair->channel.Read(on, 100);
                 })) == "");
      int ends = 0;
      loop.Enter([&](auto& on) {
        Must(pair->channel.OnData(on, [&](auto&, Received in) {
          BOOST_TEST(in.end());
          ++ends;
        }));
        BOOST_TEST(ends == 0);
      });
      loop.TurnUntil([&] { return ends != 0; });
      loop.TurnALot();
      BOOST_TEST(ends == 1);
      BOOST_TEST(pair->channel.is_open());
      Must(ResultOf(loop, [&](auto& on) {
        return pair->channel.WriteAll(on, "answer");
      }));
      BOOST_TEST(pair->peer.Receive() == "answer");
      BOOST_TEST(!pair->peer.IsAtEnd());
    }
  }
};

template <class H>
struct Ch17_AShutdownLosesNothing {
  static constexpr char kRule[] =
      "Ending what is written sends what was taken before, is refused while a "
      "write runs, and leaves reading alone";

  static void Run() {
    Loop<H> loop;
    ChannelAndPeer<H> pair(loop, support::Loopback());
    const std::string text = Pattern(3'000'000);
    bool is_written = false;
    loop.Enter([&](auto& on) {
      pair.channel.WriteAll(on, text).Then([&](auto& on, absl::Status status) {
        Must(status);
        is_written = true;
        Must(pair.channel.ShutdownWrite(on));
      });
      const absl::Status status = pair.channel.ShutdownWrite(on);
      BOOST_TEST((status.code() == absl::StatusCode::kResourceExhausted));
    });
    std::string got;
    loop.TurnUntil([&] {
      got += pair.peer.Receive();
      return is_written && pair.peer.IsAtEnd();
    });
    BOOST_TEST((got == text));
    loop.Enter([&](auto& on) {
      BOOST_TEST(Errno(pair.channel.TryWrite(on, "x").status()) == EPIPE);
    });
    pair.peer.Send("still here");
    BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                 return pair.channel.Read(on, 100);
               })) == "still here");
  }
};

template <class H>
struct Ch21_ASecondReaderIsBusy {
  static constexpr char kRule[] =
      "One reader at a time: a second one is Busy, and the first goes on";

  static void Run() {
    Loop<H> loop;
    ChannelAndPeer<H> pair(loop);
    std::optional<absl::StatusOr<std::string>> first;
    const auto busy = absl::StatusCode::kResourceExhausted;
    loop.Enter([&](auto& on) {
      pair.channel.ReadExactly(on, 4).Then(
          [&](auto&, absl::StatusOr<std::string> text) { first = text; });
      BOOST_TEST(
          (pair.channel.OnData(on, [](auto&, Received) {}).code() == busy));
    });
    const auto second =
        ResultOf(loop, [&](auto& on) { return pair.channel.Read(on, 4); });
    BOOST_TEST((second.status().code() == busy));
    BOOST_TEST(!first.has_value());
    pair.peer.Send("four");
    loop.TurnUntil([&] { return first.has_value(); });
    BOOST_TEST(Must(*first) == "four");
    // The other way round.
    std::string got;
    loop.Enter([&](auto& on) {
      Must(pair.channel.OnData(on,
                               [&](auto&, Received in) { got += in.text(); }));
      BOOST_TEST(
          (pair.channel.OnData(on, [](auto&, Received) {}).code() == busy));
    });
    const auto third =
        ResultOf(loop, [&](auto& on) { return pair.channel.ReadAll(on, 4); });
    BOOST_TEST((third.status().code() == busy));
    pair.peer.Send("more");
    loop.TurnUntil([&] { return got == "more"; });
    // And when the first one is gone.
    loop.Enter([&](auto& on) { pair.channel.StopData(on); });
    pair.peer.Send("rest");
    BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                 return pair.channel.Read(on, 9);
               })) == "rest");
    BOOST_TEST(got == "more");
  }
};

template <class H>
struct Ch21_ASecondWriterIsBusy {
  static constexpr char kRule[] =
      "One writer at a time: a second one is Busy, and nothing of it is sent";

  static void Run() {
    Loop<H> loop;
    ChannelAndPeer<H> pair(loop);
    const auto busy = absl::StatusCode::kResourceExhausted;
    const std::string text = Pattern(1'000'000);
    bool is_written = false;
    loop.Enter([&](auto& on) {
      pair.channel.WriteAll(on, text).Then([&](auto&, absl::Status status) {
        Must(status);
        is_written = true;
      });
      BOOST_TEST((pair.channel.TryWrite(on, "X").status().code() == busy));
    });
    BOOST_TEST((ResultOf(loop, [&](auto& on) {
                  return pair.channel.WriteAll(on, "X");
                }).code() == busy));
    BOOST_TEST(
        (ResultOf(loop, [&](auto& on) { return pair.channel.Write(on, "X"); })
             .status()
             .code() == busy));
    BOOST_TEST(!is_written);
    std::string got;
    loop.TurnUntil([&] {
      got += pair.peer.Receive();
      return is_written && got.size() >= text.size();
    });
    BOOST_TEST((got == text));
    // A Write() waits for room like the rest.
    Fill(loop, pair.channel);
    std::optional<absl::StatusOr<std::size_t>> some;
    loop.Enter([&](auto& on) {
      pair.channel.Write(on, "y").Then(
          [&](auto&, absl::StatusOr<std::size_t> n) { some = n; });
      BOOST_TEST((pair.channel.TryWrite(on, "X").status().code() == busy));
    });
    loop.TurnALot();
    BOOST_TEST(!some.has_value());
    loop.TurnUntil([&] {
      got = pair.peer.Receive();
      return some.has_value();
    });
    BOOST_TEST(Must(*some) == 1);
  }
};

template <class H>
struct Ch21_AFloodOnOneChannelLeavesOthersTheirTurn {
  static constexpr char kRule[] =
      "How much is read from one channel in a turn is bounded";

  static void Run() {
    Loop<H> loop;
    // The flooded one is always readable: each call puts in as much as it took.
    ChannelAndPeer<H> flood(loop), quiet(loop);
    const std::string chunk(65536, 'f');
    std::size_t flooded = 0, most = 0;
    bool is_served = false;
    const auto refill = [&] {
      while (flood.peer.SendSome(chunk) != 0) {
      }
    };
    loop.Enter([&](auto& on) {
      refill();
      Must(flood.channel.OnData(on, [&](auto&, Received in) {
        flooded += in.bytes().size();
        refill();
      }));
      Must(
          quiet.channel.OnData(on, [&](auto&, Received) { is_served = true; }));
    });
    for (int i = 0; i < 100; ++i) {
      is_served = false;
      quiet.peer.Send("q");
      flooded = 0;
      loop.TurnUntil([&] { return is_served; });
      most = std::max(most, flooded);
    }
    BOOST_TEST(most > 0);
    BOOST_TEST(most <= 2 * 4 * 65536);
  }
};

template <class H>
struct Wa16_ClosingAChannelEndsItsWatches {
  static constexpr char kRule[] =
      "Closing a channel ends its watches, their captures are destroyed, and a "
      "watch of another loop on the same number or connection is left alone";

  static void Run() {
    Loop<H> loop, other;
    ChannelAndPeer<H> pair(loop);
    auto capture = std::make_shared<int>(0);
    int calls = 0, other_calls = 0;
    Watch<typename H::Executor> watch, foreign;
    RawSocketOf<H> duplicate(
        OwnedFd(::fcntl(pair.peer.fd(), F_DUPFD_CLOEXEC, 0)));
    loop.Enter([&](auto& on) {
      watch = Must(pair.channel.AddWatch(
          on, Condition::kIn, [&, capture](auto&, Condition) { ++calls; }));
    });
    other.Enter([&](auto& on) {
      Must(foreign.Start(on, duplicate.fd(), Condition::kOut,
                         [&](auto&, Condition) { ++other_calls; }));
    });
    BOOST_TEST(capture.use_count() == 2);
    pair.peer.Send("x");
    loop.TurnUntil([&] { return calls > 0; });
    loop.Enter([&](auto& on) { pair.channel.Close(on); });
    BOOST_TEST(!watch.armed());
    BOOST_TEST(capture.use_count() == 1);
    calls = 0;
    loop.TurnALot();
    BOOST_TEST(calls == 0);
    loop.Enter([&](auto& on) { watch.Stop(on); });
    other.TurnUntil([&] { return other_calls > 0; });
    BOOST_TEST(foreign.armed());
    // Closed by the watch itself.
    ChannelAndPeer<H> again(loop);
    loop.Enter([&](auto& on) {
      watch = Must(again.channel.AddWatch(
          on, Condition::kOut, [&, capture](auto& on, Condition) {
            ++calls;
            again.channel.Close(on);
            BOOST_TEST(capture.use_count() == 2);  // Not under its own feet.
          }));
    });
    loop.TurnUntil([&] { return calls > 0; });
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    BOOST_TEST(capture.use_count() == 1);
    BOOST_TEST(loop.diagnostics().text() == "");
  }
};

template <class Harness>
void AddChannelCases(Suite& suite) {
  using H = Harness;
  suite.AddAll<
      Wa16_ClosingAChannelEndsItsWatches<H>,
      Ch02_AWriteToNobodyIsAStatusAndNoSignal<H>,
      Ch03_ShortReadsGiveTheSameStream<H>, Ch03_ShortWritesGiveTheSameStream<H>,
      Ch03_ABlockedWriteGoesOnWhenThereIsRoom<H>,
      Ch03_InterruptedCallsAreRepeated<H>, Ch06_ADescriptorIsClosedOnce<H>,
      Ch13_AChannelThatIsNeverMadeLeavesNothing<H>,
      Ch17_TheOthersEndStopsOnlyReading<H>, Ch17_AShutdownLosesNothing<H>,
      Ch21_ASecondReaderIsBusy<H>, Ch21_ASecondWriterIsBusy<H>,
      Ch21_AFloodOnOneChannelLeavesOthersTheirTurn<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_CHANNEL_CASES_H_
