// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/dns_resolver.h
//
// Resolve() turns an address with a host name into those of the kernel, without
// blocking the loop: names are looked up on the executor's workers for DNS.
//
//   qio::Resolve(on, *address, qio::AddressUse::kConnect)
//       .Then(scope, [this](qio::OnLoop<Loop>& on,
//                           absl::StatusOr<std::vector<qio::ResolvedAddress>>
//                               addresses) { ... });
//
// Channels and listeners do so by themselves. QEMU: qio_dns_resolver_lookup_
// async (include/io/dns-resolver.h).

#ifndef QIO_NET_DNS_RESOLVER_H_
#define QIO_NET_DNS_RESOLVER_H_

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/net/internal/blocking_lookup.h"
#include "qio/net/socket_address.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {

// Resolve()
//
// The addresses that `address` stands for, in the order to try them, without
// duplicates, 64 at most (RFC 6724, getaddrinfo(3)); those of a range have its
// first port.
//
// Errors:  kInvalidArgument if there can be no such address, or none for this
//          use; those of a lookup, with the EAI_ number in their text:
//          kNotFound for a name that has no address, kUnavailable for servers
//          that do not answer. The task's own, as for RunInThread().
// Cost:    a worker of Lane::kDns for a name, for as long as the servers take;
//          cancelling does not wait for it. No thread for anything else.
template <class E>
QIOTask<E, std::vector<ResolvedAddress>> Resolve(OnLoop<E>& on,
                                                 SocketAddress address,
                                                 AddressUse use);

// ---------------------------------------------------------------------------

namespace internal_dns_resolver {

// The worker. Has a name, which is what reports of lookups that hang have to
// tell: a lambda's has not by every compiler the function in it.
struct ResolveName {
  auto operator()(SocketAddress name, AddressUse use) const {
    return BlockingLookup(name, use);
  }
};

}  // namespace internal_dns_resolver

template <class E>
QIOTask<E, std::vector<ResolvedAddress>> Resolve(OnLoop<E>& on,
                                                 SocketAddress address,
                                                 AddressUse use) {
  static_assert(internal_executor::RequireExecutor<E>::kOk);
  using Addresses = std::vector<ResolvedAddress>;
  if (address.needs_lookup()) {
    return RunInLane(on, Lane::kDns, internal_dns_resolver::ResolveName(),
                     std::move(address), use);
  }
  return MakeTask<Addresses>(
      on, [resolved = ResolveWithoutLookup(address, use)](
              OnLoop<E>& on, Completer<E, Addresses> completer) mutable {
        std::move(completer).Complete(on, std::move(resolved));
      });
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_DNS_RESOLVER_H_
