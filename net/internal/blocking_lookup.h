// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/internal/blocking_lookup.h
//
// BlockingLookup() turns an address with a host name into those of the kernel.
// It waits for name servers, for seconds if they are silent: for workers only.
//
//   absl::StatusOr<std::vector<ResolvedAddress>> addresses =
//       BlockingLookup(address, AddressUse::kConnect);
//
// Affinity:  worker thread.

#ifndef QIO_NET_INTERNAL_BLOCKING_LOOKUP_H_
#define QIO_NET_INTERNAL_BLOCKING_LOOKUP_H_

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "qio/config.h"
#include "qio/net/socket_address.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

// How many addresses of one host are kept: each costs whoever listens a socket
// and whoever connects a try, and real services have fewer than 20.
inline constexpr std::size_t kLookupAnswersMax = 64;

// BlockingLookup()
//
// The addresses of `address`, in the order to try them (that of RFC 6724, as
// the system is configured), without duplicates and at most kLookupAnswersMax;
// those of a range have its first port. What needs no lookup is not looked up.
//
// Errors:  SocketAddress::CheckFor(use) before anything is asked; else as in
//          LookupErrorStatus(), with LookupErrorCode().
inline absl::StatusOr<std::vector<ResolvedAddress>> BlockingLookup(
    const SocketAddress& address, AddressUse use);

// The EAI_ number (EAI_NONAME, EAI_AGAIN, ...) of a lookup that failed, or 0 if
// `status` carries none.
inline int LookupErrorCode(const absl::Status& status);

// ---------------------------------------------------------------------------

namespace internal_blocking_lookup {

// Key of the payload that holds the number, in decimal.
inline constexpr char kLookupErrorPayload[] = "qio/lookup-error";

inline absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EAI_NONAME:
    case EAI_NODATA:      // the name exists, but has no address
    case EAI_ADDRFAMILY:  // ... none of the family
      return absl::StatusCode::kNotFound;
    case EAI_AGAIN:
      return absl::StatusCode::kUnavailable;
    case EAI_MEMORY:
      return absl::StatusCode::kResourceExhausted;
    case EAI_FAMILY:
    case EAI_SOCKTYPE:
    case EAI_SERVICE:
    case EAI_BADFLAGS:
    case EAI_OVERFLOW:
    case EAI_IDN_ENCODE:
      return absl::StatusCode::kInvalidArgument;
    case EAI_FAIL:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kUnknown;
  }
}

// The status of a getaddrinfo() for `host` that returned `error`, not 0, and
// left `error_number` in errno, which tells something for EAI_SYSTEM only.
inline absl::Status LookupErrorStatus(int error, int error_number,
                                      std::string_view host) {
  const std::string what = "lookup of '" + std::string(host) + "'";
  absl::Status status =
      error == EAI_SYSTEM
          ? ErrnoStatus(error_number, what)
          : absl::Status(CodeOf(error), what + ": " + gai_strerror(error));
  status.SetPayload(kLookupErrorPayload, absl::Cord(std::to_string(error)));
  return status;
}

inline std::vector<ResolvedAddress> CollectAnswers(const addrinfo* answers,
                                                   std::uint16_t port) {
  std::vector<ResolvedAddress> addresses;
  for (; answers && addresses.size() < kLookupAnswersMax;
       answers = answers->ai_next) {
    absl::StatusOr<ResolvedAddress> answer =
        ResolvedAddress::FromSockaddr(answers->ai_addr, answers->ai_addrlen);
    if (!answer.ok() || !answer->is_inet()) continue;
    const ResolvedAddress address = answer->WithPort(port);
    if (std::find(addresses.begin(), addresses.end(), address) ==
        addresses.end()) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

// RFC 6761: such a name is this machine, however it is connected.
inline bool IsLocalhost(std::string_view host) {
  std::string name(host);
  if (name.ends_with('.')) name.pop_back();
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name == "localhost" || name.ends_with(".localhost");
}

inline addrinfo Hints(const SocketAddress& address, AddressUse use) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;  // or each answer comes three times
  hints.ai_family = address.family() == IpFamily::kIpv4   ? AF_INET
                    : address.family() == IpFamily::kIpv6 ? AF_INET6
                                                          : AF_UNSPEC;
  // Saves a connection the tries that no interface could carry. It does not
  // count loopback, so it would hide one of localhost's addresses; and who
  // listens, or names the family, hears from the kernel what it lacks.
  if (use == AddressUse::kConnect && hints.ai_family == AF_UNSPEC &&
      !IsLocalhost(address.host())) {
    hints.ai_flags = AI_ADDRCONFIG;
  }
  return hints;
}

}  // namespace internal_blocking_lookup

namespace internal_blocking_lookup {

// What "localhost" is where nothing says so, as in a container without
// /etc/hosts (RFC 6761, section 6.3).
inline absl::StatusOr<std::vector<ResolvedAddress>> Loopback(
    const SocketAddress& address, AddressUse use) {
  std::vector<ResolvedAddress> addresses;
  for (const auto& [family, host] : {std::pair(IpFamily::kIpv6, "::1"),
                                     std::pair(IpFamily::kIpv4, "127.0.0.1")}) {
    if (address.family() != IpFamily::kAny && address.family() != family) {
      continue;
    }
    absl::StatusOr<std::vector<ResolvedAddress>> literal = ResolveWithoutLookup(
        SocketAddress::InetRange(host, address.port(), address.last_port(),
                                 family),
        use);
    if (!literal.ok()) return literal.status();
    addresses.insert(addresses.end(), literal->begin(), literal->end());
  }
  return addresses;
}

}  // namespace internal_blocking_lookup

inline absl::StatusOr<std::vector<ResolvedAddress>> BlockingLookup(
    const SocketAddress& address, AddressUse use) {
  absl::Status status = address.CheckFor(use);
  if (!status.ok()) return status;
  if (!address.needs_lookup()) return ResolveWithoutLookup(address, use);

  // Check() has refused what a C string cannot hold.
  const std::string host(address.host());
  const addrinfo hints = internal_blocking_lookup::Hints(address, use);
  addrinfo* answers = nullptr;
  errno = 0;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &answers);
  if (error != 0 && host == "localhost") {
    return internal_blocking_lookup::Loopback(address, use);
  }
  if (error != 0) {
    return internal_blocking_lookup::LookupErrorStatus(error, errno, host);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(answers,
                                                                 freeaddrinfo);
  std::vector<ResolvedAddress> addresses =
      internal_blocking_lookup::CollectAnswers(
          answers, static_cast<std::uint16_t>(address.port()));
  if (addresses.empty()) {
    return internal_blocking_lookup::LookupErrorStatus(EAI_NODATA, 0, host);
  }
  return addresses;
}

inline int LookupErrorCode(const absl::Status& status) {
  if (status.ok()) return 0;
  const auto payload =
      status.GetPayload(internal_blocking_lookup::kLookupErrorPayload);
  return payload ? std::stoi(std::string(*payload)) : 0;
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_INTERNAL_BLOCKING_LOOKUP_H_
