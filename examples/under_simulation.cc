// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// A program that is a template over its executor, and its test under a
// thousand schedules: with short reads and writes, broken connections, no
// descriptors and no threads.

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/simulated.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/task_scope.h"

// The program: greets whoever says who it is, one after the other.
template <class Loop>
class Greeter {
 public:
  using On = qio::OnLoop<Loop>;

  absl::Status Start(On& on, const qio::SocketAddress& address) {
    scope_.emplace(on);
    auto opened = listener_.Open(on, address);
    if (opened.ok()) Next(on);
    return opened.status();
  }

 private:
  void Next(On& on) {
    listener_.WaitClient(on).Then(
        *scope_, [this](On& on, absl::StatusOr<qio::SocketChannel<Loop>> c) {
          if (!c.ok()) return;
          client_ = *std::move(c);
          client_.ReadAll(on, 100).Then(
              *scope_, [this](On& on, absl::StatusOr<std::string> name) {
                name.ok() ? Greet(on, *std::move(name)) : Done(on);
              });
        });
  }
  void Greet(On& on, std::string name) {
    qio::RunInThread(
        on, [](std::string name) { return "Hello, " + name + "!"; },
        std::move(name))
        .Then(*scope_, [this](On& on, absl::StatusOr<std::string> greeting) {
          if (!greeting.ok()) return Done(on);
          client_.WriteAll(on, *std::move(greeting))
              .Then(*scope_, [this](On& on, absl::Status) { Done(on); });
        });
  }
  void Done(On& on) {
    client_.Close(on);
    Next(on);
  }

  qio::NetListener<Loop> listener_;
  qio::SocketChannel<Loop> client_;
  std::optional<qio::TaskScope<Loop>> scope_;
};

// Its test. True: what must hold did.
bool RunSchedule(std::uint64_t seed) {
  using Loop = qio::SimulatedExecutor;
  using Channel = qio::SocketChannel<Loop>;
  qio::SimulatedOptions options;
  options.seed = seed;
  options.faults = qio::SimulatedFaults::All();
  options.diagnostics = {[](void*, std::string_view) {}, nullptr};
  qio::SimulatedWorld world(options);
  auto servers = Loop::Create(world), clients = Loop::Create(world);
  if (!servers.ok() || !clients.ok()) return false;

  const auto address = qio::SocketAddress::Inet("127.0.0.1", 80);
  Greeter<Loop> greeter;
  absl::Status entered;
  entered.Update((*servers)->Enter(
      [&](qio::OnLoop<Loop>& on) { entered = greeter.Start(on, address); }));

  Channel channel;
  absl::StatusOr<std::string> answer = absl::UnknownError("none yet");
  entered.Update((*clients)->Enter([&](qio::OnLoop<Loop>& on) {
    Channel::Connect(on, address)
        .Then([&](qio::OnLoop<Loop>& on, absl::StatusOr<Channel> connected) {
          if (!connected.ok()) {
            answer = connected.status();
            return;
          }
          channel = *std::move(connected);
          channel.ReadAll(on, 100).Then(
              [&](auto&, absl::StatusOr<std::string> text) {
                answer = std::move(text);
              });
          channel.WriteAll(on, "World").Then([&](auto& on, absl::Status sent) {
            if (sent.ok()) sent = channel.ShutdownWrite(on);
            if (!sent.ok()) channel.Close(on);
          });
        });
  }));
  if (!entered.ok() || !world.RunUntilIdle()) return false;
  // A whole greeting, or none: never a part of one, and never silence.
  return answer.ok() ? answer->empty() || *answer == "Hello, World!"
                     : !absl::IsUnknown(answer.status());
}

int main() {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    if (RunSchedule(seed)) continue;
    std::printf("it does not hold with seed %llu\n",
                static_cast<unsigned long long>(seed));
    return 1;
  }
}
