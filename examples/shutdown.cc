// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/shutdown.cc: a server that ends well. Told to by SIGTERM, it stops
// accepting, gives its clients two seconds to finish, and reports who did not.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <set>
#include <string>
#include <utility>

#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_channel.h"

using Loop = qio::EpollExecutor;
using On = qio::OnLoop<Loop>;
using Channel = qio::SocketChannel<Loop>;
using Names = std::multiset<std::string>;
Loop* running = nullptr;  // What the signal handler stops.

qio::Coro<Loop, void> Serve(On& on, Channel client, Names* names) {
  auto address = client.remote_address(on);
  auto name = names->insert(address.ok() ? address->ToString() : "somebody");
  auto bytes = co_await client.ReadAll(on, 65536);  // Until it has sent all.
  if (bytes.ok()) (void)co_await client.WriteAll(on, *std::move(bytes));
  names->erase(name);
  co_return absl::OkStatus();
}

int main(int argc, char** argv) {
  auto address = qio::SocketAddress::Parse(argc > 1 ? argv[1] : ":7777");
  Names names;  // Those who are being served.
  qio::NetListener<Loop> listener;
  auto loop = Loop::Create();
  if (!address.ok() || !loop.ok()) return 2;
  running = loop->get();
  std::signal(SIGTERM, [](int) { running->StopFromAnywhere(); });
  absl::Status status;
  status.Update(running->Run([&](On& on) {
    status = listener.Open(on, *address).status();
    if (!status.ok()) return on.executor().Stop(on);
    listener.SetClientFunc(on, [&names](On& on, Channel client) {
      Serve(on, std::move(client), &names).Then([](On&, absl::Status) {});
    });
    const std::string at = listener.addresses()[0].ToString();
    std::printf("listening at %s\n", at.c_str());
    std::fflush(stdout);
  }));
  status.Update(running->Enter([&](On& on) { listener.Disconnect(on); }));
  const auto two_s = std::chrono::seconds(2);
  auto all = running->Drain(std::chrono::steady_clock::now() + two_s);
  for (const std::string& name : names) {
    std::printf("did not finish: %s\n", name.c_str());
  }
  return status.ok() && all.ok() && *all ? 0 : 1;
}
