// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/net/socket_address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace {

using qio::AddressUse;
using qio::IpFamily;
using qio::ResolvedAddress;
using qio::ResolveWithoutLookup;
using qio::SocketAddress;

constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kPathOffset = offsetof(sockaddr_un, sun_path);

static_assert(std::is_same_v<SocketAddress::qio_sendable, SocketAddress>);
static_assert(std::is_same_v<ResolvedAddress::qio_sendable, ResolvedAddress>);

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c <= '~'; });
}

// Requires that `text` is refused with a message that holds `piece`.
void CheckRefused(std::string_view text, std::string_view piece) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  BOOST_TEST_CONTEXT("parsing " << text) {
    BOOST_TEST_REQUIRE(!address.ok());
    BOOST_TEST((address.status().code() == absl::StatusCode::kInvalidArgument));
    const std::string message(address.status().message());
    BOOST_TEST(IsPrintable(message));
    BOOST_TEST(message.find(piece) != std::string::npos,
               "'" << message << "' lacks '" << piece << "'");
  }
}

// Requires that `text` is read as `expected`, and printed as `printed`.
void CheckParsed(std::string_view text, const SocketAddress& expected,
                 std::string_view printed) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  BOOST_TEST_CONTEXT("parsing " << text) {
    BOOST_TEST_REQUIRE(address.ok(), address.status().ToString());
    BOOST_TEST((*address == expected));
    BOOST_TEST(address->ToString() == printed);
    absl::StatusOr<SocketAddress> again = SocketAddress::Parse(printed);
    BOOST_TEST_REQUIRE(again.ok(), again.status().ToString());
    BOOST_TEST((*again == expected));
  }
}

void CheckParsed(std::string_view text, const SocketAddress& expected) {
  CheckParsed(text, expected, text);
}

std::vector<std::string> Resolved(const SocketAddress& address,
                                  AddressUse use = AddressUse::kListen) {
  absl::StatusOr<std::vector<ResolvedAddress>> addresses =
      ResolveWithoutLookup(address, use);
  BOOST_TEST_REQUIRE(addresses.ok(), addresses.status().ToString());
  std::vector<std::string> texts;
  for (const ResolvedAddress& one : *addresses) texts.push_back(one.ToString());
  return texts;
}

using Texts = std::vector<std::string>;

ResolvedAddress One(const SocketAddress& address) {
  absl::StatusOr<std::vector<ResolvedAddress>> addresses =
      ResolveWithoutLookup(address, AddressUse::kListen);
  BOOST_TEST_REQUIRE(addresses.ok(), addresses.status().ToString());
  BOOST_TEST_REQUIRE(addresses->size() == 1u);
  return addresses->front();
}

// A unix address of `length` bytes whose path begins with `bytes`.
absl::StatusOr<ResolvedAddress> FromUnix(std::string_view bytes,
                                         std::size_t length) {
  sockaddr_storage storage = {};
  storage.ss_family = AF_UNIX;
  std::memcpy(reinterpret_cast<char*>(&storage) + kPathOffset, bytes.data(),
              bytes.size());
  return ResolvedAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage),
                                       static_cast<socklen_t>(length));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(SocketAddressTest)

BOOST_AUTO_TEST_CASE(ReadsEverySpelling) {
  CheckParsed("localhost:80", SocketAddress::Inet("localhost", 80));
  CheckParsed("a-b.c_d.example.:1", SocketAddress::Inet("a-b.c_d.example.", 1));
  CheckParsed("127.0.0.1:80", SocketAddress::Inet("127.0.0.1", 80));
  CheckParsed("[::1]:80", SocketAddress::Inet("::1", 80));
  CheckParsed("[fe80::1%2]:80", SocketAddress::Inet("fe80::1%2", 80));
  CheckParsed("[fe80::1%eth0.5]:80", SocketAddress::Inet("fe80::1%eth0.5", 80));
  CheckParsed("[::ffff:1.2.3.4]:0", SocketAddress::Inet("::ffff:1.2.3.4", 0));
  CheckParsed(":8080", SocketAddress::Inet("", 8080));
  CheckParsed("*:0", SocketAddress::Inet("", 0), ":0");
  CheckParsed("*:0", SocketAddress::Inet("*", 0), ":0");
  CheckParsed(":65535", SocketAddress::Inet("", 65535));
  CheckParsed("a:00080", SocketAddress::Inet("a", 80), "a:80");
  CheckParsed("unix:/run/x.sock", SocketAddress::Unix("/run/x.sock"));
  CheckParsed("unix:relative/x", SocketAddress::Unix("relative/x"));
  CheckParsed("abstract:name", SocketAddress::Abstract("name"));
}

BOOST_AUTO_TEST_CASE(TellsItsParts) {
  const SocketAddress inet =
      SocketAddress::InetRange("::1", 5, 9, IpFamily::kIpv6);
  BOOST_TEST((inet.kind() == SocketAddress::Kind::kInet));
  BOOST_TEST(inet.host() == "::1");
  BOOST_TEST(inet.port() == 5);
  BOOST_TEST(inet.last_port() == 9);
  BOOST_TEST((inet.family() == IpFamily::kIpv6));
  BOOST_TEST(inet.path() == "");
  BOOST_TEST(inet.abstract_name() == "");
  BOOST_TEST(SocketAddress::Inet("", 7).last_port() == 7);

  const SocketAddress path = SocketAddress::Unix("/x");
  BOOST_TEST((path.kind() == SocketAddress::Kind::kUnix));
  BOOST_TEST(path.path() == "/x");
  BOOST_TEST(path.host() == "");
  BOOST_TEST(path.abstract_name() == "");

  const SocketAddress abstract = SocketAddress::Abstract("x");
  BOOST_TEST((abstract.kind() == SocketAddress::Kind::kAbstract));
  BOOST_TEST(abstract.abstract_name() == "x");
  BOOST_TEST(abstract.path() == "");
}

BOOST_AUTO_TEST_CASE(ComparesEveryPart) {
  const SocketAddress address = SocketAddress::Inet("a", 1);
  BOOST_TEST((address == SocketAddress::Inet("a", 1)));
  BOOST_TEST((address == SocketAddress::InetRange("a", 1, 1)));
  BOOST_TEST((address != SocketAddress::Inet("b", 1)));
  BOOST_TEST((address != SocketAddress::Inet("a", 2)));
  BOOST_TEST((address != SocketAddress::InetRange("a", 1, 2)));
  BOOST_TEST((address != SocketAddress::Inet("a", 1, IpFamily::kIpv4)));
  BOOST_TEST((SocketAddress::Unix("a") != SocketAddress::Abstract("a")));
}

BOOST_AUTO_TEST_CASE(ReadsOptionsAsQemuDoes) {
  const auto with = [](IpFamily family) {
    return SocketAddress::Inet("h", 1, family);
  };
  CheckParsed("h:1,ipv4", with(IpFamily::kIpv4));
  CheckParsed("h:1,ipv6", with(IpFamily::kIpv6));
  CheckParsed("h:1,ipv4=on", with(IpFamily::kIpv4), "h:1,ipv4");
  CheckParsed("h:1,ipv6=on", with(IpFamily::kIpv6), "h:1,ipv6");
  CheckParsed("h:1,ipv4=off", with(IpFamily::kIpv6), "h:1,ipv6");
  CheckParsed("h:1,ipv6=off", with(IpFamily::kIpv4), "h:1,ipv4");
  CheckParsed("h:1,ipv6,ipv4=off", with(IpFamily::kIpv6), "h:1,ipv6");
  CheckParsed("h:1,ipv4=on,ipv6=off", with(IpFamily::kIpv4), "h:1,ipv4");
  CheckParsed("h:1,ipv4,ipv6", with(IpFamily::kAny), "h:1");

  CheckParsed("h:1,to=9", SocketAddress::InetRange("h", 1, 9));
  CheckParsed(":1,to=9,ipv6",
              SocketAddress::InetRange("", 1, 9, IpFamily::kIpv6),
              ":1,ipv6,to=9");
  CheckParsed("h:1,to=1", with(IpFamily::kAny), "h:1");
}

BOOST_AUTO_TEST_CASE(AHostMayBeNamedLikeAPrefix) {
  CheckParsed("tcp:unix:80", SocketAddress::Inet("unix", 80));
  CheckParsed("tcp:abstract:80", SocketAddress::Inet("abstract", 80));
  CheckParsed("tcp:tcp:80", SocketAddress::Inet("tcp", 80));
  CheckParsed("tcp:fd:3", SocketAddress::Inet("fd", 3));
  CheckParsed("tcp:vsock:3", SocketAddress::Inet("vsock", 3));
  CheckParsed("tcp:a:80", SocketAddress::Inet("a", 80), "a:80");
  CheckParsed("tcp::80", SocketAddress::Inet("", 80), ":80");
  CheckParsed("tcp:[::1]:80", SocketAddress::Inet("::1", 80), "[::1]:80");
  CheckParsed("unix2:80", SocketAddress::Inet("unix2", 80));
  CheckParsed("unix:80", SocketAddress::Unix("80"));
  CheckRefused("fd:3", "'tcp:fd:3'");
  CheckRefused("vsock:2:80", "'vsock:'");
}

BOOST_AUTO_TEST_CASE(RefusesWhatIsNoPort) {
  CheckRefused("", "the port is missing");
  CheckRefused("localhost", "the port is missing after 'localhost'");
  CheckRefused("localhost:", "the port is missing");
  CheckRefused("[::1]", "the port is missing after '[::1]'");
  CheckRefused("tcp:80", "the port is missing");
  CheckRefused("h:http", "port 'http' is not a decimal number");
  CheckRefused("h:-1", "port '-1'");
  CheckRefused("h:+1", "port '+1'");
  CheckRefused("h: 1", "port ' 1'");
  CheckRefused("h:1 ", "port '1 '");
  CheckRefused("h:0x50", "port '0x50'");
  CheckRefused(std::string_view("h:8\0", 4), "port '8%00'");
}

BOOST_AUTO_TEST_CASE(Nl12_NoPortWrapsAround) {
  CheckRefused("h:65536", "port '65536' is above 65535");
  CheckRefused("h:4294967376", "port '4294967376' is above 65535");
  CheckRefused("h:18446744073709551696", "is above 65535");
  CheckRefused("h:1,to=65536", "in option 'to=65536', port '65536' is above");
  for (const int port : {-1, 65536, 65616, -65456}) {
    const SocketAddress address = SocketAddress::Inet("h", port);
    BOOST_TEST(address.port() == port);
    BOOST_TEST(!address.Check().ok());
    BOOST_TEST(!SocketAddress::InetRange("h", 1, port).Check().ok());
    BOOST_TEST(!ResolveWithoutLookup(SocketAddress::Inet("", port),
                                     AddressUse::kListen)
                    .ok());
  }
  int tried = 0;
  const SocketAddress range = SocketAddress::InetRange("", 65530, 65535);
  for (int port = range.port(); port <= range.last_port(); ++port) ++tried;
  BOOST_TEST(tried == 6);
}

BOOST_AUTO_TEST_CASE(Nl12_RefusesRangesThatAreNone) {
  CheckRefused("h:9,to=8", "the last port of the range, 8, is below");
  CheckRefused("h:0,to=8", "a range cannot begin at port 0");
  CheckRefused("h:9,to=0", "is below");
  CheckRefused("h:9,to", "the port is missing");
  CheckRefused("h:9,to=", "the port is missing");
  CheckRefused("h:9,to=x", "port 'x'");
  CheckRefused("h:9,to=10,to=11", "'to' is given twice");
}

BOOST_AUTO_TEST_CASE(RefusesUnknownOptions) {
  CheckRefused("h:1,", "option '' is none of ipv4, ipv6 and to=PORT");
  CheckRefused("h:1,,ipv4", "option ''");
  CheckRefused("h:1,keep-alive", "option 'keep-alive'");
  CheckRefused("h:1,ipv4=yes", "option 'ipv4=yes' is neither on nor off");
  CheckRefused("h:1,ipv4=", "option 'ipv4='");
  CheckRefused("h:1,ipv44", "option 'ipv44'");
  CheckRefused("h:1,IPv4", "option 'IPv4'");
  CheckRefused("h:1,ipv4,ipv4", "'ipv4' is given twice");
  CheckRefused("h:1,ipv6,ipv6=off", "'ipv6' is given twice");
  CheckRefused("h:1,ipv4=off,ipv6=off", "cannot both be off");
}

BOOST_AUTO_TEST_CASE(RefusesWhatIsNoHost) {
  CheckRefused("::1:80", "stands in brackets");
  CheckRefused("[localhost]:80", "'[localhost]' is not an IPv6 address");
  CheckRefused("[]:80", "'[]'");
  CheckRefused("[::1]x:80", "'[::1]x'");
  CheckRefused("[::1:80", "'[::1'");
  CheckRefused("x[::1]:80", "'x[::1]'");
  CheckRefused("[[::1]]:80", "'[::1]' is not an IPv6 address");
  CheckRefused("[::g]:80", "'::g' is not an IPv6 address");
  CheckRefused("[1:2:3:4:5:6:7:8:9]:80", "is not an IPv6 address");
  CheckRefused(std::string_view("[::1\0]:80", 9), "is not an IPv6 address");
  CheckRefused("[fe80::1%]:80", "scope ''");
  CheckRefused("[fe80::1%4294967296]:80", "scope '4294967296'");
  CheckRefused("[fe80::1%a/b]:80", "scope 'a/b'");
  CheckRefused("[fe80::1%sixteen-bytes-xx]:80", "scope 'sixteen-bytes-xx'");
  CheckRefused("a b:80", "host 'a b' holds ' '");
  CheckRefused("a%62:80", "holds '%'");
  CheckRefused("a/b:80", "holds '/'");
  CheckRefused("user@h:80", "holds '@'");
  CheckRefused("**:80", "holds '*'");
  CheckRefused(
      "b\xc3\xbc"
      "cher.example:80",
      "holds '%C3'");
  CheckRefused(std::string_view("127.0.0.1\0.evil:80", 18), "holds '%00'");
  CheckRefused(std::string_view("a\0b:80", 6), "holds '%00'");
  CheckRefused("a..b:80", "between 1 and 63");
  CheckRefused(".:80", "between 1 and 63");
  CheckRefused(".a:80", "between 1 and 63");
  CheckRefused("127.0.0.1:80,ipv6", "is an IPv4 address, where only IPv6");
  CheckRefused("[::1]:80,ipv4", "is an IPv6 address, where only IPv4");
  CheckRefused("[fe80::1%eth0]:80,ipv4", "where only IPv4");
  CheckRefused("[::1]:80,ipv6=off", "where only IPv4");
}

// getaddrinfo() would take each of them for an address: a filter that compares
// texts would not.
BOOST_AUTO_TEST_CASE(RefusesIpv4AddressesInDisguise) {
  for (const char* host :
       {"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.01",
        "1.2.3.4.5", "256.0.0.1", "1.2.3.4.", "0X7F.1", "a.5", "0x"}) {
    CheckRefused(std::string(host) + ":80", "is neither a name nor an IPv4");
  }
  CheckParsed("a.b5:80", SocketAddress::Inet("a.b5", 80));
  CheckParsed("5.b:80", SocketAddress::Inet("5.b", 80));
}

BOOST_AUTO_TEST_CASE(Ch20_RefusesOverlongNames) {
  const std::string label(63, 'a');
  const std::string name =
      label + "." + label + "." + label + "." + std::string(61, 'a');
  BOOST_TEST_REQUIRE(name.size() == 253u);
  CheckParsed(name + ":80", SocketAddress::Inet(name, 80));
  CheckRefused(name + "a:80", "has 254 bytes");
  CheckRefused(label + "a:80", "between 1 and 63");
  CheckRefused(std::string(100'000, 'a') + ":80", "has 100000 bytes");
}

BOOST_AUTO_TEST_CASE(MessagesAreNotEndless) {
  absl::StatusOr<SocketAddress> address =
      SocketAddress::Parse("unix:" + std::string(100'000, '\1'));
  BOOST_TEST(address.status().message().size() < 1'500u);
}

BOOST_AUTO_TEST_CASE(Nl13_RefusesPathsThatDoNotFit) {
  CheckParsed("unix:" + std::string(kPathMax, 'p'),
              SocketAddress::Unix(std::string(kPathMax, 'p')));
  CheckRefused("unix:" + std::string(kPathMax + 1, 'p'),
               "has 108 bytes, at most 107 are possible");
  CheckRefused("unix:", "unix socket path is missing");
  CheckRefused("unix:/a%00b", "unix socket path '/a%00b' holds a NUL byte");
  CheckRefused(std::string_view("unix:\0x", 7), "holds a NUL byte");
  CheckParsed("abstract:" + std::string(kPathMax, 'p'),
              SocketAddress::Abstract(std::string(kPathMax, 'p')));
  CheckRefused("abstract:" + std::string(kPathMax + 1, 'p'),
               "abstract name 'ppp");
  CheckRefused("abstract:", "abstract name is missing");

  for (const AddressUse use : {AddressUse::kListen, AddressUse::kConnect}) {
    for (const std::string& path :
         {std::string(), std::string(kPathMax + 1, 'p'), std::string(1, '\0'),
          std::string("a\0b", 3)}) {
      absl::StatusOr<std::vector<ResolvedAddress>> addresses =
          ResolveWithoutLookup(SocketAddress::Unix(path), use);
      BOOST_TEST(
          (addresses.status().code() == absl::StatusCode::kInvalidArgument));
    }
  }
}

BOOST_AUTO_TEST_CASE(EscapesWhatDoesNotPrint) {
  CheckParsed("unix:/a b,c:d=e", SocketAddress::Unix("/a b,c:d=e"));
  CheckParsed("unix:/100%25", SocketAddress::Unix("/100%"));
  CheckParsed("unix:/%41%2f%2F", SocketAddress::Unix("/A//"), "unix:/A//");
  CheckParsed("unix:/b\xc3\xbc\n", SocketAddress::Unix("/b\xc3\xbc\n"),
              "unix:/b%C3%BC%0A");
  CheckParsed("abstract:a%00b%FF",
              SocketAddress::Abstract(std::string("a\0b\xff", 4)));
  CheckParsed(std::string_view("abstract:\0", 10),
              SocketAddress::Abstract(std::string(1, '\0')), "abstract:%00");
  CheckRefused("unix:/100%", "'%' is not a byte");
  CheckRefused("unix:/%4", "'%4' is not a byte");
  CheckRefused("unix:/%4g/", "'%4g' is not a byte");
  CheckRefused("unix:/%-1", "'%-1' is not a byte");
  CheckRefused("abstract:%", "'%' is not a byte");

  // What does not pass Check() still prints.
  BOOST_TEST(IsPrintable(SocketAddress::Inet("a\nb\xff", -5).ToString()));
}

// A path decides nothing about the abstract namespace, however it begins.
BOOST_AUTO_TEST_CASE(Nl22_AFileNamedLikeAnAbstractSocketIsAFile) {
  CheckParsed("unix:@name", SocketAddress::Unix("@name"));
  const ResolvedAddress file = One(SocketAddress::Unix("@name"));
  BOOST_TEST(!file.is_abstract());
  BOOST_TEST(file.path() == "@name");
  const ResolvedAddress abstract = One(SocketAddress::Abstract("@name"));
  BOOST_TEST(abstract.is_abstract());
  BOOST_TEST(abstract.path() == "");
  BOOST_TEST((file != abstract));
}

BOOST_AUTO_TEST_CASE(EveryValidAddressSurvivesPrinting) {
  std::mt19937 random(20260101);
  const auto below = [&random](std::size_t n) { return random() % n; };
  const std::vector<std::string> hosts = {
      "",     "localhost", "127.0.0.1", "::",  "::1",   "fe80::1%3",
      "unix", "abstract",  "tcp",       "fd",  "vsock", "fe80::1%lo",
      "x.y.", "xn--bcher", "a_b",       "0.b", "-",     "255.255.255.255"};
  int valid = 0;
  for (int i = 0; i < 20'000; ++i) {
    SocketAddress address = SocketAddress::Unix("");
    if (below(2) == 0) {
      const int port = static_cast<int>(below(65'536));
      address = SocketAddress::InetRange(
          hosts[below(hosts.size())], port,
          below(2) == 0 ? port : static_cast<int>(below(65'536)),
          static_cast<IpFamily>(below(3)));
    } else {
      std::string bytes(below(kPathMax + 3), '\0');
      for (char& c : bytes) c = static_cast<char>(below(256));
      address = below(2) == 0 ? SocketAddress::Unix(bytes)
                              : SocketAddress::Abstract(bytes);
    }
    const std::string text = address.ToString();
    BOOST_TEST_REQUIRE(IsPrintable(text));
    absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(text);
    BOOST_TEST_REQUIRE(parsed.ok() == address.Check().ok(), text);
    if (!parsed.ok()) continue;
    ++valid;
    BOOST_TEST_REQUIRE((*parsed == address), text);
    if (parsed->needs_lookup()) continue;
    absl::StatusOr<std::vector<ResolvedAddress>> resolved =
        ResolveWithoutLookup(address, AddressUse::kListen);
    BOOST_TEST_REQUIRE(resolved.ok(), text);
    for (const ResolvedAddress& one : *resolved) {
      BOOST_TEST_REQUIRE(
          (*ResolvedAddress::FromSockaddr(one.data(), one.size()) == one));
      BOOST_TEST_REQUIRE((One(one.ToSocketAddress()) == one), text);
    }
  }
  BOOST_TEST(valid > 5'000);
}

// Whatever is accepted is valid and prints to itself; nothing crashes.
BOOST_AUTO_TEST_CASE(AnyTextIsReadOrRefused) {
  std::mt19937 random(20260102);
  const std::vector<std::string> pieces = {
      "[",         "]",    "::1",  ":",    ",",         "%",     "unix:",
      "abstract:", "to=",  "ipv4", "80",   "127.0.0.1", "65536", "*",
      "a",         "tcp:", ".",    "=off", "%00",       "\xff",  "@",
      "fd",        "ipv6", "%2",   "-",    "h:1,",      "0x"};
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text;
    for (std::size_t n = random() % 7; n > 0; --n) {
      text += pieces[random() % pieces.size()];
    }
    absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    if (!address.ok()) {
      BOOST_TEST_REQUIRE(IsPrintable(std::string(address.status().message())));
      continue;
    }
    ++accepted;
    BOOST_TEST_REQUIRE(address->Check().ok());
    absl::StatusOr<SocketAddress> again =
        SocketAddress::Parse(address->ToString());
    BOOST_TEST_REQUIRE(again.ok(), text);
    BOOST_TEST_REQUIRE((*again == *address), text);
  }
  BOOST_TEST(accepted > 500);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(ResolveWithoutLookupTest)

BOOST_AUTO_TEST_CASE(Ch20_LiteralsNeedNoLookup) {
  BOOST_TEST(Resolved(SocketAddress::Inet("127.0.0.1", 80)) ==
             Texts{"127.0.0.1:80"});
  BOOST_TEST(Resolved(SocketAddress::Inet("0:0::1", 80)) == Texts{"[::1]:80"});
  BOOST_TEST(Resolved(SocketAddress::Inet("fe80::1%2", 80)) ==
             Texts{"[fe80::1%2]:80"});
  BOOST_TEST(Resolved(SocketAddress::Inet("fe80::1%4294967295", 80)) ==
             Texts{"[fe80::1%4294967295]:80"});
  BOOST_TEST(Resolved(SocketAddress::Inet("fe80::1%0", 80)) ==
             Texts{"[fe80::1]:80"});
  BOOST_TEST(Resolved(SocketAddress::Inet("127.0.0.1", 80),
                      AddressUse::kConnect) == Texts{"127.0.0.1:80"});
  BOOST_TEST(Resolved(SocketAddress::Unix("/x")) == Texts{"unix:/x"});
  BOOST_TEST(Resolved(SocketAddress::Abstract("x")) == Texts{"abstract:x"});
}

BOOST_AUTO_TEST_CASE(Nl15_AnyAddressIsOneOfEachFamily) {
  BOOST_TEST(Resolved(SocketAddress::Inet("", 80)) ==
             (Texts{"[::]:80", "0.0.0.0:80"}));
  BOOST_TEST(Resolved(SocketAddress::Inet("", 80, IpFamily::kIpv4)) ==
             Texts{"0.0.0.0:80"});
  BOOST_TEST(Resolved(SocketAddress::Inet("", 80, IpFamily::kIpv6)) ==
             Texts{"[::]:80"});
  BOOST_TEST(Resolved(SocketAddress::InetRange("", 80, 90)) ==
             (Texts{"[::]:80", "0.0.0.0:80"}));
}

BOOST_AUTO_TEST_CASE(NamesAreLeftToALookup) {
  for (const char* host : {"localhost", "unix", "fe80::1%lo"}) {
    const SocketAddress address = SocketAddress::Inet(host, 80);
    BOOST_TEST(address.needs_lookup());
    BOOST_TEST(
        (ResolveWithoutLookup(address, AddressUse::kConnect).status().code() ==
         absl::StatusCode::kFailedPrecondition));
  }
  BOOST_TEST(!SocketAddress::Inet("", 80).needs_lookup());
  BOOST_TEST(!SocketAddress::Inet("::1", 80).needs_lookup());
  BOOST_TEST(!SocketAddress::Inet("1.2.3.4", 80).needs_lookup());
  BOOST_TEST(!SocketAddress::Unix("localhost").needs_lookup());
  BOOST_TEST(!SocketAddress::Abstract("localhost").needs_lookup());
}

BOOST_AUTO_TEST_CASE(RefusesToConnectToWhatOnlyListens) {
  const auto refusal = [](const SocketAddress& address) {
    absl::Status status =
        ResolveWithoutLookup(address, AddressUse::kConnect).status();
    BOOST_TEST((status.code() == absl::StatusCode::kInvalidArgument));
    return std::string(status.message());
  };
  BOOST_TEST(refusal(SocketAddress::Inet("", 80)) ==
             "cannot connect to ':80': it has no host");
  BOOST_TEST(refusal(SocketAddress::Inet("::1", 0)) ==
             "cannot connect to '[::1]:0': its port is 0");
  BOOST_TEST(refusal(SocketAddress::InetRange("::1", 1, 2)) ==
             "cannot connect to '[::1]:1,to=2': it is a range of ports");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(ResolvedAddressTest)

BOOST_AUTO_TEST_CASE(FillsInWhatTheKernelReads) {
  const ResolvedAddress ipv4 = One(SocketAddress::Inet("1.2.3.4", 0x1234));
  BOOST_TEST_REQUIRE(ipv4.size() == sizeof(sockaddr_in));
  sockaddr_in inet;
  std::memcpy(&inet, ipv4.data(), sizeof(inet));
  BOOST_TEST(inet.sin_family == AF_INET);
  BOOST_TEST(inet.sin_port == htons(0x1234));
  BOOST_TEST(inet.sin_addr.s_addr == htonl(0x01020304));

  const ResolvedAddress ipv6 = One(SocketAddress::Inet("fe80::1%7", 80));
  BOOST_TEST_REQUIRE(ipv6.size() == sizeof(sockaddr_in6));
  sockaddr_in6 inet6;
  std::memcpy(&inet6, ipv6.data(), sizeof(inet6));
  BOOST_TEST(inet6.sin6_family == AF_INET6);
  BOOST_TEST(inet6.sin6_port == htons(80));
  BOOST_TEST(inet6.sin6_scope_id == 7u);
  BOOST_TEST(inet6.sin6_addr.s6_addr[0] == 0xfe);
  BOOST_TEST(inet6.sin6_addr.s6_addr[15] == 1);

  const ResolvedAddress path = One(SocketAddress::Unix("/x"));
  BOOST_TEST(path.size() == kPathOffset + 3);
  BOOST_TEST(std::memcmp(path.data()->sa_data, "/x", 3) == 0);
  BOOST_TEST(One(SocketAddress::Unix(std::string(kPathMax, 'p'))).size() ==
             sizeof(sockaddr_un));
}

BOOST_AUTO_TEST_CASE(TellsItsParts) {
  const ResolvedAddress ipv4 = One(SocketAddress::Inet("1.2.3.4", 65535));
  BOOST_TEST(ipv4.family() == AF_INET);
  BOOST_TEST(ipv4.is_inet());
  BOOST_TEST(!ipv4.is_unix());
  BOOST_TEST(!ipv4.is_abstract());
  BOOST_TEST(ipv4.port() == 65535);
  BOOST_TEST(ipv4.path() == "");
  BOOST_TEST(ipv4.abstract_name() == "");

  const ResolvedAddress path = One(SocketAddress::Unix("/x"));
  BOOST_TEST(path.family() == AF_UNIX);
  BOOST_TEST(path.is_unix());
  BOOST_TEST(!path.is_inet());
  BOOST_TEST(!path.is_abstract());
  BOOST_TEST(path.port() == 0);
  BOOST_TEST(path.path() == "/x");
  BOOST_TEST(path.abstract_name() == "");
}

BOOST_AUTO_TEST_CASE(WithPortChangesOnlyThePort) {
  BOOST_TEST(
      One(SocketAddress::Inet("1.2.3.4", 0)).WithPort(65535).ToString() ==
      "1.2.3.4:65535");
  BOOST_TEST(One(SocketAddress::Inet("fe80::1%2", 0)).WithPort(80).ToString() ==
             "[fe80::1%2]:80");
  BOOST_TEST(One(SocketAddress::Unix("/x")).WithPort(80).ToString() ==
             "unix:/x");
}

BOOST_AUTO_TEST_CASE(Nl13_AbstractNamesAreDelimitedByTheirLength) {
  const std::string name("a\0b\0", 4);
  const ResolvedAddress address = One(SocketAddress::Abstract(name));
  BOOST_TEST(address.is_abstract());
  BOOST_TEST(address.is_unix());
  BOOST_TEST(address.size() == kPathOffset + 1 + 4);
  BOOST_TEST(address.abstract_name() == name);
  BOOST_TEST(address.path() == "");
  BOOST_TEST(address.ToString() == "abstract:a%00b%00");
  BOOST_TEST((address.ToSocketAddress() == SocketAddress::Abstract(name)));
  BOOST_TEST((address != One(SocketAddress::Abstract(std::string("a\0b", 3)))));
  BOOST_TEST(One(SocketAddress::Abstract(std::string(kPathMax, '\0'))).size() ==
             sizeof(sockaddr_un));
}

BOOST_AUTO_TEST_CASE(ReadsUnixAddressesOfEveryLength) {
  BOOST_TEST(FromUnix("", kPathOffset)->ToString() == "unix:");
  BOOST_TEST(!FromUnix("", kPathOffset)->is_abstract());
  BOOST_TEST(!FromUnix("", kPathOffset)->ToSocketAddress().Check().ok());
  // The abstract socket whose name has no bytes.
  BOOST_TEST(FromUnix("", kPathOffset + 1)->is_abstract());
  BOOST_TEST(FromUnix("", kPathOffset + 1)->ToString() == "abstract:");

  // A path is the same with its NUL, without it, and with more of them.
  const ResolvedAddress path = One(SocketAddress::Unix("/x"));
  for (const std::size_t bytes : {2u, 3u, 4u, 108u, 109u}) {
    BOOST_TEST((*FromUnix("/x", kPathOffset + bytes) == path));
  }
  const std::string full(kPathMax + 1, 'p');
  for (const std::size_t bytes : {108u, 109u}) {
    absl::StatusOr<ResolvedAddress> address =
        FromUnix(full, kPathOffset + bytes);
    BOOST_TEST_REQUIRE(address.ok());
    BOOST_TEST(address->path() == full);
    BOOST_TEST(address->size() == sizeof(sockaddr_un));
  }
  BOOST_TEST(!FromUnix(full + "p", kPathOffset + 109).ok());
  BOOST_TEST(!FromUnix("/x", kPathOffset + 110).ok());
  BOOST_TEST(FromUnix("", kPathOffset + 108).ok());
  BOOST_TEST(!FromUnix("", kPathOffset + 109).ok());
}

BOOST_AUTO_TEST_CASE(RefusesWrongLengthsAndFamilies) {
  sockaddr_storage storage = {};
  const auto read = [&storage](int family, std::size_t length) {
    storage.ss_family = static_cast<sa_family_t>(family);
    return ResolvedAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage),
                                         static_cast<socklen_t>(length))
        .status();
  };
  BOOST_TEST(read(AF_INET, sizeof(sockaddr_in)).ok());
  BOOST_TEST(read(AF_INET6, sizeof(sockaddr_in6)).ok());
  BOOST_TEST(read(AF_INET, 0).message() ==
             "0 bytes are not the length of a socket's address");
  BOOST_TEST((read(AF_INET, 1).code() == absl::StatusCode::kInvalidArgument));
  BOOST_TEST(read(AF_INET, sizeof(sockaddr_in) - 1).message() ==
             "15 bytes are not the length of an IPv4 address");
  BOOST_TEST(read(AF_INET6, sizeof(sockaddr_in6) - 1).message() ==
             "27 bytes are not the length of an IPv6 address");
  BOOST_TEST((read(AF_UNSPEC, sizeof(storage)).code() ==
              absl::StatusCode::kUnimplemented));
  BOOST_TEST(read(AF_VSOCK, 16).message() ==
             "address family 40 is none of IPv4, IPv6 and unix");
  BOOST_TEST(ResolvedAddress::FromSockaddr(nullptr, 0).status().code() ==
             absl::StatusCode::kInvalidArgument);
}

BOOST_AUTO_TEST_CASE(WhatTellsNothingIsNotCompared) {
  sockaddr_in inet = {};
  inet.sin_family = AF_INET;
  inet.sin_port = htons(80);
  inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memset(inet.sin_zero, 0xaa, sizeof(inet.sin_zero));
  BOOST_TEST((*ResolvedAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&inet),
                                             sizeof(inet)) ==
              One(SocketAddress::Inet("127.0.0.1", 80))));

  sockaddr_in6 inet6 = {};
  inet6.sin6_family = AF_INET6;
  inet6.sin6_port = htons(80);
  inet6.sin6_addr = in6addr_loopback;
  inet6.sin6_flowinfo = htonl(5);
  BOOST_TEST((*ResolvedAddress::FromSockaddr(
                  reinterpret_cast<sockaddr*>(&inet6), sizeof(inet6)) ==
              One(SocketAddress::Inet("::1", 80))));
}

BOOST_AUTO_TEST_CASE(HasATotalOrder) {
  const std::vector<std::string> texts = {
      "1.2.3.4:80",  "1.2.3.4:81",    "1.2.3.5:80", "[::1]:80",
      "[fe80::1]:1", "[fe80::1%2]:1", "unix:a",     "unix:b",
      "unix:ab",     "abstract:a%00", "abstract:a", "abstract:b"};
  std::map<ResolvedAddress, std::string> by_address;
  for (const std::string& text : texts) {
    by_address.emplace(One(*SocketAddress::Parse(text)), text);
  }
  BOOST_TEST(by_address.size() == texts.size());
  for (const auto& [address, text] : by_address) {
    BOOST_TEST(address.ToString() == text);
  }
}

// Against the kernel: what it tells of a socket is what it was given.
BOOST_AUTO_TEST_CASE(AgreesWithGetsockname) {
  const std::string unique = std::to_string(getpid());
  for (const SocketAddress& wanted :
       {SocketAddress::Inet("127.0.0.1", 0),
        SocketAddress::Abstract(std::string("qio\0test", 8) + unique),
        SocketAddress::Abstract(std::string(90, '\xfe') + unique)}) {
    const ResolvedAddress given = One(wanted);
    const int fd = socket(given.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    BOOST_TEST_REQUIRE(fd >= 0);
    BOOST_TEST(bind(fd, given.data(), given.size()) == 0);
    sockaddr_storage storage = {};
    socklen_t length = sizeof(storage);
    BOOST_TEST(
        getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0);
    close(fd);
    absl::StatusOr<ResolvedAddress> told = ResolvedAddress::FromSockaddr(
        reinterpret_cast<sockaddr*>(&storage), length);
    BOOST_TEST_REQUIRE(told.ok());
    BOOST_TEST((told->port() != 0) == told->is_inet());
    BOOST_TEST((told->WithPort(0) == given), told->ToString());
  }

  int pair[2];
  BOOST_TEST_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  sockaddr_storage storage = {};
  socklen_t length = sizeof(storage);
  getpeername(pair[0], reinterpret_cast<sockaddr*>(&storage), &length);
  close(pair[0]);
  close(pair[1]);
  absl::StatusOr<ResolvedAddress> unnamed = ResolvedAddress::FromSockaddr(
      reinterpret_cast<sockaddr*>(&storage), length);
  BOOST_TEST_REQUIRE(unnamed.ok());
  BOOST_TEST(unnamed->ToString() == "unix:");
}

BOOST_AUTO_TEST_SUITE_END()
