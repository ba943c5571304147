// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/socket_address.h
//
// SocketAddress is where to listen or connect, as a user writes it; it may
// hold a host name. ResolvedAddress is one address as the kernel takes and
// tells it. Neither opens anything: no function here makes a system call.
//
//   absl::StatusOr<SocketAddress> address = SocketAddress::Parse("[::1]:8080");
//   if (!address.ok()) return address.status();
//   if (!address->needs_lookup()) {
//     auto resolved = ResolveWithoutLookup(*address, AddressUse::kListen);
//   }
//
// A host name is looked up by qio/net/dns_resolver.h, on a worker.
//
// What Parse() reads and ToString() prints:
//
//   host:port          a name or an IPv4 address, and a port from 0 to 65535
//   [address]:port     an IPv6 address, with its scope if any: [fe80::1%2]:80
//   :port  *:port      any address of this machine, to listen on
//   unix:path          a socket in the file system; a relative path stays so
//   abstract:name      a name in Linux's abstract namespace
//   tcp:host:port      same as host:port, for a host that is called "unix"
//
// After a port may follow options, as in QEMU: ",ipv4" and ",ipv6", each also
// "=on" or "=off", limit the family; ",to=PORT" makes it a range of ports,
// tried in order until one is free. A path or a name takes no options: a comma
// is part of it. In both, %XX is the byte with that hexadecimal value, so a
// percent sign is %25; a name may hold any byte, NUL (%00) too.
//
// "unix:@name" is a file called "@name": no path ever means an abstract name.
//
// Affinity:  any thread, all of it; both classes are plain Sendable values.

#ifndef QIO_NET_SOCKET_ADDRESS_H_
#define QIO_NET_SOCKET_ADDRESS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

// Which of the IP families an address may resolve to. kIpv6 is IPv6 only: a
// socket of ours never takes IPv4 through mapped addresses; kAny opens one
// socket for each family instead.
enum class IpFamily { kAny, kIpv4, kIpv6 };

// What an address is resolved for: an empty host, port 0 and a range of ports
// are fine to listen on, and cannot be connected to.
enum class AddressUse { kListen, kConnect };

class SocketAddress {
 public:
  enum class Kind { kInet, kUnix, kAbstract };

  using qio_sendable = SocketAddress;

  // The factories take anything, so that an address can be written where it is
  // used; Check() tells whether it can exist, and resolving asks it.

  // `host` is a name, an IPv4 address, or an IPv6 address without brackets.
  // Empty or "*" is any address. Port 0 lets the kernel choose.
  static SocketAddress Inet(std::string host, int port,
                            IpFamily family = IpFamily::kAny);

  // A range: `port` to `last_port`, both included.
  static SocketAddress InetRange(std::string host, int port, int last_port,
                                 IpFamily family = IpFamily::kAny);

  // A path in the file system, at most 107 bytes.
  static SocketAddress Unix(std::string path);

  // A name in the abstract namespace, without the NUL that the kernel wants
  // before it: at most 107 bytes, any bytes.
  static SocketAddress Abstract(std::string name);

  // SocketAddress::Parse()
  //
  // Reads one of the spellings above. What it returns passes Check().
  //
  // Errors:  kInvalidArgument, a sentence that quotes the offending piece.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);

  // Printable ASCII, whatever the address holds. Parse() gives back an equal
  // address if this one passes Check().
  std::string ToString() const;

  // Whether such an address can exist. Says nothing about whether anybody has
  // it, and does not look it up.
  Status Check() const;

  // Check(), and whether the address serves this purpose.
  Status CheckFor(AddressUse use) const;

  // True for a host name, and for an IPv6 address whose scope is an
  // interface's name ("fe80::1%eth0"). All else resolves on the spot.
  bool needs_lookup() const;

  Kind kind() const { return kind_; }

  // Each is empty for an address of another kind. A view of this object.
  std::string_view host() const { return TextOf(Kind::kInet); }
  std::string_view path() const { return TextOf(Kind::kUnix); }
  std::string_view abstract_name() const { return TextOf(Kind::kAbstract); }

  // The ports of an inet address, equal if it is not a range. Wider than a
  // port, so that a loop from one to the other ends at 65535 too.
  int port() const { return port_; }
  int last_port() const { return last_port_; }

  IpFamily family() const { return family_; }

  // Compares what was written: "localhost" and "127.0.0.1" differ.
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;

 private:
  SocketAddress(Kind kind, std::string text)
      : kind_(kind), text_(std::move(text)) {}

  std::string_view TextOf(Kind kind) const {
    return kind_ == kind ? std::string_view(text_) : std::string_view();
  }

  Kind kind_;
  IpFamily family_ = IpFamily::kAny;
  int port_ = 0;
  int last_port_ = 0;
  std::string text_;  // host, path or name
};

// One address of a socket: IPv4 or IPv6 with a port, or a unix socket's path,
// abstract name, or absence of either. Trivially copyable.
class ResolvedAddress {
 public:
  using qio_sendable = ResolvedAddress;

  // ResolvedAddress::FromSockaddr()
  //
  // Takes what getsockname(), getpeername(), accept4() or getaddrinfo() filled
  // in. The length counts: it is all that tells one abstract name from another.
  //
  // Errors:  kInvalidArgument if `length` does not fit the family;
  //          kUnimplemented for a family that is neither IP nor unix.
  static absl::StatusOr<ResolvedAddress> FromSockaddr(const sockaddr* address,
                                                      socklen_t length);

  // What bind() and connect() take.
  const sockaddr* data() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  socklen_t size() const { return size_; }

  int family() const { return storage_.ss_family; }
  bool is_inet() const { return family() == AF_INET || family() == AF_INET6; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_abstract() const;

  // The path of a unix socket that has one, else empty: what may be unlinked.
  std::string path() const;

  // The abstract name without its leading NUL; empty for any other address.
  std::string abstract_name() const;

  // The port of an IP address, else 0.
  std::uint16_t port() const;

  // The same IP address with another port; a unix address unchanged.
  ResolvedAddress WithPort(std::uint16_t port) const;

  // "127.0.0.1:80", "[fe80::1%2]:80", "unix:/path", "abstract:name", or
  // "unix:" for a socket without a name. Printable ASCII.
  std::string ToString() const;

  // The same place, as a user would write it. It passes Check(), unless the
  // socket has no name, or a path that leaves no room for a NUL.
  SocketAddress ToSocketAddress() const;

  friend bool operator==(const ResolvedAddress& a, const ResolvedAddress& b) {
    return (a <=> b) == 0;
  }

  // A total order without meaning, for maps.
  friend std::strong_ordering operator<=>(const ResolvedAddress& a,
                                          const ResolvedAddress& b) {
    if (a.size_ != b.size_) return a.size_ <=> b.size_;
    return std::memcmp(&a.storage_, &b.storage_, a.size_) <=> 0;
  }

 private:
  ResolvedAddress() = default;

  template <class Sockaddr>
  Sockaddr As() const;
  template <class Sockaddr>
  static ResolvedAddress Of(const Sockaddr& address);

  // What follows the family in a unix address: a path or, after a NUL, a name.
  std::string_view UnixBytes() const;

  // Bytes that tell nothing (sin_zero, the flow label, all that is beyond
  // size_) are zero, so that equal addresses have equal bytes.
  sockaddr_storage storage_ = {};
  socklen_t size_ = 0;
};

// ResolveWithoutLookup()
//
// The addresses that `address` stands for, in the order to try them; those of
// a range have its first port. Any address of both families is [::], then
// 0.0.0.0: whoever binds them sets IPV6_V6ONLY, or they exclude each other.
//
// Errors:  CheckFor(use); kFailedPrecondition if it needs_lookup().
inline absl::StatusOr<std::vector<ResolvedAddress>> ResolveWithoutLookup(
    const SocketAddress& address, AddressUse use);

// ---------------------------------------------------------------------------

namespace internal_socket_address {

inline constexpr int kPortMax = 65535;
inline constexpr std::size_t kHostBytesMax = 253;  // of a DNS name, RFC 1035
inline constexpr std::size_t kLabelBytesMax = 63;
inline constexpr std::size_t kInterfaceBytesMax = 15;  // IFNAMSIZ - 1
inline constexpr std::size_t kUnixBytesMax = sizeof(sockaddr_un::sun_path) - 1;
inline constexpr std::size_t kUnixOffset = offsetof(sockaddr_un, sun_path);

// Independent of the locale, unlike <cctype>.
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
inline bool IsNameByte(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         c == '-' || c == '_' || c == '.';
}

// `text` in printable ASCII. `escape` is a printable byte to write as %XX too,
// so that Unescape() can undo it.
inline std::string Escape(std::string_view text, char escape) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != escape) {
      escaped += c;
      continue;
    }
    const unsigned char byte = static_cast<unsigned char>(c);
    escaped += '%';
    escaped += kDigits[byte >> 4];
    escaped += kDigits[byte & 15];
  }
  return escaped;
}

// A piece of an address for an error message: printable, and not endless.
inline std::string Quoted(std::string_view text) {
  static constexpr std::size_t kBytesMax = 128;
  if (text.size() <= kBytesMax) return "'" + Escape(text, '\0') + "'";
  return "'" + Escape(text.substr(0, kBytesMax), '\0') + "...'";
}

inline absl::StatusOr<std::string> Unescape(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    if (text[0] != '%') {
      bytes += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 3 || !IsHexDigit(text[1]) || !IsHexDigit(text[2])) {
      return absl::InvalidArgumentError(
          Quoted(text.substr(0, 3)) +
          " is not a byte: after % come two hexadecimal digits, and a percent "
          "sign is %25");
    }
    unsigned int byte = 0;
    std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
    bytes += static_cast<char>(byte);
    text.remove_prefix(3);
  }
  return bytes;
}

// Digits only, so that no sign, space or service name slips through.
inline absl::StatusOr<int> ParsePort(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("the port is missing");
  if (!std::all_of(text.begin(), text.end(), IsDigit)) {
    return absl::InvalidArgumentError("port " + Quoted(text) +
                                      " is not a decimal number");
  }
  int port = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || port > kPortMax) {
    return absl::InvalidArgumentError("port " + Quoted(text) +
                                      " is above 65535");
  }
  return port;
}

// What the host of an inet address turned out to be.
struct Host {
  enum class Kind { kAny, kIpv4, kIpv6, kName };
  Kind kind = Kind::kAny;
  in_addr ipv4 = {};
  in6_addr ipv6 = {};
  std::uint32_t scope = 0;
  bool scope_is_name = false;

  bool needs_lookup() const { return kind == Kind::kName || scope_is_name; }
};

inline absl::StatusOr<Host> ReadIpv6(std::string_view text) {
  Host host;
  host.kind = Host::Kind::kIpv6;
  const std::size_t percent = text.find('%');
  const std::string address(text.substr(0, percent));
  if (address.find('\0') != std::string::npos ||
      inet_pton(AF_INET6, address.c_str(), &host.ipv6) != 1) {
    return absl::InvalidArgumentError(Quoted(address) +
                                      " is not an IPv6 address");
  }
  if (percent == std::string_view::npos) return host;

  const std::string_view scope = text.substr(percent + 1);
  const auto [end, error] =
      std::from_chars(scope.data(), scope.data() + scope.size(), host.scope);
  if (error == std::errc() && end == scope.data() + scope.size()) return host;
  host.scope = 0;
  host.scope_is_name = true;
  // A number that got here, or an empty scope, is all digits.
  if (std::all_of(scope.begin(), scope.end(), IsDigit) ||
      scope.size() > kInterfaceBytesMax ||
      !std::all_of(scope.begin(), scope.end(), IsNameByte)) {
    return absl::InvalidArgumentError(
        "scope " + Quoted(scope) +
        " is neither the number nor the name of a network interface");
  }
  return host;
}

// True for what the C library, but nobody else, takes for an IPv4 address:
// "127.1", "2130706433", "0x7f000001". No DNS name ends so.
inline bool EndsInNumber(std::string_view name) {
  name.remove_prefix(name.rfind('.') + 1);  // npos + 1 is 0
  if (name.starts_with("0x") || name.starts_with("0X")) {
    name.remove_prefix(2);
    return std::all_of(name.begin(), name.end(), IsHexDigit);
  }
  return std::all_of(name.begin(), name.end(), IsDigit);
}

inline absl::Status CheckName(std::string_view name) {
  if (name.size() > kHostBytesMax) {
    return absl::InvalidArgumentError("host name " + Quoted(name) + " has " +
                                      std::to_string(name.size()) +
                                      " bytes, at most 253 are possible");
  }
  const auto bad = std::find_if_not(name.begin(), name.end(), IsNameByte);
  if (bad != name.end()) {
    return absl::InvalidArgumentError(
        "host " + Quoted(name) + " holds " + Quoted({&*bad, 1}) +
        ": a host name is made of letters, digits, '-', '_' and '.' (and an "
        "international one has an xn-- form)");
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    if (end == start || end - start > kLabelBytesMax) {
      return absl::InvalidArgumentError(
          "host name " + Quoted(name) +
          " has a part that is not between 1 and 63 bytes long");
    }
    start = end + 1;
  }
  if (EndsInNumber(name)) {
    return absl::InvalidArgumentError(
        "host " + Quoted(name) +
        " is neither a name nor an IPv4 address of four decimal numbers");
  }
  return absl::OkStatus();
}

inline absl::StatusOr<Host> ReadHost(std::string_view text) {
  Host host;
  if (text.empty()) return host;
  if (text.find(':') != std::string_view::npos) return ReadIpv6(text);
  // inet_pton() stops at a NUL; CheckName() refuses one.
  const std::string address(text);
  if (address.find('\0') == std::string::npos &&
      inet_pton(AF_INET, address.c_str(), &host.ipv4) == 1) {
    host.kind = Host::Kind::kIpv4;
    return host;
  }
  host.kind = Host::Kind::kName;
  if (absl::Status status = CheckName(text); !status.ok()) return status;
  return host;
}

// Words before a colon that mean more than a host of that name. The last two
// are QEMU's: refused rather than taken for hosts.
inline bool IsPrefix(std::string_view word) {
  return word == "unix" || word == "abstract" || word == "tcp" ||
         word == "fd" || word == "vsock";
}

// The options of an inet address, each unset until it is met.
struct InetOptions {
  std::optional<bool> ipv4;
  std::optional<bool> ipv6;
  std::optional<int> last_port;
};

inline absl::Status ParseOption(std::string_view option, InetOptions& options) {
  const std::size_t equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const bool has_value = equals != std::string_view::npos;
  const std::string_view value =
      has_value ? option.substr(equals + 1) : std::string_view();

  if (name == "to") {
    if (options.last_port) {
      return absl::InvalidArgumentError("option 'to' is given twice");
    }
    absl::StatusOr<int> port = ParsePort(value);
    if (!port.ok()) {
      return absl::InvalidArgumentError("in option " + Quoted(option) + ", " +
                                        std::string(port.status().message()));
    }
    options.last_port = *port;
    return absl::OkStatus();
  }
  if (name != "ipv4" && name != "ipv6") {
    return absl::InvalidArgumentError("option " + Quoted(option) +
                                      " is none of ipv4, ipv6 and to=PORT");
  }
  if (has_value && value != "on" && value != "off") {
    return absl::InvalidArgumentError("option " + Quoted(option) +
                                      " is neither on nor off");
  }
  std::optional<bool>& flag = name == "ipv4" ? options.ipv4 : options.ipv6;
  if (flag) {
    return absl::InvalidArgumentError("option " + Quoted(name) +
                                      " is given twice");
  }
  flag = value != "off";
  return absl::OkStatus();
}

// As QEMU reads them: one that is on excludes the other unless that is on too,
// one that is off leaves the other.
inline absl::StatusOr<IpFamily> FamilyOf(const InetOptions& options) {
  const bool ipv4_off = options.ipv4 == false;
  const bool ipv6_off = options.ipv6 == false;
  if (ipv4_off && ipv6_off) {
    return absl::InvalidArgumentError("ipv4 and ipv6 cannot both be off");
  }
  if (options.ipv4 == options.ipv6) return IpFamily::kAny;
  return ipv4_off || (options.ipv6 == true) ? IpFamily::kIpv6 : IpFamily::kIpv4;
}

inline absl::StatusOr<SocketAddress> ParseInet(std::string_view text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::string_view place = text.substr(0, comma);
  text.remove_prefix(comma);

  const std::size_t colon = place.rfind(':');
  // The colon that ends the host is the last one, unless that is inside the
  // brackets: then there is no port.
  if (colon == std::string_view::npos ||
      place.find(']', colon) != std::string_view::npos) {
    return absl::InvalidArgumentError("the port is missing after " +
                                      Quoted(place));
  }
  std::string_view host = place.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.find(':') == std::string_view::npos) {
      return absl::InvalidArgumentError(Quoted(host) +
                                        " is not an IPv6 address in brackets");
    }
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "host " + Quoted(host) +
        " has a colon: an IPv6 address stands in brackets, as in [::1]:80");
  }
  absl::StatusOr<int> port = ParsePort(place.substr(colon + 1));
  if (!port.ok()) return port.status();

  InetOptions options;
  while (!text.empty()) {
    text.remove_prefix(1);  // the comma
    const std::size_t end = std::min(text.find(','), text.size());
    absl::Status status = ParseOption(text.substr(0, end), options);
    if (!status.ok()) return status;
    text.remove_prefix(end);
  }
  absl::StatusOr<IpFamily> family = FamilyOf(options);
  if (!family.ok()) return family.status();
  return SocketAddress::InetRange(std::string(host), *port,
                                  options.last_port.value_or(*port), *family);
}

inline absl::StatusOr<SocketAddress> ParseAny(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !IsPrefix(text.substr(0, colon))) {
    return ParseInet(text);
  }
  const std::string_view prefix = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 1);
  if (prefix == "tcp") return ParseInet(rest);
  if (prefix != "unix" && prefix != "abstract") {
    return absl::InvalidArgumentError(
        Quoted(text.substr(0, colon + 1)) +
        " addresses are not supported, and a host of that name is written " +
        Quoted("tcp:" + std::string(text)));
  }
  absl::StatusOr<std::string> bytes = Unescape(rest);
  if (!bytes.ok()) return bytes.status();
  return prefix == "unix" ? SocketAddress::Unix(*std::move(bytes))
                          : SocketAddress::Abstract(*std::move(bytes));
}

inline absl::Status CheckUnix(std::string_view what, std::string_view bytes) {
  if (bytes.empty()) {
    return absl::InvalidArgumentError("the " + std::string(what) +
                                      " is missing");
  }
  if (bytes.size() > kUnixBytesMax) {
    return absl::InvalidArgumentError(
        std::string(what) + " " + Quoted(bytes) + " has " +
        std::to_string(bytes.size()) + " bytes, at most " +
        std::to_string(kUnixBytesMax) + " are possible");
  }
  return absl::OkStatus();
}

inline absl::Status CheckInet(const SocketAddress& address) {
  for (const int port : {address.port(), address.last_port()}) {
    if (port < 0 || port > kPortMax) {
      return absl::InvalidArgumentError("port " + std::to_string(port) +
                                        " is not between 0 and 65535");
    }
  }
  if (address.last_port() != address.port()) {
    if (address.port() == 0) {
      return absl::InvalidArgumentError("a range cannot begin at port 0");
    }
    if (address.last_port() < address.port()) {
      return absl::InvalidArgumentError(
          "the last port of the range, " + std::to_string(address.last_port()) +
          ", is below the first, " + std::to_string(address.port()));
    }
  }
  absl::StatusOr<Host> host = ReadHost(address.host());
  if (!host.ok()) return host.status();
  if (host->kind == Host::Kind::kIpv4 && address.family() == IpFamily::kIpv6) {
    return absl::InvalidArgumentError("host " + Quoted(address.host()) +
                                      " is an IPv4 address, where only IPv6 "
                                      "is allowed");
  }
  if (host->kind == Host::Kind::kIpv6 && address.family() == IpFamily::kIpv4) {
    return absl::InvalidArgumentError("host " + Quoted(address.host()) +
                                      " is an IPv6 address, where only IPv4 "
                                      "is allowed");
  }
  return absl::OkStatus();
}

// Addresses are assembled as the kernel would tell them, and go through the
// one function that reads those.
inline ResolvedAddress Ipv4Address(in_addr address, int port) {
  sockaddr_in inet = {};
  inet.sin_family = AF_INET;
  inet.sin_port = htons(static_cast<std::uint16_t>(port));
  inet.sin_addr = address;
  return *ResolvedAddress::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&inet), sizeof(inet));
}

inline ResolvedAddress Ipv6Address(const in6_addr& address, std::uint32_t scope,
                                   int port) {
  sockaddr_in6 inet6 = {};
  inet6.sin6_family = AF_INET6;
  inet6.sin6_port = htons(static_cast<std::uint16_t>(port));
  inet6.sin6_addr = address;
  inet6.sin6_scope_id = scope;
  return *ResolvedAddress::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&inet6), sizeof(inet6));
}

// `bytes` is a path, or a NUL and an abstract name; it is known to fit.
inline ResolvedAddress UnixAddress(std::string_view bytes) {
  sockaddr_un unix_address = {};
  unix_address.sun_family = AF_UNIX;
  std::memcpy(unix_address.sun_path, bytes.data(), bytes.size());
  return *ResolvedAddress::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&unix_address),
      static_cast<socklen_t>(kUnixOffset + bytes.size()));
}

inline absl::StatusOr<std::vector<ResolvedAddress>> ResolveInet(
    const SocketAddress& address) {
  absl::StatusOr<Host> host = ReadHost(address.host());
  if (!host.ok()) return host.status();
  if (host->needs_lookup()) {
    return absl::FailedPreconditionError("host " + Quoted(address.host()) +
                                         " must be looked up");
  }
  // Where no host was given, those in Host are in6addr_any and INADDR_ANY.
  const bool any = host->kind == Host::Kind::kAny;
  std::vector<ResolvedAddress> resolved;
  if (host->kind == Host::Kind::kIpv6 ||
      (any && address.family() != IpFamily::kIpv4)) {
    resolved.push_back(Ipv6Address(host->ipv6, host->scope, address.port()));
  }
  if (host->kind == Host::Kind::kIpv4 ||
      (any && address.family() != IpFamily::kIpv6)) {
    resolved.push_back(Ipv4Address(host->ipv4, address.port()));
  }
  return resolved;
}

}  // namespace internal_socket_address

inline SocketAddress SocketAddress::Inet(std::string host, int port,
                                         IpFamily family) {
  return InetRange(std::move(host), port, port, family);
}

inline SocketAddress SocketAddress::InetRange(std::string host, int port,
                                              int last_port, IpFamily family) {
  if (host == "*") host.clear();
  SocketAddress address(Kind::kInet, std::move(host));
  address.port_ = port;
  address.last_port_ = last_port;
  address.family_ = family;
  return address;
}

inline SocketAddress SocketAddress::Unix(std::string path) {
  return SocketAddress(Kind::kUnix, std::move(path));
}

inline SocketAddress SocketAddress::Abstract(std::string name) {
  return SocketAddress(Kind::kAbstract, std::move(name));
}

inline absl::StatusOr<SocketAddress> SocketAddress::Parse(
    std::string_view text) {
  absl::StatusOr<SocketAddress> address =
      internal_socket_address::ParseAny(text);
  absl::Status status = address.status();
  if (status.ok()) status = address->Check();
  if (status.ok()) return address;
  return absl::InvalidArgumentError(
      internal_socket_address::Quoted(text) +
      " is not a socket address: " + std::string(status.message()));
}

inline std::string SocketAddress::ToString() const {
  using internal_socket_address::Escape;
  if (kind_ == Kind::kUnix) return "unix:" + Escape(text_, '%');
  if (kind_ == Kind::kAbstract) return "abstract:" + Escape(text_, '%');

  std::string text = internal_socket_address::IsPrefix(text_) ? "tcp:" : "";
  const std::string host = Escape(text_, '\0');
  const bool is_ipv6 = host.find(':') != std::string::npos;
  text += is_ipv6 ? "[" + host + "]" : host;
  text += ":" + std::to_string(port_);
  if (family_ == IpFamily::kIpv4) text += ",ipv4";
  if (family_ == IpFamily::kIpv6) text += ",ipv6";
  if (last_port_ != port_) text += ",to=" + std::to_string(last_port_);
  return text;
}

inline Status SocketAddress::Check() const {
  switch (kind_) {
    case Kind::kInet:
      return internal_socket_address::CheckInet(*this);
    case Kind::kAbstract:
      return internal_socket_address::CheckUnix("abstract name", text_);
    case Kind::kUnix:
      break;
  }
  if (text_.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("unix socket path " +
                                      internal_socket_address::Quoted(text_) +
                                      " holds a NUL byte");
  }
  return internal_socket_address::CheckUnix("unix socket path", text_);
}

inline Status SocketAddress::CheckFor(AddressUse use) const {
  absl::Status status = Check();
  if (!status.ok() || use == AddressUse::kListen || kind_ != Kind::kInet) {
    return status;
  }
  const std::string who =
      "cannot connect to " + internal_socket_address::Quoted(ToString()) + ": ";
  if (text_.empty()) return absl::InvalidArgumentError(who + "it has no host");
  if (port_ == 0) return absl::InvalidArgumentError(who + "its port is 0");
  if (last_port_ != port_) {
    return absl::InvalidArgumentError(who + "it is a range of ports");
  }
  return absl::OkStatus();
}

inline bool SocketAddress::needs_lookup() const {
  if (kind_ != Kind::kInet) return false;
  absl::StatusOr<internal_socket_address::Host> host =
      internal_socket_address::ReadHost(text_);
  return host.ok() && host->needs_lookup();
}

template <class Sockaddr>
Sockaddr ResolvedAddress::As() const {
  static_assert(sizeof(Sockaddr) <= sizeof(storage_));
  Sockaddr address;
  std::memcpy(&address, &storage_, sizeof(address));
  return address;
}

template <class Sockaddr>
ResolvedAddress ResolvedAddress::Of(const Sockaddr& address) {
  static_assert(sizeof(Sockaddr) <= sizeof(storage_));
  ResolvedAddress resolved;
  std::memcpy(&resolved.storage_, &address, sizeof(address));
  resolved.size_ = sizeof(address);
  return resolved;
}

inline absl::StatusOr<ResolvedAddress> ResolvedAddress::FromSockaddr(
    const sockaddr* address, socklen_t length) {
  const auto wrong_length = [length](std::string_view family) {
    return absl::InvalidArgumentError(std::to_string(length) +
                                      " bytes are not the length of " +
                                      std::string(family) + " address");
  };
  sa_family_t family = AF_UNSPEC;
  if (length < sizeof(family)) return wrong_length("a socket's");
  std::memcpy(&family, address, sizeof(family));

  if (family == AF_INET) {
    sockaddr_in inet;
    if (length < sizeof(inet)) return wrong_length("an IPv4");
    std::memcpy(&inet, address, sizeof(inet));
    std::memset(inet.sin_zero, 0, sizeof(inet.sin_zero));
    return Of(inet);
  }
  if (family == AF_INET6) {
    sockaddr_in6 inet6;
    if (length < sizeof(inet6)) return wrong_length("an IPv6");
    std::memcpy(&inet6, address, sizeof(inet6));
    inet6.sin6_flowinfo = 0;
    return Of(inet6);
  }
  if (family != AF_UNIX) {
    return absl::UnimplementedError("address family " + std::to_string(family) +
                                    " is none of IPv4, IPv6 and unix");
  }

  // The kernel tells a path that fills sun_path with a NUL behind it: one byte
  // more than a sockaddr_un has, and than bind() and connect() take.
  using internal_socket_address::kUnixOffset;
  if (length > sizeof(sockaddr_un) + 1) return wrong_length("a unix socket's");
  std::string_view bytes(reinterpret_cast<const char*>(address) + kUnixOffset,
                         length - kUnixOffset);
  ResolvedAddress resolved;
  resolved.storage_.ss_family = AF_UNIX;
  const bool is_path = !bytes.empty() && bytes[0] != '\0';
  if (is_path) bytes = bytes.substr(0, bytes.find('\0'));
  if (bytes.size() > sizeof(sockaddr_un::sun_path)) {
    return wrong_length("a unix socket's");
  }
  if (!bytes.empty()) {
    std::memcpy(reinterpret_cast<char*>(&resolved.storage_) + kUnixOffset,
                bytes.data(), bytes.size());
  }
  // A path is ended by a NUL where there is room for one.
  resolved.size_ = static_cast<socklen_t>(std::min(
      kUnixOffset + bytes.size() + (is_path ? 1 : 0), sizeof(sockaddr_un)));
  return resolved;
}

inline std::string_view ResolvedAddress::UnixBytes() const {
  if (!is_unix()) return {};
  using internal_socket_address::kUnixOffset;
  return {reinterpret_cast<const char*>(&storage_) + kUnixOffset,
          size_ - kUnixOffset};
}

inline bool ResolvedAddress::is_abstract() const {
  return UnixBytes().starts_with('\0');
}

inline std::string ResolvedAddress::path() const {
  if (is_abstract()) return {};
  const std::string_view bytes = UnixBytes();
  return std::string(bytes.substr(0, bytes.find('\0')));
}

inline std::string ResolvedAddress::abstract_name() const {
  return is_abstract() ? std::string(UnixBytes().substr(1)) : std::string();
}

inline std::uint16_t ResolvedAddress::port() const {
  if (family() == AF_INET) return ntohs(As<sockaddr_in>().sin_port);
  if (family() == AF_INET6) return ntohs(As<sockaddr_in6>().sin6_port);
  return 0;
}

inline ResolvedAddress ResolvedAddress::WithPort(std::uint16_t port) const {
  if (family() == AF_INET) {
    sockaddr_in inet = As<sockaddr_in>();
    inet.sin_port = htons(port);
    return Of(inet);
  }
  if (family() == AF_INET6) {
    sockaddr_in6 inet6 = As<sockaddr_in6>();
    inet6.sin6_port = htons(port);
    return Of(inet6);
  }
  return *this;
}

inline std::string ResolvedAddress::ToString() const {
  return ToSocketAddress().ToString();
}

inline SocketAddress ResolvedAddress::ToSocketAddress() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    const sockaddr_in inet = As<sockaddr_in>();
    inet_ntop(AF_INET, &inet.sin_addr, text, sizeof(text));
    return SocketAddress::Inet(text, port());
  }
  if (family() == AF_INET6) {
    const sockaddr_in6 inet6 = As<sockaddr_in6>();
    inet_ntop(AF_INET6, &inet6.sin6_addr, text, sizeof(text));
    std::string host = text;
    if (inet6.sin6_scope_id != 0) {
      host += "%" + std::to_string(inet6.sin6_scope_id);
    }
    return SocketAddress::Inet(std::move(host), port());
  }
  if (is_abstract()) return SocketAddress::Abstract(abstract_name());
  return SocketAddress::Unix(path());
}

inline absl::StatusOr<std::vector<ResolvedAddress>> ResolveWithoutLookup(
    const SocketAddress& address, AddressUse use) {
  absl::Status status = address.CheckFor(use);
  if (!status.ok()) return status;
  switch (address.kind()) {
    case SocketAddress::Kind::kInet:
      break;
    case SocketAddress::Kind::kUnix:
      return std::vector{internal_socket_address::UnixAddress(address.path())};
    case SocketAddress::Kind::kAbstract:
      return std::vector{internal_socket_address::UnixAddress(
          std::string(1, '\0').append(address.abstract_name()))};
  }
  return internal_socket_address::ResolveInet(address);
}

static_assert(std::is_trivially_copyable_v<ResolvedAddress>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_SOCKET_ADDRESS_H_
