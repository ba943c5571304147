// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the clauses in conformance/channel_cases.h do not say.

#include "qio/net/socket_channel.h"

#include <netinet/tcp.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "qio/conformance/channel_cases.h"
#include "qio/conformance/epoll_harness.h"
#include "qio/conformance/loop.h"
#include "qio/net/socket_address.h"
#include "qio/status.h"
#include "qio/support/allocations.h"
#include "qio/support/proc.h"
#include "qio/support/raw_socket.h"
#include "qio/support/socket_faults.h"

namespace qio {
namespace {

using Harness = conformance::EpollHarness;
using E = EpollExecutor;
using On = OnLoop<E>;
using Loop = conformance::Loop<Harness>;
using Pair = conformance::ChannelAndPeer<Harness>;
using Channel = SocketChannel<E>;
using conformance::Must;
using conformance::ResultOf;
using support::RawSocket;
using support::SocketFaults;

static_assert(std::is_nothrow_move_constructible_v<Channel>);
static_assert(!std::is_copy_constructible_v<Channel>);
static_assert(!Sendable<Channel>);
static_assert(Sendable<OwnedBytes>);
// Ten thousand idle connections: one block of 256 bytes each.
static_assert(sizeof(internal_socket_channel::ChannelState<E>) <= 256);

absl::StatusCode CodeOf(const absl::Status& status) { return status.code(); }

BOOST_AUTO_TEST_SUITE(SocketChannelTest)

BOOST_AUTO_TEST_CASE(ConnectsToEveryKindOfAddress) {
  Loop loop;
  const std::string name = "qio-test-" + std::to_string(::getpid());
  const RawSocket tcp = RawSocket::ListeningOn(support::Loopback());
  const RawSocket tcp6 = RawSocket::ListeningOn(support::Loopback6());
  const RawSocket abstract = RawSocket::ListeningOn(
      ResolveWithoutLookup(SocketAddress::Abstract(name), AddressUse::kListen)
          ->front());
  for (const RawSocket* listener : {&tcp, &tcp6, &abstract}) {
    const ResolvedAddress address = listener->address();
    for (const bool as_user : {false, true}) {
      Channel channel = Must(ResultOf(loop, [&](On& on) {
        return as_user ? Channel::Connect(on, address.ToSocketAddress())
                       : Channel::Connect(on, address);
      }));
      const RawSocket peer = listener->Accept();
      BOOST_TEST_REQUIRE(peer.is_open());
      loop.Enter([&](On& on) {
        BOOST_TEST(Must(channel.remote_address(on)).ToString() ==
                   address.ToString());
        BOOST_TEST(Must(channel.TryWrite(on, "hello")) == 5);
      });
      BOOST_TEST(peer.Receive() == "hello");
    }
  }
  // By name, whichever address the name has first.
  Channel channel = Must(ResultOf(loop, [&](On& on) {
    return Channel::Connect(
        on, SocketAddress::Inet("localhost", tcp.address().port()));
  }));
  BOOST_TEST(tcp.Accept().is_open());
}

BOOST_AUTO_TEST_CASE(AConnectThatFailsSaysWhereAndWhy) {
  Loop loop;
  const support::Baseline baseline;
  std::uint16_t port = 0;
  {
    const RawSocket gone = RawSocket::ListeningOn(support::Loopback());
    port = gone.address().port();
  }
  const auto refused = ResultOf(loop, [&](On& on) {
    return Channel::Connect(on, support::Loopback(port));
  });
  BOOST_TEST(Errno(refused.status()) == ECONNREFUSED);
  BOOST_TEST(refused.status().message() ==
             "connect to 127.0.0.1:" + std::to_string(port) +
                 ": Connection refused");
  const auto no_file = ResultOf(loop, [&](On& on) {
    return Channel::Connect(on, SocketAddress::Unix("/nowhere/at/all"));
  });
  BOOST_TEST(Errno(no_file.status()) == ENOENT);
  for (const SocketAddress& address :
       {SocketAddress::Inet("", 80), SocketAddress::Inet("127.0.0.1", 0),
        SocketAddress::Unix(std::string(200, 'p'))}) {
    const auto impossible =
        ResultOf(loop, [&](On& on) { return Channel::Connect(on, address); });
    BOOST_TEST(
        (CodeOf(impossible.status()) == absl::StatusCode::kInvalidArgument));
  }
  BOOST_TEST(baseline.Difference() == "");
}

BOOST_AUTO_TEST_CASE(ConnectTriesOneAddressAfterTheOther) {
  // At the first the name's host is not there; at the second it is.
  using Connecting = internal_socket_channel::Connecting<E>;
  const support::Baseline baseline;
  {
    Loop loop;
    const RawSocket listener = RawSocket::ListeningOn(support::Loopback());
    std::uint16_t port = 0;
    {
      const RawSocket gone = RawSocket::ListeningOn(support::Loopback());
      port = gone.address().port();
    }
    const auto connect = [&](std::vector<ResolvedAddress> addresses) {
      return ResultOf(loop, [&](On& on) {
        return MakeTask<Channel>(
            on, [addresses](On& on, Completer<E, Channel> task) {
              Connecting::Start(on, "somewhere", addresses, std::move(task));
            });
      });
    };
    Channel channel =
        Must(connect({support::Loopback(port), support::Loopback6(port),
                      listener.address()}));
    BOOST_TEST(listener.Accept().is_open());
    const auto none =
        connect({support::Loopback(port), support::Loopback6(port)});
    BOOST_TEST(Errno(none.status()) == ECONNREFUSED);
    BOOST_TEST(std::string(none.status().message()) ==
               "connect to somewhere (127.0.0.1:" + std::to_string(port) +
                   ": Connection refused; [::1]:" + std::to_string(port) +
                   ": Connection refused): Connection refused");
  }
  BOOST_TEST(baseline.Difference() == "");
}

BOOST_AUTO_TEST_CASE(Ch01_AConnectThatHangsCanBeCancelled) {
  const support::Baseline baseline;
  {
    // Nobody accepts, and the backlog is full: the kernel does not answer.
    const RawSocket listener = RawSocket::ListeningOn(support::Loopback(), 0);
    const RawSocket first = RawSocket::ConnectedTo(listener.address());
    Loop loop;
    std::optional<absl::Status> status;
    TaskHandle<E> handle;
    loop.Enter([&](On& on) {
      handle = Channel::Connect(on, listener.address())
                   .Then([&](On&, absl::StatusOr<Channel> channel) {
                     status = channel.status();
                   });
    });
    loop.TurnALot();
    BOOST_TEST(!status.has_value());
    loop.Enter([&](On& on) { BOOST_TEST(handle.Cancel(on)); });
    loop.TurnUntil([&] { return status.has_value(); });
    BOOST_TEST((CodeOf(*status) == absl::StatusCode::kCancelled));
    // A scope that ends, and an executor.
    bool is_called = false;
    std::optional<TaskScope<E>> scope;
    loop.Enter([&](On& on) {
      scope.emplace(on);
      Channel::Connect(on, listener.address())
          .Then(*scope,
                [&](On&, absl::StatusOr<Channel>) { is_called = true; });
      scope.reset();
      Channel::Connect(on, listener.address())
          .Then([&](On&, absl::StatusOr<Channel>) { is_called = true; });
      Channel::Connect(on, SocketAddress::Inet("localhost", 1))
          .Then([&](On&, absl::StatusOr<Channel>) { is_called = true; });
    });
    loop.DestroyExecutor();
    BOOST_TEST(!is_called);
  }
  BOOST_TEST(baseline.Difference() == "");
}

BOOST_AUTO_TEST_CASE(AdoptTakesConnectedStreamSocketsOnly) {
  Loop loop;
  const support::Baseline baseline;
  loop.Enter([](On& on) {
    const auto refused = [&](OwnedFd fd) {
      return Channel::Adopt(on, std::move(fd)).status();
    };
    BOOST_TEST(Errno(refused(OwnedFd())) == EBADF);
    BOOST_TEST(Errno(refused(OwnedFd(::open("/dev/null", O_CLOEXEC)))) ==
               ENOTSOCK);
    BOOST_TEST(Errno(refused(RawSocket::Make(AF_INET).Release())) == ENOTCONN);
    BOOST_TEST(
        (CodeOf(refused(RawSocket::Make(AF_INET, SOCK_DGRAM).Release())) ==
         absl::StatusCode::kFailedPrecondition));
    BOOST_TEST((CodeOf(refused(
                    RawSocket::ListeningOn(support::Loopback()).Release())) ==
                absl::StatusCode::kFailedPrecondition));
  });
  BOOST_TEST(baseline.Difference() == "");
  // What was blocking, and stayed open on exec, is not any more.
  auto [ours, theirs] = RawSocket::Pair();
  const int fd = ours.fd();
  ::fcntl(fd, F_SETFL, 0);
  ::fcntl(fd, F_SETFD, 0);
  const Channel channel = conformance::Adopted(loop, std::move(ours));
  BOOST_TEST((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

BOOST_AUTO_TEST_CASE(AReadThatIsCancelledLosesNothing) {
  Loop loop;
  Pair pair(loop);
  std::optional<absl::Status> status;
  TaskHandle<E> handle;
  loop.Enter([&](On& on) {
    handle = pair.channel.ReadExactly(on, 10).Then(
        [&](On&, absl::StatusOr<std::string> text) { status = text.status(); });
  });
  pair.peer.Send("12345");
  loop.TurnALot();
  loop.Enter([&](On& on) { BOOST_TEST(handle.Cancel(on)); });
  loop.TurnUntil([&] { return status.has_value(); });
  BOOST_TEST((CodeOf(*status) == absl::StatusCode::kCancelled));
  pair.peer.Send("678");
  BOOST_TEST(Must(ResultOf(loop, [&](On& on) {
               return pair.channel.ReadExactly(on, 8);
             })) == "12345678");
}

BOOST_AUTO_TEST_CASE(ACancelAfterTheResultFindsNobodyToTell) {
  // The result is on its way when the channel, which had the hook, is gone.
  Loop loop;
  std::optional<Pair> pair(std::in_place, loop);
  bool is_called = false;
  loop.Enter([&](On& on) {
    pair->peer.Send("x");
    Must(ResultOf(loop, [&](On& on) { return pair->channel.Read(on, 0); }));
    auto handle = pair->channel.ReadExactly(on, 0).Then(
        [&](On&, absl::StatusOr<std::string>) { is_called = true; });
    pair.reset();
    handle.Cancel(on);
  });
  loop.TurnUntil([&] { return is_called; });
}

BOOST_AUTO_TEST_CASE(WhatAReadLeavesIsThereForTheNextOne) {
  Loop loop;
  Pair pair(loop);
  pair.peer.Send("abcdefgh");
  const auto read = [&](std::size_t size) {
    return Must(
        ResultOf(loop, [&](On& on) { return pair.channel.Read(on, size); }));
  };
  BOOST_TEST(read(1) == "a");
  BOOST_TEST(read(2) == "bc");
  // Too much for one, not for the next.
  const auto all =
      ResultOf(loop, [&](On& on) { return pair.channel.ReadAll(on, 4); });
  BOOST_TEST((CodeOf(all.status()) == absl::StatusCode::kResourceExhausted));
  // For the function too, in order, and not inside OnData().
  std::string got;
  loop.Enter([&](On& on) {
    Must(pair.channel.OnData(on, [&](On&, Received in) { got += in.text(); }));
    BOOST_TEST(got == "");
  });
  pair.peer.Send("ij");
  loop.TurnUntil([&] { return got.size() == 7; });
  BOOST_TEST(got == "defghij");
  loop.Enter([&](On& on) { pair.channel.StopData(on); });
  pair.peer.Send("kl");
  pair.peer.Close();
  const auto exactly =
      ResultOf(loop, [&](On& on) { return pair.channel.ReadExactly(on, 3); });
  BOOST_TEST((CodeOf(exactly.status()) == absl::StatusCode::kOutOfRange));
  BOOST_TEST(exactly.status().message() ==
             "the stream ended after 2 of 3 bytes");
  BOOST_TEST(Must(ResultOf(loop, [&](On& on) {
               return pair.channel.ReadAll(on, 2);
             })) == "kl");
}

BOOST_AUTO_TEST_CASE(AFunctionThatStopsHasNoPartInWhatIsHeld) {
  Loop loop;
  Pair pair(loop);
  pair.peer.Send("abc");
  (void)ResultOf(loop, [&](On& on) { return pair.channel.Read(on, 1); });
  std::string first, second;
  loop.Enter([&](On& on) {
    Must(
        pair.channel.OnData(on, [&](On&, Received in) { first += in.text(); }));
    pair.channel.StopData(on);
    Must(pair.channel.OnData(on,
                             [&](On&, Received in) { second += in.text(); }));
  });
  loop.TurnUntil([&] { return second.size() == 2; });
  loop.TurnALot();
  BOOST_TEST(first == "");
  BOOST_TEST(second == "bc");
}

BOOST_AUTO_TEST_CASE(ABrokenConnectionIsAnErrorNotAnEnd) {
  Loop loop;
  for (const bool by_task : {true, false}) {
    Pair pair(loop, support::Loopback());
    std::optional<absl::Status> status;
    loop.Enter([&](On& on) {
      if (by_task) {
        pair.channel.ReadAll(on, 10).Then(
            [&](On&, absl::StatusOr<std::string> text) {
              status = text.status();
            });
        return;
      }
      Must(pair.channel.OnData(on, [&](On&, Received in) {
        BOOST_TEST(!in.end());
        status = in.status();
      }));
    });
    pair.peer.Break();
    loop.TurnUntil([&] { return status.has_value(); });
    BOOST_TEST(Errno(*status) == ECONNRESET);
    // It does not become an end later.
    const auto again =
        ResultOf(loop, [&](On& on) { return pair.channel.Read(on, 1); });
    BOOST_TEST(Errno(again.status()) == ECONNRESET);
    // Nor does it wake anybody.
    const auto before = support::TimesSlept(support::ThisThread());
    loop.TurnALot();
    BOOST_TEST(support::TimesSlept(support::ThisThread()) - before < 50u);
  }
  BOOST_TEST(loop.diagnostics().text() == "");
}

BOOST_AUTO_TEST_CASE(AChannelMayEndInItsOwnFunction) {
  for (const int how : {0, 1, 2, 3}) {
    Loop loop;
    auto pair = std::make_unique<Pair>(loop);
    Pair other(loop);
    auto capture = std::make_shared<int>(0);
    int calls = 0, others = 0;
    loop.Enter([&](On& on) {
      const auto end = [&, capture](On& on) {
        if (how == 0) pair->channel.Close(on);
        if (how == 1) pair->channel = Channel();
        if (how == 2) pair.reset();
        if (how == 3) pair->channel.StopData(on);
        // Whoever is called first ends the other one too.
        other.channel.Close(on);
        BOOST_TEST(capture.use_count() == 2);
      };
      Must(pair->channel.OnData(on, [&calls, end](On& on, Received in) {
        ++calls;
        const std::string lent(in.text());
        end(on);
        BOOST_TEST(in.text() == lent);
      }));
      Must(other.channel.OnData(on, [&](On& on, Received) {
        ++others;
        if (pair != nullptr) pair->channel.Close(on);
        other.channel.Close(on);
      }));
      pair->peer.Send("x");
      other.peer.Send("y");
    });
    loop.TurnUntil([&] { return calls + others > 0; });
    loop.TurnALot();
    BOOST_TEST(calls + others == 1);
    BOOST_TEST(capture.use_count() == 1);
  }
}

BOOST_AUTO_TEST_CASE(AFunctionMayOwnItsChannel) {
  const support::Baseline baseline;
  Loop loop;
  RawSocket peer;
  std::string got;
  {
    Pair pair(loop);
    peer = std::move(pair.peer);
    auto owner = std::make_shared<Channel>(std::move(pair.channel));
    loop.Enter([&](On& on) {
      Must(owner->OnData(on, [owner, &got](On& on, Received in) {
        got += in.text();
        if (in.end()) return;  // It ends with its last call.
        Must(owner->TryWrite(on, in.bytes()));
      }));
    });
  }
  peer.Send("echo");
  loop.TurnUntil([&] { return got == "echo"; });
  BOOST_TEST(peer.Receive() == "echo");
  peer.ShutdownWrite();
  loop.TurnUntil([&] { return peer.IsAtEnd(); });
  // With the executor, if it is not over by then.
  Pair last(loop);
  auto owner = std::make_shared<Channel>(std::move(last.channel));
  loop.Enter([&](On& on) {
    Must(owner->OnData(on, [owner](On&, Received) {}));
    Must(owner->OnWritable(on, [owner](On&) {}));
  });
  std::weak_ptr<Channel> alive = owner;
  owner.reset();
  BOOST_TEST(!alive.expired());
  loop.DestroyExecutor();
  BOOST_TEST(alive.expired());
  BOOST_TEST(last.peer.IsAtEnd());
}

BOOST_AUTO_TEST_CASE(AChannelMayOutliveItsExecutor) {
  std::optional<Loop> loop(std::in_place);
  Pair pair(*loop), idle(*loop);
  std::vector<QIOTask<E, std::string>> lazy;
  auto capture = std::make_shared<int>(0);
  loop->Enter([&](On& on) {
    Must(pair.channel.OnData(on, [capture](On&, Received) {}));
    Must(pair.channel.OnWritable(on, [capture](On&) {}));
    pair.channel.WriteAll(on, conformance::Pattern(1'000'000))
        .Then([capture](On&, absl::Status) {});
    lazy.push_back(idle.channel.Read(on, 1));
  });
  loop->DestroyExecutor();
  BOOST_TEST(capture.use_count() == 1);
  BOOST_TEST(!pair.channel.is_open());
  BOOST_TEST(!idle.channel.is_open());
  BOOST_TEST(pair.peer.Receive().size() > 0u);
  BOOST_TEST(idle.peer.IsAtEnd());
  loop.reset();
  Channel moved = std::move(pair.channel);
  lazy.clear();
}

BOOST_AUTO_TEST_CASE(ClosingCompletesItsTasksAsCancelled) {
  Loop loop;
  Pair pair(loop);
  std::vector<absl::StatusCode> codes;
  loop.Enter([&](On& on) {
    pair.channel.Read(on, 1).Then([&](On&, absl::StatusOr<std::string> text) {
      codes.push_back(text.status().code());
    });
    pair.channel.WriteAll(on, conformance::Pattern(1'000'000))
        .Then(
            [&](On&, absl::Status status) { codes.push_back(status.code()); });
    pair.channel.Close(on);
    BOOST_TEST(codes.empty());
    // And what is asked from here on as Closed.
    pair.channel.Read(on, 1).Then([&](On&, absl::StatusOr<std::string> text) {
      codes.push_back(text.status().code());
    });
  });
  loop.TurnUntil([&] { return codes.size() == 3; });
  BOOST_TEST((codes == std::vector{absl::StatusCode::kCancelled,
                                   absl::StatusCode::kCancelled,
                                   absl::StatusCode::kFailedPrecondition}));
}

BOOST_AUTO_TEST_CASE(TcpSendsWithoutDelay) {
  Loop loop;
  const RawSocket listener = RawSocket::ListeningOn(support::Loopback());
  Channel connected = Must(ResultOf(
      loop, [&](On& on) { return Channel::Connect(on, listener.address()); }));
  Channel adopted = conformance::Adopted(loop, listener.Accept());
  int with = 0;
  for (const auto& [fd, what] : support::OpenDescriptors()) {
    int value = 0;
    socklen_t size = sizeof value;
    if (fd != listener.fd() &&
        ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0) {
      with += value;
    }
  }
  BOOST_TEST(with == 2);
}

BOOST_AUTO_TEST_CASE(KeptBytesOutliveTheCall) {
  Loop loop;
  Pair pair(loop);
  std::vector<OwnedBytes> kept;
  std::size_t size = 0;
  loop.Enter([&](On& on) {
    Must(pair.channel.OnData(on, [&](On&, Received in) {
      size += in.bytes().size();
      kept.push_back(std::move(in).Keep());
    }));
  });
  const std::string text = conformance::Pattern(100'000);
  std::size_t sent = 0;
  pair.peer.Send("few");
  loop.TurnUntil([&] { return size == 3; });
  loop.TurnUntil([&] {
    sent += pair.peer.SendSome(std::string_view(text).substr(sent));
    return size == text.size() + 3;
  });
  std::string got;
  for (const OwnedBytes& bytes : kept) {
    got += internal_socket_channel::TextOf(bytes.bytes());
  }
  BOOST_TEST((got == "few" + text));
}

BOOST_AUTO_TEST_CASE(ALoopThatRunsInACallbackReadsToo) {
  // The lent bytes stay as they are while a nested loop reads other ones.
  Loop loop;
  Pair outer(loop), inner(loop);
  std::string inner_got;
  bool is_over = false;
  loop.Enter([&](On& on) {
    Must(outer.channel.OnData(on, [&](On&, Received in) {
      inner.peer.Send("inner");
      while (inner_got.empty()) loop.harness().RunOnce();
      BOOST_TEST(in.text() == "outer");
      is_over = true;
    }));
    Must(inner.channel.OnData(
        on, [&](On&, Received in) { inner_got += in.text(); }));
  });
  outer.peer.Send("outer");
  loop.TurnUntil([&] { return is_over; });
  BOOST_TEST(inner_got == "inner");
}

BOOST_AUTO_TEST_CASE(AnEchoAllocatesNothingAndTouchesNoInterest) {
  Loop loop;
  std::array<std::optional<Pair>, 4> pairs;
  int echoes = 0;
  for (auto& pair : pairs) {
    pair.emplace(loop);
    loop.Enter([&](On& on) {
      Must(pair->channel.OnData(on, [&](On& on, Received in) {
        BOOST_TEST(*pair->channel.TryWrite(on, in.bytes()) == 64u);
        ++echoes;
      }));
    });
  }
  const std::string text(64, 'e');
  std::string got(64, ' ');
  const auto round = [&] {
    for (auto& pair : pairs) pair->peer.Send(text);
    loop.TurnUntil([&] { return echoes == 4; });
    echoes = 0;
    for (auto& pair : pairs) {
      BOOST_TEST(::recv(pair->peer.fd(), got.data(), 64, 0) == 64);
    }
  };
  for (int i = 0; i < 10; ++i) round();
  SocketFaults counted;
  round();
  BOOST_TEST(counted.calls["epoll_ctl"] == 0);
  counted.calls.clear();
  round();
  BOOST_TEST(counted.calls["send"] == 4 + 4);
  // Ours stop at a short read.
  BOOST_TEST(counted.calls["recv"] == 4 + 4);
  const auto before = support::AllocationsSoFar();
  for (auto& pair : pairs) pair->peer.Send(text);
  loop.TurnUntil([&] { return echoes == 4; });
  BOOST_TEST(support::AllocationsSoFar() - before == 0u);
}

BOOST_AUTO_TEST_CASE(OneReadAfterTheOtherTouchesNoInterest) {
  Loop loop;
  Pair pair(loop);
  const auto exchange = [&] {
    std::optional<std::string> got;
    loop.Enter([&](On& on) {
      pair.channel.ReadExactly(on, 4).Then(
          [&](On&, absl::StatusOr<std::string> text) { got = *text; });
    });
    pair.peer.Send("ping");
    loop.TurnUntil([&] { return got.has_value(); });
    BOOST_TEST(*got == "ping");
    Must(ResultOf(loop,
                  [&](On& on) { return pair.channel.WriteAll(on, "pong"); }));
  };
  exchange();
  SocketFaults counted;
  for (int i = 0; i < 10; ++i) exchange();
  BOOST_TEST(counted.calls["epoll_ctl"] == 0);
}

BOOST_AUTO_TEST_CASE(AnIdleChannelKeepsNoLoopRunning) {
  Loop loop;
  Pair pair(loop);
  const auto outstanding = [&] {
    std::int64_t count = -1;
    loop.Enter([&](On& on) { count = on.executor().outstanding(on); });
    return count;
  };
  BOOST_TEST(outstanding() == 0);
  pair.peer.Send("x");
  (void)ResultOf(loop, [&](On& on) { return pair.channel.Read(on, 1); });
  // Armed still, for the next read; but nobody waits.
  BOOST_TEST(outstanding() == 0);
  loop.Enter(
      [&](On& on) { Must(pair.channel.OnData(on, [](On&, Received) {})); });
  BOOST_TEST(outstanding() == 1);
  loop.Enter([&](On& on) { pair.channel.StopData(on); });
  BOOST_TEST(outstanding() == 0);
  // What comes unwanted takes it out of the set for good.
  pair.peer.Send("y");
  loop.TurnALot();
  SocketFaults counted;
  loop.TurnALot();
  BOOST_TEST(counted.calls["epoll_ctl"] == 0);
  BOOST_TEST(outstanding() == 0);
  pair.peer.Close();
  loop.TurnALot();
  BOOST_TEST(outstanding() == 0);
  loop.Enter([&](On& on) { pair.channel.Close(on); });
  BOOST_TEST(outstanding() == 0);
  BOOST_TEST(loop.diagnostics().text() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
