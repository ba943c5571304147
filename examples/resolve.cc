// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/resolve.cc: looks up a name, for five seconds at most.
//
//   tools/bazel run //examples:resolve -- example.org:80

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/net/dns_resolver.h"
#include "qio/net/socket_address.h"
#include "qio/worker_pool.h"

using Loop = qio::EpollExecutor;
using On = qio::OnLoop<Loop>;
using Addresses = std::vector<qio::ResolvedAddress>;
using namespace std::chrono_literals;

int main(int argc, char** argv) {
  auto name = qio::SocketAddress::Parse(argc > 1 ? argv[1] : "localhost:80");
  auto lookups =
      std::make_shared<qio::WorkerPool>(qio::WorkerPool::Options::Dns());
  auto loop = Loop::Create();
  if (!name.ok() || !loop.ok()) return 2;
  int exit_code = 1;
  absl::Status status = (*loop)->Run([&](On& on) {
    on.executor().UseWorkers(on, lookups, qio::Lane::kDns);
    qio::Resolve(on, *name, qio::AddressUse::kConnect)
        .WithTimeout(5s)
        .Then([&](On& on, absl::StatusOr<Addresses> addresses) {
          if (addresses.ok()) {
            exit_code = 0;
            for (const qio::ResolvedAddress& address : *addresses) {
              std::printf("%s\n", address.ToString().c_str());
            }
          } else {
            std::printf("%s\n", addresses.status().ToString().c_str());
          }
          on.executor().Stop(on);
        });
  });
  // Nobody can interrupt getaddrinfo(): left alone, it would hold up the end.
  const auto soon = std::chrono::steady_clock::now() + 100ms;
  for (const std::string& who : lookups->Shutdown(soon)) {
    std::printf("still at work: %s\n", who.c_str());
  }
  return status.ok() ? exit_code : 1;
}
