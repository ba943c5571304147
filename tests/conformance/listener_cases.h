// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/listener_cases.h
//
// NL: what a listener promises, on any executor.

#ifndef QIO_TESTS_CONFORMANCE_LISTENER_CASES_H_
#define QIO_TESTS_CONFORMANCE_LISTENER_CASES_H_

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/channel_cases.h"
#include "qio/conformance/harness.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/suite.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/post.h"
#include "qio/status.h"
#include "qio/support/proc.h"
#include "qio/support/raw_socket.h"
#include "qio/support/socket_faults.h"
#include "qio/support/temporary_directory.h"

namespace qio::conformance {

using support::TemporaryDirectory;

template <class H>
using ListenerOf = NetListener<typename H::Executor>;

// A listener with one socket, and all clients that it was handed.
template <class H>
struct Server {
  using Channel = ChannelOf<H>;

  explicit Server(Loop<H>& its_loop,
                  const ResolvedAddress& at = support::Loopback())
      : loop(its_loop) {
    loop.Enter([&](auto& on) {
      address = Must(listener.Open(on, at.ToSocketAddress())).front().address;
    });
  }

  // Keeps clients.
  void Serve() {
    loop.Enter([&](auto& on) {
      listener.SetClientFunc(on, [this](auto&, Channel client) {
        clients.push_back(std::move(client));
      });
    });
  }

  RawSocketOf<H> Connect() const {
    return RawSocketOf<H>::ConnectedTo(address);
  }

  Loop<H>& loop;
  std::vector<Channel> clients;
  ListenerOf<H> listener;
  ResolvedAddress address = support::Loopback();
};

template <class H>
struct Nl01_OutOfDescriptorsTheListenerPauses {
  static constexpr char kRule[] =
      "Without descriptors the listener pauses, says so once, wakes up at most "
      "100 times a second, and goes on within a second when there is one";

  static void Run() {
    using Clock = std::chrono::steady_clock;
    Loop<H> loop;
    loop.harness().FollowClock();
    Server<H> server(loop);
    server.Serve();
    std::vector<RawSocketOf<H>> clients;
    // All code has run once: a sanitizer needs descriptors too.
    clients.push_back(server.Connect());
    loop.TurnUntil([&] { return server.clients.size() == 1; });
    for (int i = 0; i < 3; ++i) clients.push_back(server.Connect());
    // No number is free from here on.
    const int free = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
    ::close(free);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(free);
    const Clock::time_point start = Clock::now();
    SocketFaults counted;
    const bool is_limited = ::setrlimit(RLIMIT_NOFILE, &none) == 0;
    while (Clock::now() < start + std::chrono::milliseconds(400)) {
      loop.harness().RunOnce();
    }
    const bool nobody = server.clients.size() == 1;
    ::setrlimit(RLIMIT_NOFILE, &before);
    const auto limited = Clock::now() - start;
    BOOST_TEST(is_limited);
    BOOST_TEST(nobody);
    BOOST_TEST(counted.calls["accept4"] >= 2);
    BOOST_TEST(counted.calls["accept4"] <=
               1 + limited / std::chrono::milliseconds(10));
    const Clock::time_point freed = Clock::now();
    loop.TurnUntil([&] { return server.clients.size() == 4; });
    // One second, and what a busy machine adds.
    BOOST_TEST((Clock::now() - freed < std::chrono::seconds(4)));
    BOOST_TEST(loop.diagnostics().sentences().size() == 1);
    BOOST_TEST(loop.diagnostics().text().find("Too many open files") !=
               std::string::npos);
    for (const ListeningSocket& socket : server.listener.sockets()) {
      Must(socket.status);
    }
  }
};

template <class H>
struct Nl01_EveryExhaustionPausesAndEnds {
  static constexpr char kRule[] =
      "ENFILE, ENOBUFS and ENOMEM pause the listener as EMFILE does, and so "
      "does the loop's own lack of memory or watches";

  static void Run() {
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
      Loop<H> loop;
      loop.harness().FollowClock();
      Server<H> server(loop);
      server.Serve();
      SocketFaults faults;
      faults.errors["accept4"] = {error, error, error};
      const RawSocketOf<H> client = server.Connect();
      loop.TurnUntil([&] { return faults.calls["accept4"] == 1; });
      loop.harness().RunOnce();
      BOOST_TEST(server.clients.empty());
      loop.TurnUntil([&] { return server.clients.size() == 1; });
      BOOST_TEST(loop.diagnostics().sentences().size() == 1);
    }
    Loop<H> loop;
    loop.harness().FollowClock();
    Server<H> server(loop);
    {
      SocketFaults faults;
      faults.errors["epoll_ctl"] = {ENOSPC};
      server.Serve();
      BOOST_TEST(faults.errors["epoll_ctl"].empty());
    }
    const RawSocketOf<H> client = server.Connect();
    loop.TurnUntil([&] { return server.clients.size() == 1; });
  }
};

template <class H>
struct Nl02_AnErrorOfOneClientIsNoneOfTheListener {
  static constexpr char kRule[] =
      "Errors that concern one client, and EINTR, go unnoticed";

  static void Run() {
    for (const int error :
         {ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET,
          EHOSTUNREACH, ENETUNREACH, EPERM, ETIMEDOUT}) {
      Loop<H> loop;
      Server<H> server(loop);
      server.Serve();
      SocketFaults faults;
      faults.errors["accept4"] = {error, error};
      const RawSocketOf<H> client = server.Connect();
      loop.TurnUntil([&] { return server.clients.size() == 1; });
      BOOST_TEST(faults.calls["accept4"] >= 3);
      BOOST_TEST(loop.diagnostics().text() == "");
      Must(server.listener.sockets().front().status);
    }
  }
};

template <class H>
struct Nl02_AFatalErrorDisablesThatSocketOnly {
  static constexpr char kRule[] =
      "A socket that cannot accept any more is disabled, with its Status, and "
      "the others go on";

  static void Run() {
    for (const int error : {EBADF, EINVAL, ENOTSOCK}) {
      Loop<H> loop;
      Server<H> server(loop);
      RawSocketOf<H> broken = RawSocketOf<H>::ListeningOn(support::Loopback());
      const ResolvedAddress broken_address = broken.address();
      const int broken_fd = broken.fd();
      loop.Enter(
          [&](auto& on) { Must(server.listener.Add(on, broken.Release())); });
      server.Serve();
      SocketFaults faults;
      faults.only_fd = broken_fd;
      faults.errors["accept4"] = {error};
      const RawSocketOf<H> lost = RawSocketOf<H>::ConnectedTo(broken_address);
      const RawSocketOf<H> client = server.Connect();
      const auto broken_status = [&] {
        return server.listener.sockets()[1].status;
      };
      loop.TurnUntil(
          [&] { return !broken_status().ok() && server.clients.size() == 1; });
      BOOST_TEST(Errno(broken_status()) == error);
      Must(server.listener.sockets()[0].status);
      const RawSocketOf<H> second = server.Connect();
      loop.TurnUntil([&] { return server.clients.size() == 2; });
      loop.TurnALot();
      BOOST_TEST(faults.calls["accept4"] == 1);
      BOOST_TEST(loop.diagnostics().sentences().size() == 1);
      // Setting the function anew does not wake it up.
      server.Serve();
      loop.TurnALot();
      BOOST_TEST(faults.calls["accept4"] == 1);
    }
  }
};

template <class H>
struct Nl03_AClientIsHandedOverOnceOrClosed {
  static constexpr char kRule[] =
      "Every client has one owner: what the client function does not keep, or "
      "leaves by an exception, is closed";

  static void Run() {
    Loop<H> loop;
    Server<H> server(loop);
    const support::Baseline baseline;
    int calls = 0;
    loop.Enter([&](auto& on) {
      server.listener.SetClientFunc(on, [&](auto&, ChannelOf<H>) { ++calls; });
    });
    {
      std::vector<RawSocketOf<H>> clients;
      for (int i = 0; i < 40; ++i) clients.push_back(server.Connect());
      loop.TurnUntil([&] { return calls == 40; });
      for (const RawSocketOf<H>& client : clients) BOOST_TEST(client.IsAtEnd());
    }
    BOOST_TEST(baseline.Difference() == "");
    if (H::kExceptions == Exceptions::kLeaveRun) {
      calls = 0;
      loop.Enter([&](auto& on) {
        server.listener.SetClientFunc(on, [&](auto&, ChannelOf<H>) {
          ++calls;
          throw std::runtime_error("declined");
        });
      });
      std::vector<RawSocketOf<H>> clients;
      for (int i = 0; i < 3; ++i) clients.push_back(server.Connect());
      int thrown = 0;
      while (thrown < 3) {  // The watchdog sees to the rest.
        try {
          loop.harness().RunOnce();
        } catch (const std::runtime_error&) {
          ++thrown;
        }
      }
      BOOST_TEST(calls == 3);
      for (const RawSocketOf<H>& client : clients) BOOST_TEST(client.IsAtEnd());
    }
    BOOST_TEST(baseline.Difference() == "");
    // All that were accepted are counted.
    BOOST_TEST(server.listener.sockets().front().accepted_count >= 40);
    // Those that were kept are open, once each.
    server.Serve();
    std::vector<RawSocketOf<H>> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(server.Connect());
    loop.TurnUntil([&] { return server.clients.size() == 20; });
    std::set<std::uint16_t> ports;
    loop.Enter([&](auto& on) {
      for (auto& client : server.clients) {
        ports.insert(Must(client.remote_address(on)).port());
      }
    });
    BOOST_TEST(ports.size() == 20);
    server.clients.clear();
    clients.clear();
    BOOST_TEST(baseline.Difference() == "");
  }
};

template <class H>
struct Nl04_WithoutClientFunctionNoneIsCalled {
  static constexpr char kRule[] =
      "After the client function is removed or replaced, or the listener "
      "disconnects, it is not called; its captures outlive its last call";

  static void Run() {
    // Each way of ending it, before a call and inside one.
    for (const int how : {0, 1, 2}) {
      for (const bool inside : {false, true}) {
        Loop<H> loop;
        Server<H> server(loop);
        auto capture = std::make_shared<int>(0);
        std::vector<RawSocketOf<H>> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(server.Connect());
        int calls = 0, others = 0;
        const auto end = [&](auto& on) {
          if (how == 0) server.listener.RemoveClientFunc(on);
          if (how == 1) server.listener.Disconnect(on);
          if (how == 2) {
            server.listener.SetClientFunc(
                on, [&](auto&, ChannelOf<H>) { ++others; });
          }
        };
        loop.Enter([&](auto& on) {
          server.listener.SetClientFunc(on,
                                        [&, capture](auto& on, ChannelOf<H>) {
                                          ++calls;
                                          if (inside) end(on);
                                          // Not destroyed under our feet.
                                          BOOST_TEST(capture.use_count() == 2);
                                          *capture = calls;
                                        });
          if (!inside) end(on);
        });
        if (inside) loop.TurnUntil([&] { return calls > 0; });
        loop.TurnALot();
        BOOST_TEST(calls == (inside ? 1 : 0));
        BOOST_TEST(others == (how != 2 ? 0 : inside ? 2 : 3));
        // Disconnecting leaves the function for what is opened next.
        BOOST_TEST(capture.use_count() == (how == 1 ? 2 : 1));
      }
    }
  }
};

template <class H>
struct Nl05_TheListenerMayEndInItsClientFunction {
  static constexpr char kRule[] =
      "The listener may be disconnected, replaced or destroyed by its client "
      "function, with more clients and sockets ready";

  static void Run() {
    for (const int how : {0, 1, 2, 3}) {
      Loop<H> loop;
      auto listener = std::make_unique<ListenerOf<H>>();
      std::vector<ResolvedAddress> addresses;
      int calls = 0;
      loop.Enter([&](auto& on) {
        for (int i = 0; i < 3; ++i) {
          Must(listener->Open(on, support::Loopback().ToSocketAddress()));
        }
        addresses = listener->addresses();
        listener->SetClientFunc(on, [&](auto& on, ChannelOf<H> client) {
          ++calls;
          if (how == 0) listener->Disconnect(on);
          if (how == 1) listener.reset();
          if (how == 2) *listener = ListenerOf<H>();
          if (how == 3) auto moved = std::move(*listener);
          BOOST_TEST(client.is_open());
        });
      });
      std::vector<RawSocketOf<H>> clients;
      for (int i = 0; i < 12; ++i) {
        clients.push_back(RawSocketOf<H>::ConnectedTo(
            addresses[static_cast<std::size_t>(i) % addresses.size()]));
      }
      loop.TurnUntil([&] { return calls > 0; });
      loop.TurnALot();
      BOOST_TEST(calls == 1);
      if (listener != nullptr) BOOST_TEST(listener->size() == 0);
      BOOST_TEST(loop.diagnostics().text() == "");
    }
    // A listener that its own client function owns.
    Loop<H> loop;
    bool is_called = false;
    ResolvedAddress address = support::Loopback();
    loop.Enter([&](auto& on) {
      auto listener = std::make_shared<ListenerOf<H>>();
      Must(listener->Open(on, address.ToSocketAddress()));
      address = listener->addresses().front();
      listener->SetClientFunc(on, [&, listener](auto& on, ChannelOf<H>) {
        is_called = true;
        listener->RemoveClientFunc(on);
      });
    });
    const RawSocketOf<H> client = RawSocketOf<H>::ConnectedTo(address);
    loop.TurnUntil([&] { return is_called; });
    loop.TurnALot();
    BOOST_CHECK_THROW(RawSocketOf<H>::ConnectedTo(address), std::runtime_error);
  }
};

template <class H>
struct Nl06_ClientsAreClosedOnExecAndNeverBlock {
  static constexpr char kRule[] =
      "Accepted descriptors are O_CLOEXEC and O_NONBLOCK from accept4() on, as "
      "are those that listen";

  static void Run() {
    Loop<H> loop;
    Server<H> server(loop);
    server.Serve();
    const auto before = support::OpenDescriptors();
    const RawSocketOf<H> client = server.Connect();
    loop.TurnUntil([&] { return server.clients.size() == 1; });
    int checked = 0;
    for (const auto& [fd, what] : support::OpenDescriptors()) {
      if (what.find("socket") == std::string::npos || fd == client.fd()) {
        continue;
      }
      BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
      BOOST_TEST((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
      ++checked;
    }
    BOOST_TEST(checked == 2);
  }
};

template <class H>
struct Nl09_AcceptsTakeTurns {
  static constexpr char kRule[] =
      "At most 16 clients of one socket are accepted in a turn, and sockets "
      "take turns";

  static void Run() {
    constexpr int kSockets = 3, kClients = 50;
    Loop<H> loop;
    ListenerOf<H> listener;
    std::vector<ResolvedAddress> addresses;
    loop.Enter([&](auto& on) {
      for (int i = 0; i < kSockets; ++i) {
        Must(listener.Open(on, support::Loopback().ToSocketAddress()));
      }
      addresses = listener.addresses();
    });
    std::vector<RawSocketOf<H>> clients;
    for (int i = 0; i < kSockets * kClients; ++i) {
      clients.push_back(RawSocketOf<H>::ConnectedTo(
          addresses[static_cast<std::size_t>(i % kSockets)]));
    }
    std::map<std::uint16_t, int> accepted, in_this_turn;
    int most = 0, widest = 0;
    bool is_turn_noted = false;
    loop.Enter([&](auto& on) {
      listener.SetClientFunc(on, [&](auto& on, ChannelOf<H> client) {
        const std::uint16_t port = Must(client.local_address(on)).port();
        ++accepted[port];
        most = std::max(most, ++in_this_turn[port]);
        int fewest = kClients;
        for (const ResolvedAddress& address : addresses) {
          fewest = std::min(fewest, accepted[address.port()]);
        }
        widest = std::max(widest, accepted[port] - fewest);
        // Called in the next turn.
        if (std::exchange(is_turn_noted, true)) return;
        Post(on, [&](auto&) {
          in_this_turn.clear();
          is_turn_noted = false;
        });
      });
    });
    loop.TurnUntil([&] {
      int sum = 0;
      for (const auto& [port, count] : accepted) sum += count;
      return sum == kSockets * kClients;
    });
    BOOST_TEST(most <= 16);
    // Nobody gets a second turn before everybody had one.
    BOOST_TEST(widest <= 32);
  }
};

template <class H>
struct Nl11_EveryAddressHasItsResult {
  static constexpr char kRule[] =
      "Opening tells what became of each address; partial success is visible, "
      "and nothing is left open where all are required";

  static void Run() {
    Loop<H> loop;
    const RawSocketOf<H> taken = RawSocketOf<H>::ListeningOn(
        ResolveWithoutLookup(SocketAddress::Inet("0.0.0.0", 0),
                             AddressUse::kListen)
            ->front());
    const SocketAddress both = SocketAddress::Inet("", taken.address().port());
    const support::Baseline baseline;
    {
      ListenerOf<H> listener;
      loop.Enter([&](auto& on) {
        const auto all =
            listener.Open(on, both, {.backlog = 16, .require_all = true});
        BOOST_TEST(Errno(all.status()) == EADDRINUSE);
        BOOST_TEST(listener.size() == 0);
        BOOST_TEST(!listener.is_connected());
        const auto some = Must(listener.Open(on, both));
        BOOST_TEST_REQUIRE(some.size() == 2);
        Must(some[0].status);
        BOOST_TEST(some[0].address.family() == AF_INET6);
        BOOST_TEST(Errno(some[1].status) == EADDRINUSE);
        BOOST_TEST(some[1].address.ToString() == taken.address().ToString());
        BOOST_TEST(listener.size() == 1);
        // Nothing is left that could be opened: the first ones stay.
        BOOST_TEST(!listener.Open(on, both).ok());
        BOOST_TEST(listener.size() == 1);
      });
    }
    BOOST_TEST(baseline.Difference() == "");
  }
};

template <class H>
struct Nl11_AdoptedSocketsAreChecked {
  static constexpr char kRule[] =
      "What is adopted is a stream socket that listens, IP or unix, and is not "
      "there already; else it is refused and closed";

  static void Run() {
    Loop<H> loop;
    const support::Baseline baseline;
    {
      ListenerOf<H> listener, second;
      const auto refused = [&](OwnedFd fd) {
        absl::Status status;
        loop.Enter([&](auto& on) { status = listener.Add(on, std::move(fd)); });
        BOOST_TEST(listener.size() == 0);
        return status;
      };
      const auto precondition = absl::StatusCode::kFailedPrecondition;
      RawSocketOf<H> listening =
          RawSocketOf<H>::ListeningOn(support::Loopback());
      BOOST_TEST(Errno(refused(OwnedFd())) == EBADF);
      BOOST_TEST(Errno(refused(OwnedFd(::open("/dev/null", O_CLOEXEC)))) ==
                 ENOTSOCK);
      BOOST_TEST((
          refused(RawSocketOf<H>::Make(AF_INET, SOCK_DGRAM).Release()).code() ==
          precondition));
      BOOST_TEST(
          (refused(RawSocketOf<H>::Make(AF_UNIX, SOCK_SEQPACKET).Release())
               .code() == precondition));
      BOOST_TEST((refused(RawSocketOf<H>::Make(AF_INET).Release()).code() ==
                  precondition));
      BOOST_TEST(
          (refused(RawSocketOf<H>::ConnectedTo(listening.address()).Release())
               .code() == precondition));
      BOOST_TEST(
          (refused(RawSocketOf<H>::BoundTo(support::Loopback()).Release())
               .code() == precondition));
      // A duplicate, here or in another listener of the loop.
      OwnedFd duplicate(::fcntl(listening.fd(), F_DUPFD_CLOEXEC, 0));
      OwnedFd another(::fcntl(listening.fd(), F_DUPFD_CLOEXEC, 0));
      loop.Enter([&](auto& on) {
        Must(listener.Add(on, listening.Release()));
        BOOST_TEST(Errno(listener.Add(on, std::move(duplicate))) == EEXIST);
        BOOST_TEST(Errno(second.Add(on, std::move(another))) == EEXIST);
        BOOST_TEST(listener.size() == 1);
        BOOST_TEST(second.size() == 0);
      });
    }
    BOOST_TEST(baseline.Difference() == "");
  }
};

template <class H>
struct Nl12_PortZeroIsOnePortForAllFamilies {
  static constexpr char kRule[] =
      "Port 0 is one free port for all families, or a Status";

  static void Run() {
    Loop<H> loop;
    loop.Enter([](auto& on) {
      for (int i = 0; i < 20; ++i) {
        ListenerOf<H> listener;
        const auto opened = Must(listener.Open(on, SocketAddress::Inet("", 0)));
        BOOST_TEST_REQUIRE(opened.size() == 2);
        BOOST_TEST(opened[0].address.port() != 0);
        BOOST_TEST(opened[0].address.port() == opened[1].address.port());
      }
      // The port of the first one is taken for the second: another port.
      const support::Baseline baseline;
      {
        ListenerOf<H> listener;
        SocketFaults faults;
        faults.errors["bind"] = {0, EADDRINUSE, 0, EADDRINUSE};
        const auto opened = Must(listener.Open(on, SocketAddress::Inet("", 0)));
        BOOST_TEST(faults.calls["bind"] == 6);
        BOOST_TEST(listener.size() == 2);
        BOOST_TEST(opened[0].address.port() == opened[1].address.port());
        // Never.
        for (int i = 0; i < 1000; ++i) {
          faults.errors["bind"].push_back(0);
          faults.errors["bind"].push_back(EADDRINUSE);
        }
        const auto none = listener.Open(on, SocketAddress::Inet("", 0));
        BOOST_TEST(Errno(none.status()) == EADDRINUSE);
        BOOST_TEST(listener.size() == 2);
        BOOST_TEST(!faults.errors["bind"].empty());
      }
      BOOST_TEST(baseline.Difference() == "");
    });
  }
};

template <class H>
struct Nl12_ARangeIsTriedOnce {
  static constexpr char kRule[] =
      "A range of ports is tried once, in order, up to 65535: a port that is "
      "in use leads to the next, the end of the range to a Status";

  static void Run() {
    Loop<H> loop;
    const RawSocketOf<H> taken =
        RawSocketOf<H>::ListeningOn(support::Loopback());
    const int port = taken.address().port();
    loop.Enter([&](auto& on) {
      const support::Baseline baseline;
      {
        ListenerOf<H> listener;
        SocketFaults faults;
        // The first is taken; what the next ones are is anybody's.
        const auto opened = Must(listener.Open(
            on, SocketAddress::InetRange("127.0.0.1", port,
                                         std::min(port + 50, 65535))));
        BOOST_TEST(opened.front().address.port() > port);
        BOOST_TEST(faults.calls["bind"] ==
                   opened.front().address.port() - port + 1);
        // All taken.
        for (int i = 0; i < 100; ++i) {
          faults.errors["bind"].push_back(EADDRINUSE);
        }
        faults.calls.clear();
        const auto none = listener.Open(
            on, SocketAddress::InetRange("127.0.0.1", 65526, 65535));
        BOOST_TEST(Errno(none.status()) == EADDRINUSE);
        BOOST_TEST(faults.calls["bind"] == 10);
        // Another error is not tried again.
        faults.errors["bind"] = {EACCES};
        faults.calls.clear();
        const auto denied =
            listener.Open(on, SocketAddress::InetRange("127.0.0.1", 10, 20));
        BOOST_TEST(Errno(denied.status()) == EACCES);
        BOOST_TEST(faults.calls["bind"] == 1);
        // All families have the same one.
        faults.errors["bind"] = {0, EADDRINUSE};
        ListenerOf<H> both;
        const auto same =
            Must(both.Open(on, SocketAddress::InetRange("", 20000, 60000)));
        BOOST_TEST(same[0].address.port() == same[1].address.port());
        BOOST_TEST(same[0].address.port() > 20000);
      }
      BOOST_TEST(baseline.Difference() == "");
    });
  }
};

template <class H>
struct Nl13_ALongPathIsRefusedBeforeAnyCall {
  static constexpr char kRule[] =
      "A unix path or name that does not fit is an error before any system "
      "call; an abstract name may hold any bytes, NUL too";

  static void Run() {
    Loop<H> loop;
    loop.Enter([](auto& on) {
      ListenerOf<H> listener;
      SocketFaults faults;
      for (const std::size_t size : {108u, 109u, 200u, 70000u}) {
        const std::string text(size, 'p');
        for (const auto& address :
             {SocketAddress::Unix(text), SocketAddress::Abstract(text)}) {
          BOOST_TEST((listener.Open(on, address).status().code() ==
                      absl::StatusCode::kInvalidArgument));
        }
      }
      BOOST_TEST(faults.calls["socket"] == 0);
      BOOST_TEST(faults.calls["bind"] == 0);
      TemporaryDirectory directory;
      std::string longest = directory / "";
      longest += std::string(107 - longest.size(), 'p');
      Must(listener.Open(on, SocketAddress::Unix(longest)));
      BOOST_TEST(listener.addresses().back().path() == longest);
      const std::string stem = "qio-test-" + std::to_string(::getpid());
      for (const std::string& name :
           {stem + std::string("\0b", 2), stem + std::string("\0c", 2), stem,
            stem + std::string(107 - stem.size(), 'n')}) {
        Must(listener.Open(on, SocketAddress::Abstract(name)));
        BOOST_TEST(listener.addresses().back().abstract_name() == name);
        BOOST_TEST(
            RawSocketOf<H>::ConnectedTo(listener.addresses().back()).is_open());
      }
    });
  }
};

template <class H>
struct Nl15_BothFamiliesHaveTheirSocket {
  static constexpr char kRule[] =
      "IPv6 sockets are IPv6 only, so that those of both families do not "
      "exclude each other";

  static void Run() {
    Loop<H> loop;
    ListenerOf<H> first, second;
    loop.Enter([&](auto& on) {
      Must(first.Open(on, SocketAddress::Inet("::", 0)));
      const int port = first.addresses().front().port();
      Must(second.Open(on, SocketAddress::Inet("0.0.0.0", port)));
      int ipv6_only = 0;
      for (const auto& [fd, what] : support::OpenDescriptors()) {
        int family = 0, value = 0;
        socklen_t size = sizeof value;
        if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
            family == AF_INET6 &&
            ::getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &size) == 0) {
          ipv6_only += value;
        }
      }
      BOOST_TEST(ipv6_only == 1);
      BOOST_TEST(!second.Open(on, SocketAddress::Inet("0.0.0.0", port)).ok());
    });
  }
};

template <class H>
struct Nl16_RearmingKeepsTheLoop {
  static constexpr char kRule[] =
      "A listener that is armed again, while another loop runs too, serves its "
      "clients on its own loop";

  static void Run() {
    Loop<H> loop, other;
    Server<H> server(loop);
    int calls = 0;
    other.Enter([&](auto&) {
      loop.Enter([&](auto& on) {
        for (int i = 0; i < 3; ++i) {
          server.listener.RemoveClientFunc(on);
          server.listener.SetClientFunc(on, [&](auto& on, ChannelOf<H>) {
            BOOST_TEST(std::addressof(on.executor()) ==
                       std::addressof(loop.executor()));
            ++calls;
          });
        }
      });
    });
    const RawSocketOf<H> client = server.Connect();
    other.TurnALot();
    BOOST_TEST(calls == 0);
    loop.TurnUntil([&] { return calls == 1; });
  }
};

template <class H>
struct Nl18_DestroyingTheListenerEndsIt {
  static constexpr char kRule[] =
      "With the listener its sockets are closed and its captures gone, and no "
      "client function is called; also if the executor goes first";

  static void Run() {
    for (const int how : {0, 1, 2}) {
      Loop<H> loop;
      std::optional<Server<H>> server(std::in_place, loop);
      auto capture = std::make_shared<int>(0);
      int calls = 0;
      loop.Enter([&](auto& on) {
        server->listener.SetClientFunc(
            on, [&, capture](auto&, ChannelOf<H>) { ++calls; });
      });
      const ResolvedAddress address = server->address;
      const RawSocketOf<H> waiting = server->Connect();
      if (how == 0) server.reset();
      if (how == 1) {
        loop.DestroyExecutor();
      } else if (how == 2) {
        // In a move, the one that is replaced ends.
        server->listener = ListenerOf<H>();
      }
      BOOST_TEST(capture.use_count() == 1);
      BOOST_CHECK_THROW(RawSocketOf<H>::ConnectedTo(address),
                        std::runtime_error);
      BOOST_TEST(waiting.IsAtEnd());
      if (how != 1) loop.TurnALot();
      BOOST_TEST(calls == 0);
      server.reset();
    }
  }
};

template <class H>
struct Nl19_TheClientFunctionMayCallAnything {
  static constexpr char kRule[] =
      "The client function and the destructors of its captures may call "
      "anything of the listener's";

  static void Run() {
    Loop<H> loop;
    Server<H> server(loop);
    int calls = 0, ends = 0;
    ListenerOf<H>& listener = server.listener;
    const auto call_all = [&](auto& on) {
      listener.set_name("busy");
      (void)listener.name();
      (void)listener.is_connected();
      (void)listener.addresses();
      (void)listener.sockets();
      Must(listener.Open(on, support::Loopback().ToSocketAddress()));
      if constexpr (kHasKernelsSockets<H>) {
        Must(listener.Add(
            on, RawSocket::ListeningOn(support::Loopback()).Release()));
      }
      listener.WaitClient(on).Then([](auto&, absl::StatusOr<ChannelOf<H>>) {});
      listener.Disconnect(on);
      Must(listener.Open(on, server.address.ToSocketAddress()));
    };
    loop.Enter([&](auto& on) {
      AtEnd capture([&, &on = on] {
        ++ends;
        call_all(on);
      });
      listener.SetClientFunc(
          on, [&, capture = std::move(capture)](auto& on, ChannelOf<H>) {
            ++calls;
            call_all(on);
            // The function that runs is replaced, and ends when it returns.
            server.listener.SetClientFunc(
                on, [&](auto&, ChannelOf<H>) { ++calls; });
            call_all(on);
            BOOST_TEST(ends == 0);
          });
    });
    const RawSocketOf<H> first = server.Connect();
    loop.TurnUntil([&] { return ends == 1; });
    BOOST_TEST(calls == 1);
    const RawSocketOf<H> second = server.Connect();
    loop.TurnUntil([&] { return calls == 2; });
  }
};

template <class H>
struct Nl20_ClientsWaitForTheNextFunction {
  static constexpr char kRule[] =
      "Without client function clients wait in the backlog, and are served by "
      "the next one";

  static void Run() {
    Loop<H> loop;
    Server<H> server(loop);
    std::vector<RawSocketOf<H>> clients;
    SocketFaults counted;
    for (int round = 0; round < 3; ++round) {
      counted.calls.clear();
      for (int i = 0; i < 5; ++i) {
        clients.push_back(server.Connect());
        clients.back().Send("hello");
      }
      loop.TurnALot();
      BOOST_TEST(counted.calls["accept4"] == 0);
      server.Serve();
      loop.TurnUntil([&] { return server.clients.size() == 5; });
      for (auto& client : server.clients) {
        BOOST_TEST(Must(ResultOf(loop, [&](auto& on) {
                     return client.ReadExactly(on, 5);
                   })) == "hello");
      }
      loop.Enter([&](auto& on) { server.listener.RemoveClientFunc(on); });
      server.clients.clear();
      clients.clear();
    }
  }
};

template <class H>
struct Nl20_WaitingForOneLosesNoOther {
  static constexpr char kRule[] =
      "Whoever waits for one client gets one; the others stay, for the next "
      "one or the client function";

  static void Run() {
    Loop<H> loop;
    Server<H> server(loop);
    std::vector<RawSocketOf<H>> clients;
    for (int i = 0; i < 6; ++i) {
      clients.push_back(server.Connect());
      clients.back().Send(std::to_string(i));
    }
    const auto number_of = [&](ChannelOf<H>& channel) {
      return Must(
          ResultOf(loop, [&](auto& on) { return channel.ReadExactly(on, 1); }));
    };
    // One at a time.
    for (const char* expected : {"0", "1"}) {
      ChannelOf<H> client = Must(ResultOf(
          loop, [&](auto& on) { return server.listener.WaitClient(on); }));
      loop.TurnALot();
      BOOST_TEST(number_of(client) == expected);
    }
    // Two at once, in the order in which they asked, and one that gives up.
    std::vector<std::string> order;
    std::vector<ChannelOf<H>> got;
    loop.Enter([&](auto& on) {
      const auto wait = [&](const char* who) {
        return server.listener.WaitClient(on).Then(
            [&, who](auto&, absl::StatusOr<ChannelOf<H>> client) {
              order.push_back(who + std::string(client.ok() ? "" : "!"));
              if (client.ok()) got.push_back(*std::move(client));
            });
      };
      auto gives_up = wait("a");
      wait("b");
      wait("c");
      BOOST_TEST(gives_up.Cancel(on));
    });
    loop.TurnUntil([&] { return order.size() == 3; });
    BOOST_TEST(order == (std::vector<std::string>{"a!", "b", "c"}),
               boost::test_tools::per_element());
    BOOST_TEST(number_of(got[0]) == "2");
    BOOST_TEST(number_of(got[1]) == "3");
    // Before the client function, which gets the rest.
    loop.Enter([&](auto& on) {
      server.listener.WaitClient(on).Then(
          [&](auto&, absl::StatusOr<ChannelOf<H>> client) {
            got.push_back(Must(std::move(client)));
          });
    });
    server.Serve();
    loop.TurnUntil(
        [&] { return got.size() == 3 && server.clients.size() == 1; });
    BOOST_TEST(number_of(got[2]) == "4");
    BOOST_TEST(number_of(server.clients[0]) == "5");
    // When there is nothing to wait for.
    loop.Enter([&](auto& on) { server.listener.RemoveClientFunc(on); });
    std::optional<absl::Status> ended;
    loop.Enter([&](auto& on) {
      server.listener.WaitClient(on).Then(
          [&](auto&, absl::StatusOr<ChannelOf<H>> client) {
            ended = client.status();
          });
      server.listener.Disconnect(on);
    });
    loop.TurnUntil([&] { return ended.has_value(); });
    BOOST_TEST((ended->code() == absl::StatusCode::kCancelled));
    const auto none = ResultOf(
        loop, [&](auto& on) { return server.listener.WaitClient(on); });
    BOOST_TEST((none.status().code() == absl::StatusCode::kFailedPrecondition));
  }
};

template <class H>
struct Nl21_AStolenClientBlocksNobody {
  static constexpr char kRule[] =
      "Listening sockets never block: a client that is gone between readiness "
      "and accept is no client";

  static void Run() {
    // Both are ready in one batch; whichever comes first steals the other's.
    Loop<H> loop;
    ListenerOf<H> listener;
    std::vector<RawSocketOf<H>> thieves;
    std::vector<ResolvedAddress> addresses;
    int calls = 0, stolen = 0;
    loop.Enter([&](auto& on) {
      for (int i = 0; i < 2; ++i) {
        RawSocketOf<H> listening =
            RawSocketOf<H>::ListeningOn(support::Loopback());
        ::fcntl(listening.fd(), F_SETFL, 0);  // It blocks so far.
        addresses.push_back(listening.address());
        thieves.emplace_back(
            OwnedFd(::fcntl(listening.fd(), F_DUPFD_CLOEXEC, 0)));
        Must(listener.Add(on, listening.Release()));
      }
      listener.SetClientFunc(on, [&](auto&, ChannelOf<H>) {
        ++calls;
        for (const RawSocketOf<H>& thief : thieves) {
          if (thief.Accept().is_open()) ++stolen;
        }
      });
    });
    const RawSocketOf<H> a = RawSocketOf<H>::ConnectedTo(addresses[0]);
    const RawSocketOf<H> b = RawSocketOf<H>::ConnectedTo(addresses[1]);
    loop.TurnUntil([&] { return calls == 1; });
    loop.TurnALot();
    BOOST_TEST(calls == 1);
    BOOST_TEST(stolen == 1);
    BOOST_TEST(loop.diagnostics().text() == "");
  }
};

template <class H>
struct Nl22_OnlyItsOwnPathIsUnlinked {
  static constexpr char kRule[] =
      "A unix path is unlinked by the listener that bound it, if it is still "
      "the same file; no other file ever is";

  static void Run() {
    TemporaryDirectory directory;
    const auto exists = [](const std::string& path) {
      struct stat status;
      return ::lstat(path.c_str(), &status) == 0;
    };
    const auto make_file = [](const std::string& path) {
      std::ofstream(path) << "precious";
    };
    // Its own: gone with the socket, however that goes.
    for (const int how : {0, 1, 2}) {
      const std::string own = directory / "own";
      Loop<H> loop;
      ListenerOf<H> listener;
      loop.Enter([&](auto& on) {
        Must(listener.Open(on, SocketAddress::Unix(own)));
        BOOST_TEST(exists(own));
        // A second one neither gets nor loses it.
        ListenerOf<H> second;
        BOOST_TEST(Errno(second.Open(on, SocketAddress::Unix(own)).status()) ==
                   EADDRINUSE);
        BOOST_TEST(exists(own));
        if (how == 0) listener.Disconnect(on);
        if (how == 1) listener = {};
      });
      if (how == 2) loop.DestroyExecutor();
      BOOST_TEST(!exists(own));
    }
    Loop<H> loop;
    loop.Enter([&](auto& on) {
      // Replaced meanwhile.
      const std::string replaced = directory / "replaced";
      {
        ListenerOf<H> listener;
        Must(listener.Open(on, SocketAddress::Unix(replaced)));
        ::unlink(replaced.c_str());
        make_file(replaced);
      }
      BOOST_TEST(exists(replaced));
      ::unlink(replaced.c_str());
      {
        ListenerOf<H> listener;
        Must(listener.Open(on, SocketAddress::Unix(replaced)));
        ::unlink(replaced.c_str());
        const RawSocketOf<H> successor = RawSocketOf<H>::ListeningOn(
            ResolveWithoutLookup(SocketAddress::Unix(replaced),
                                 AddressUse::kListen)
                ->front());
        listener.Disconnect(on);
        BOOST_TEST(exists(replaced));
      }
      // Named like an abstract socket, also with the "@" that tools print.
      const std::string file = directory / "file";
      make_file(file);
      make_file(directory / "@file");
      {
        ListenerOf<H> listener;
        Must(listener.Open(on, SocketAddress::Abstract(file)));
      }
      BOOST_TEST(exists(file));
      BOOST_TEST(exists(directory / "@file"));
      // Inherited.
      const std::string inherited = directory / "inherited";
      {
        ListenerOf<H> listener;
        Must(listener.Add(
            on, RawSocketOf<H>::ListeningOn(
                    ResolveWithoutLookup(SocketAddress::Unix(inherited),
                                         AddressUse::kListen)
                        ->front())
                    .Release()));
      }
      BOOST_TEST(exists(inherited));
      // Of a socket that could be bound and not listen.
      const std::string halfway = directory / "halfway";
      {
        ListenerOf<H> listener;
        SocketFaults faults;
        faults.errors["listen"] = {EADDRINUSE};
        BOOST_TEST(!listener.Open(on, SocketAddress::Unix(halfway)).ok());
      }
      BOOST_TEST(!exists(halfway));
    });
  }
};

template <class Harness>
void AddListenerCases(Suite& suite) {
  using H = Harness;
  suite.AddAll<
      Nl01_OutOfDescriptorsTheListenerPauses<H>,
      Nl01_EveryExhaustionPausesAndEnds<H>,
      Nl02_AnErrorOfOneClientIsNoneOfTheListener<H>,
      Nl02_AFatalErrorDisablesThatSocketOnly<H>,
      Nl03_AClientIsHandedOverOnceOrClosed<H>,
      Nl04_WithoutClientFunctionNoneIsCalled<H>,
      Nl05_TheListenerMayEndInItsClientFunction<H>,
      Nl06_ClientsAreClosedOnExecAndNeverBlock<H>, Nl09_AcceptsTakeTurns<H>,
      Nl11_EveryAddressHasItsResult<H>, Nl11_AdoptedSocketsAreChecked<H>,
      Nl12_PortZeroIsOnePortForAllFamilies<H>, Nl12_ARangeIsTriedOnce<H>,
      Nl13_ALongPathIsRefusedBeforeAnyCall<H>,
      Nl15_BothFamiliesHaveTheirSocket<H>, Nl16_RearmingKeepsTheLoop<H>,
      Nl18_DestroyingTheListenerEndsIt<H>,
      Nl19_TheClientFunctionMayCallAnything<H>,
      Nl20_ClientsWaitForTheNextFunction<H>, Nl20_WaitingForOneLosesNoOther<H>,
      Nl21_AStolenClientBlocksNobody<H>, Nl22_OnlyItsOwnPathIsUnlinked<H>>();
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_LISTENER_CASES_H_
