// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/net/dns_resolver.h"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "qio/conformance/channel_cases.h"
#include "qio/conformance/epoll_harness.h"
#include "qio/conformance/loop.h"
#include "qio/net/socket_address.h"

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
