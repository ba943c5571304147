// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/echo_coroutines.cc: echo_callbacks.cc again, with coroutines.
//
//   tools/bazel run //examples:echo_coroutines -- :7777

#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/coro.h"
#include "qio/executors/epoll.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_channel.h"

using Loop = qio::EpollExecutor;
using On = qio::OnLoop<Loop>;
using Channel = qio::SocketChannel<Loop>;

// One client, whose channel is closed where this ends.
qio::Coro<Loop, void> Echo(On& on, Channel channel) {
  for (;;) {
    absl::StatusOr<std::string> bytes = co_await channel.Read(on, 65536);
    if (!bytes.ok() || bytes->empty()) co_return bytes.status();
    absl::Status status = co_await channel.WriteAll(on, *std::move(bytes));
    if (!status.ok()) co_return status;
  }
}

qio::Coro<Loop, void> Serve(On& on, qio::SocketAddress address) {
  qio::NetListener<Loop> listener;
  auto opened = listener.Open(on, address);
  if (!opened.ok()) co_return opened.status();
  const std::string at = listener.addresses()[0].ToString();
  std::printf("listening at %s\n", at.c_str());
  std::fflush(stdout);
  for (;;) {
    absl::StatusOr<Channel> client = co_await listener.WaitClient(on);
    if (!client.ok()) co_return client.status();
    Echo(on, *std::move(client)).Then([](On&, absl::Status) {});
  }
}

int main(int argc, char** argv) {
  auto address = qio::SocketAddress::Parse(argc > 1 ? argv[1] : ":7777");
  auto loop = Loop::Create();
  if (!address.ok() || !loop.ok()) return 2;
  absl::Status status;
  status.Update((*loop)->Run([&](On& on) {
    Serve(on, *address).Then([&](On& on, absl::Status why) {
      status = why;
      on.executor().Stop(on);
    });
  }));
  std::printf("%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
