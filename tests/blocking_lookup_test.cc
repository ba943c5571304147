// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/net/internal/blocking_lookup.h"

#include <netdb.h>
#include <netinet/in.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "qio/net/socket_address.h"
#include "qio/status.h"

namespace {

using qio::AddressUse;
using qio::BlockingLookup;
using qio::IpFamily;
using qio::LookupErrorCode;
using qio::ResolvedAddress;
using qio::SocketAddress;
using qio::internal_blocking_lookup::CollectAnswers;
using qio::internal_blocking_lookup::Hints;
using qio::internal_blocking_lookup::LookupErrorStatus;

std::vector<std::string> Texts(const std::vector<ResolvedAddress>& addresses) {
  std::vector<std::string> texts;
  for (const ResolvedAddress& address : addresses) {
    texts.push_back(address.ToString());
  }
  return texts;
}

std::vector<std::string> Lookup(const SocketAddress& address, AddressUse use) {
  absl::StatusOr<std::vector<ResolvedAddress>> addresses =
      BlockingLookup(address, use);
  BOOST_TEST_REQUIRE(addresses.ok(), addresses.status().ToString());
  return Texts(*addresses);
}

// Answers as getaddrinfo() gives them, one for each number: 10.0.x.x.
class Answers {
 public:
  explicit Answers(const std::vector<int>& numbers)
      : addresses_(numbers.size()), infos_(numbers.size()) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      addresses_[i].sin_family = AF_INET;
      addresses_[i].sin_addr.s_addr =
          htonl(0x0a000000u + static_cast<std::uint32_t>(numbers[i]));
      infos_[i].ai_addr = reinterpret_cast<sockaddr*>(&addresses_[i]);
      infos_[i].ai_addrlen = sizeof(sockaddr_in);
      if (i > 0) infos_[i - 1].ai_next = &infos_[i];
    }
  }

  addrinfo& operator[](std::size_t i) { return infos_[i]; }
  const addrinfo* get() const { return infos_.data(); }

 private:
  std::vector<sockaddr_in> addresses_;
  std::vector<addrinfo> infos_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(BlockingLookupTest)

BOOST_AUTO_TEST_CASE(Ch20_EveryErrorIsAStatusWithItsCodeAndText) {
  const std::vector<std::pair<int, absl::StatusCode>> errors = {
      {EAI_NONAME, absl::StatusCode::kNotFound},
      {EAI_NODATA, absl::StatusCode::kNotFound},
      {EAI_ADDRFAMILY, absl::StatusCode::kNotFound},
      {EAI_AGAIN, absl::StatusCode::kUnavailable},
      {EAI_FAIL, absl::StatusCode::kInternal},
      {EAI_MEMORY, absl::StatusCode::kResourceExhausted},
      {EAI_FAMILY, absl::StatusCode::kInvalidArgument},
      {EAI_SOCKTYPE, absl::StatusCode::kInvalidArgument},
      {EAI_SERVICE, absl::StatusCode::kInvalidArgument},
      {EAI_BADFLAGS, absl::StatusCode::kInvalidArgument},
      {EAI_OVERFLOW, absl::StatusCode::kInvalidArgument},
      {EAI_IDN_ENCODE, absl::StatusCode::kInvalidArgument},
      {-12345, absl::StatusCode::kUnknown},
  };
  for (const auto& [error, code] : errors) {
    const absl::Status status = LookupErrorStatus(error, EBADF, "a.example");
    BOOST_TEST((status.code() == code));
    BOOST_TEST(LookupErrorCode(status) == error);
    BOOST_TEST(qio::Errno(status) == 0);
    BOOST_TEST(status.message() ==
               std::string("lookup of 'a.example': ") + gai_strerror(error));
  }
}

BOOST_AUTO_TEST_CASE(Ch20_ASystemErrorCarriesItsErrno) {
  const absl::Status status = LookupErrorStatus(EAI_SYSTEM, EMFILE, "a");
  BOOST_TEST((status.code() == absl::StatusCode::kResourceExhausted));
  BOOST_TEST(LookupErrorCode(status) == EAI_SYSTEM);
  BOOST_TEST(qio::Errno(status) == EMFILE);
  BOOST_TEST(status.message() == "lookup of 'a': Too many open files");
}

BOOST_AUTO_TEST_CASE(OtherStatusesCarryNoLookupError) {
  BOOST_TEST(LookupErrorCode(absl::OkStatus()) == 0);
  BOOST_TEST(LookupErrorCode(qio::ErrnoStatus(EBADF, "x")) == 0);
}

BOOST_AUTO_TEST_CASE(Ch20_AnswersAreCapped) {
  std::vector<int> numbers;
  for (int i = 0; i < 1'000; ++i) numbers.push_back(i);
  const Answers answers(numbers);
  const std::vector<ResolvedAddress> addresses =
      CollectAnswers(answers.get(), 80);
  BOOST_TEST(addresses.size() == qio::kLookupAnswersMax);
  BOOST_TEST(addresses.front().ToString() == "10.0.0.0:80");
  BOOST_TEST(addresses.back().ToString() == "10.0.0.63:80");
}

BOOST_AUTO_TEST_CASE(DuplicatesAreDroppedAndTheOrderIsKept) {
  const Answers answers({3, 1, 3, 2, 1});
  BOOST_TEST(
      Texts(CollectAnswers(answers.get(), 7)) ==
      (std::vector<std::string>{"10.0.0.3:7", "10.0.0.1:7", "10.0.0.2:7"}));

  // Duplicates do not count towards the cap.
  std::vector<int> numbers(100, 1);
  numbers.push_back(2);
  BOOST_TEST(CollectAnswers(Answers(numbers).get(), 7).size() == 2u);
}

BOOST_AUTO_TEST_CASE(AnswersThatAreNoIpAddressAreSkipped) {
  Answers answers({1, 2, 3, 4});
  answers[0].ai_addrlen = 3;
  answers[1].ai_addr->sa_family = AF_UNSPEC;
  answers[2].ai_addr->sa_family = AF_UNIX;
  BOOST_TEST(Texts(CollectAnswers(answers.get(), 7)) ==
             std::vector<std::string>{"10.0.0.4:7"});
  BOOST_TEST(CollectAnswers(nullptr, 7).empty());
}

BOOST_AUTO_TEST_CASE(OnlyConnectingAsksForUsableFamilies) {
  const auto flags = [](const char* host, IpFamily family, AddressUse use) {
    return Hints(SocketAddress::Inet(host, 80, family), use).ai_flags;
  };
  using enum AddressUse;
  using enum IpFamily;
  BOOST_TEST(flags("a.example", kAny, kConnect) == AI_ADDRCONFIG);
  BOOST_TEST(flags("localhosts", kAny, kConnect) == AI_ADDRCONFIG);
  BOOST_TEST(flags("a.example", kAny, kListen) == 0);
  BOOST_TEST(flags("a.example", kIpv6, kConnect) == 0);
  BOOST_TEST(flags("localhost", kAny, kConnect) == 0);
  BOOST_TEST(flags("a.LocalHost.", kAny, kConnect) == 0);
}

BOOST_AUTO_TEST_CASE(AsksForTheFamilyThatWasAskedFor) {
  const auto family = [](IpFamily wanted) {
    return Hints(SocketAddress::Inet("a", 80, wanted), AddressUse::kConnect)
        .ai_family;
  };
  BOOST_TEST(family(IpFamily::kAny) == AF_UNSPEC);
  BOOST_TEST(family(IpFamily::kIpv4) == AF_INET);
  BOOST_TEST(family(IpFamily::kIpv6) == AF_INET6);
}

BOOST_AUTO_TEST_CASE(FindsLocalhost) {
  for (const AddressUse use : {AddressUse::kListen, AddressUse::kConnect}) {
    BOOST_TEST(Lookup(SocketAddress::Inet("localhost", 80, IpFamily::kIpv4),
                      use) == std::vector<std::string>{"127.0.0.1:80"});
    for (const std::string& text :
         Lookup(SocketAddress::Inet("localhost", 65535), use)) {
      BOOST_TEST((text == "127.0.0.1:65535" || text == "[::1]:65535"), text);
    }
  }
  // The first port of a range, and port 0.
  BOOST_TEST(
      Lookup(SocketAddress::InetRange("localhost", 5, 9, IpFamily::kIpv4),
             AddressUse::kListen) == std::vector<std::string>{"127.0.0.1:5"});
  BOOST_TEST(Lookup(SocketAddress::Inet("localhost", 0, IpFamily::kIpv4),
                    AddressUse::kListen) ==
             std::vector<std::string>{"127.0.0.1:0"});
}

BOOST_AUTO_TEST_CASE(WhatNeedsNoLookupPassesThrough) {
  BOOST_TEST(Lookup(SocketAddress::Inet("::1", 80), AddressUse::kConnect) ==
             std::vector<std::string>{"[::1]:80"});
  BOOST_TEST(Lookup(SocketAddress::Inet("", 80), AddressUse::kListen) ==
             (std::vector<std::string>{"[::]:80", "0.0.0.0:80"}));
  BOOST_TEST(Lookup(SocketAddress::Unix("/x"), AddressUse::kConnect) ==
             std::vector<std::string>{"unix:/x"});
}

BOOST_AUTO_TEST_CASE(TheScopeOfAnInterfaceIsItsNumber) {
  // Every Linux machine has "lo", as interface 1.
  BOOST_TEST(
      Lookup(SocketAddress::Inet("fe80::1%lo", 80), AddressUse::kListen) ==
      std::vector<std::string>{"[fe80::1%1]:80"});
  BOOST_TEST(LookupErrorCode(
                 BlockingLookup(SocketAddress::Inet("fe80::1%no-such-if", 80),
                                AddressUse::kListen)
                     .status()) == EAI_NONAME);
}

// With a network the answer is EAI_NONAME; without, no server can be asked.
BOOST_AUTO_TEST_CASE(Ch20_AnUnknownNameIsAnError) {
  const absl::Status status =
      BlockingLookup(SocketAddress::Inet("no-such-host.invalid", 80),
                     AddressUse::kConnect)
          .status();
  BOOST_TEST((LookupErrorCode(status) == EAI_NONAME ||
              LookupErrorCode(status) == EAI_AGAIN),
             status.ToString());
  BOOST_TEST(status.message().find("'no-such-host.invalid'") !=
             absl::string_view::npos);
}

BOOST_AUTO_TEST_CASE(Ch20_RefusesWhatNoNameHoldsBeforeAsking) {
  const std::vector<std::string> hosts = {
      std::string("localhost\0.evil.example", 23), std::string("a\0", 2),
      std::string(254, 'a'), "a b", "127.1"};
  for (const std::string& host : hosts) {
    const absl::Status status =
        BlockingLookup(SocketAddress::Inet(host, 80), AddressUse::kConnect)
            .status();
    BOOST_TEST((status.code() == absl::StatusCode::kInvalidArgument));
    BOOST_TEST(LookupErrorCode(status) == 0);
  }
  BOOST_TEST(
      (BlockingLookup(SocketAddress::Inet("localhost", 0), AddressUse::kConnect)
           .status()
           .code() == absl::StatusCode::kInvalidArgument));
}

BOOST_AUTO_TEST_SUITE_END()
