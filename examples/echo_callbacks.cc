// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/echo_callbacks.cc: an echo server, with completions.
//
//   tools/bazel run //examples:echo_callbacks -- :7777

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "qio/executors/epoll.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_channel.h"

using Loop = qio::EpollExecutor;
using On = qio::OnLoop<Loop>;
using Channel = qio::SocketChannel<Loop>;

// One client. Its completions own it: it ends with the last of them.
struct Session : std::enable_shared_from_this<Session> {
  explicit Session(Channel c) : channel(std::move(c)) {}

  void Read(On& on) {
    channel.Read(on, 65536).Then(
        [self = shared_from_this()](On& on, absl::StatusOr<std::string> bytes) {
          if (bytes.ok() && !bytes->empty()) self->Write(on, *std::move(bytes));
        });
  }
  void Write(On& on, std::string bytes) {
    channel.WriteAll(on, std::move(bytes))
        .Then([self = shared_from_this()](On& on, absl::Status status) {
          if (status.ok()) self->Read(on);
        });
  }

  Channel channel;
};

int main(int argc, char** argv) {
  auto address = qio::SocketAddress::Parse(argc > 1 ? argv[1] : ":7777");
  qio::NetListener<Loop> listener;
  auto loop = Loop::Create();
  if (!address.ok() || !loop.ok()) return 2;
  absl::Status status;
  status.Update((*loop)->Run([&](On& on) {
    status = listener.Open(on, *address).status();
    if (!status.ok()) return on.executor().Stop(on);
    listener.SetClientFunc(on, [](On& on, Channel client) {
      std::make_shared<Session>(std::move(client))->Read(on);
    });
    const std::string at = listener.addresses()[0].ToString();
    std::printf("listening at %s\n", at.c_str());
    std::fflush(stdout);
  }));
  std::printf("%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
