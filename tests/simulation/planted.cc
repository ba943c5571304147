// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// A program with a bug, which few schedules show: replay_test finds it.

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/simulated.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/simulation/runner.h"
#include "qio/simulation/schedule.h"
#include "qio/task.h"
#include "qio/timer.h"

namespace {

using namespace qio::simulation;
using Channel = qio::SocketChannel<Loop>;

qio::SimulatedOptions Options(std::uint64_t seed) {
  qio::SimulatedOptions options;
  options.seed = seed;
  options.worker_time_max = std::chrono::microseconds(2200);
  return options;
}

// What is looked up on a worker belongs to a request, which ends when its time
// is over or its client is gone. The bug: the completion is not in a TaskScope
// of the request's.
void Run(Schedule& schedule) {
  struct Request {
    Channel channel;
    qio::Timer<Loop> timer;
  };
  Home home(schedule);
  qio::NetListener<Loop> listener;
  std::optional<Request> request;
  Channel client;
  const auto address = qio::SocketAddress::Inet("127.0.0.1", 80);
  home.Enter([&](On& on) {
    schedule.Check(listener.Open(on, address).ok(), "the program listens");
    listener.SetClientFunc(on, [&](On& on, Channel channel) {
      request.emplace(Request{std::move(channel), {}});
      request->timer.StartAfter(on, std::chrono::milliseconds(4),
                                [&](On&) { request.reset(); });
      qio::RunInThread(on, [] {}).Then([&](On&, const absl::Status&) {
        schedule.Check(request.has_value(),
                       "a request is there when it is "
                       "answered");
      });
    });
    Channel::Connect(on, address)
        .Then([&](On&, absl::StatusOr<Channel> channel) {
          client = std::move(channel).value_or(Channel());
        });
  });
  schedule.RunUntilIdle();
  home.Enter([&](On&) {
    client = Channel();
    listener = qio::NetListener<Loop>();
    request.reset();
  });
}

constexpr Scenario kScenarios[] = {{"planted", &Options, &Run}};

}  // namespace

int main(int argc, char** argv) {
  return RunSchedules(kScenarios, "//tests/simulation:planted", argc, argv);
}
