// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/net/dns_resolver.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/channel_cases.h"
#include "qio/conformance/epoll_harness.h"
#include "qio/conformance/loop.h"
#include "qio/conformance/task_cases.h"
#include "qio/net/socket_address.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/task.h"
#include "qio/worker_pool.h"

namespace qio {
namespace {

using Harness = conformance::EpollHarness;
using E = EpollExecutor;
using Loop = conformance::Loop<Harness>;
using Addresses = std::vector<ResolvedAddress>;
using conformance::Must;
using conformance::ResultOf;

// How many threads of qio's there are; a sanitizer has one of its own.
int Threads() {
  int threads = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    threads += name.starts_with("qio-") ? 1 : 0;
  }
  return threads;
}

// A name server that hears questions and answers none, until it is told to.
class SilentServer {
 public:
  SilentServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    BOOST_TEST_REQUIRE(::bind(socket_.get(),
                              reinterpret_cast<sockaddr*>(&address),
                              size) == 0);
    BOOST_TEST_REQUIRE(::getsockname(socket_.get(),
                                     reinterpret_cast<sockaddr*>(&address),
                                     &size) == 0);
    port_ = ntohs(address.sin_port);
  }

  // Makes it the calling thread's only one: resolver(3) keeps them by thread.
  static void UseHere(int port) {
    ::res_init();
    _res.nscount = 1;
    _res.nsaddr_list[0].sin_family = AF_INET;
    _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    _res.nsaddr_list[0].sin_port = htons(static_cast<std::uint16_t>(port));
    _res.retrans = 30;  // Seconds until it asks again.
    _res.retry = 1;
  }

  int port() const { return port_; }

  // Waits for a question.
  bool IsAsked() const {
    pollfd asked{socket_.get(), POLLIN, 0};
    return ::poll(&asked, 1, 30'000) == 1;
  }

  // Says to all that was asked so far that there is no such name (RFC 1035,
  // section 4.1.1).
  void Deny() const {
    std::array<unsigned char, 512> message;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t length = 0;
    while ((length = ::recvfrom(
                socket_.get(), message.data(), message.size(), MSG_DONTWAIT,
                reinterpret_cast<sockaddr*>(&from), &size)) > 3) {
      message[2] |= 0x80;  // QR: a response.
      message[3] = (message[3] & 0xf0) | 0x80 | ns_r_nxdomain;  // RA
      (void)::sendto(socket_.get(), message.data(),
                     static_cast<std::size_t>(length), 0,
                     reinterpret_cast<sockaddr*>(&from), size);
    }
  }

 private:
  OwnedFd socket_;
  int port_ = 0;
};

BOOST_AUTO_TEST_SUITE(DnsResolverTest)

BOOST_AUTO_TEST_CASE(Ch20_LiteralsNeedNoThread) {
  Loop loop;
  const int threads = Threads();
  for (const char* text : {"127.0.0.1:80", "[::1]:80", "unix:/path",
                           "abstract:name", "[fe80::1%1]:80"}) {
    const Addresses found = Must(ResultOf(loop, [&](auto& on) {
      return Resolve(on, *SocketAddress::Parse(text), AddressUse::kConnect);
    }));
    BOOST_TEST_REQUIRE(found.size() == 1);
    BOOST_TEST(found.front().ToString() == text);
  }
  const Addresses any = Must(ResultOf(loop, [&](auto& on) {
    return Resolve(on, *SocketAddress::Parse(":0"), AddressUse::kListen);
  }));
  BOOST_TEST(any.size() == 2);
  BOOST_TEST(Threads() == threads);
}

BOOST_AUTO_TEST_CASE(Ch20_WhatCannotExistIsRefusedWithoutAThread) {
  Loop loop;
  const int threads = Threads();
  for (const SocketAddress& address :
       {SocketAddress::Inet(std::string("a\0b", 3), 80),
        SocketAddress::Inet(std::string(300, 'a'), 80),
        SocketAddress::Inet("host", 70000), SocketAddress::Inet("host", 0)}) {
    const auto found = ResultOf(loop, [&](auto& on) {
      return Resolve(on, address, AddressUse::kConnect);
    });
    BOOST_TEST((found.status().code() == absl::StatusCode::kInvalidArgument));
  }
  // The last one was a name, and could have been looked up.
  BOOST_TEST(Threads() <= threads + 1);
}

BOOST_AUTO_TEST_CASE(Co08_ALookupThatHangsIsCancelledAtOnce) {
  const SilentServer server;
  WorkerPool::Options options = WorkerPool::Options::Dns();
  options.threads_max = 1;
  const auto pool = std::make_shared<WorkerPool>(options);
  Loop loop;
  TaskHandle<E> handle;
  std::optional<absl::Status> outcome;
  loop.Enter([&](OnLoop<E>& on) {
    on.executor().UseWorkers(on, pool, Lane::kDns);
    const absl::Status used =
        RunInLane(on, Lane::kDns, &SilentServer::UseHere, server.port())
            .Wait(on);
    BOOST_TEST_REQUIRE(used.ok());
    handle = Resolve(on, SocketAddress::Inet("nobody.example", 80),
                     AddressUse::kConnect)
                 .Then([&](OnLoop<E>&, absl::StatusOr<Addresses> found) {
                   outcome = found.status();
                 });
  });
  BOOST_TEST_REQUIRE(server.IsAsked());
  loop.Enter([&](OnLoop<E>& on) { BOOST_TEST(handle.Cancel(on)); });
  loop.TurnUntil([&] { return outcome.has_value(); });
  BOOST_TEST(absl::IsCancelled(*outcome));
  // Nobody has answered: the lookup goes on, counted, and named.
  BOOST_TEST(conformance::Outstanding(loop) == 1);
  const std::vector<std::string> names =
      pool->Shutdown(std::chrono::steady_clock::now());
  BOOST_TEST_REQUIRE(names.size() == 1u);
  BOOST_TEST(names[0].find("Resolve") != std::string::npos, names[0]);
  loop.TurnUntil([&] {
    server.Deny();
    return conformance::Outstanding(loop) == 0;
  });
}

BOOST_AUTO_TEST_CASE(NamesAreLookedUpOnTheLaneForDns) {
  // The default workers have nothing to do with it: these take no work.
  Loop loop;
  loop.Enter([](OnLoop<E>& on) {
    (void)on.executor()
        .workers(on, Lane::kDefault)
        .Shutdown(std::chrono::steady_clock::now());
  });
  const Addresses found = Must(ResultOf(loop, [](auto& on) {
    return Resolve(on, SocketAddress::Inet("localhost", 80),
                   AddressUse::kConnect);
  }));
  BOOST_TEST(!found.empty());
  for (const ResolvedAddress& address : found) {
    BOOST_TEST(address.port() == 80);
  }
}

BOOST_AUTO_TEST_CASE(ALookupThatIsNotWantedAnyMoreIsNotWaitedFor) {
  Loop loop;
  std::optional<absl::Status> status;
  loop.Enter([&](OnLoop<E>& on) {
    auto handle =
        Resolve(on, SocketAddress::Inet("localhost", 80), AddressUse::kConnect)
            .Then([&](OnLoop<E>&, absl::StatusOr<Addresses> found) {
              status = found.status();
            });
    BOOST_TEST(handle.Cancel(on));
  });
  loop.TurnUntil([&] { return status.has_value(); });
  BOOST_TEST((status->code() == absl::StatusCode::kCancelled));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
