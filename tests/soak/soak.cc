// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// RS-13: everything at once for as long as it is told, and what that costs the
// process.
//
//   tools/bazel run -c opt //tests/soak -- --hours=24
//   tools/bazel run //tests/soak -- --seconds=10
//
// Clients connect, send, are answered and go; workers work; timers, watches and
// posts come and go; executors are made and destroyed. Once a period it prints
// the resident memory, the descriptors, the threads, and what is allocated.
// After a warm-up of a tenth of the time, it fails if there are more
// descriptors or threads than then, if more is allocated, or if the resident
// memory has grown steadily: by more than 2% in each quarter of the time.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/sendable.h"
#include "qio/support/allocations.h"
#include "qio/support/pipe.h"
#include "qio/support/proc.h"
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using Loop = EpollExecutor;
using On = OnLoop<Loop>;
using Channel = SocketChannel<Loop>;
using Clock = std::chrono::steady_clock;

[[noreturn]] void Fail(const std::string& why) {
  std::printf("FAILED: %s\n", why.c_str());
  std::exit(EXIT_FAILURE);
}

// One life of an executor, which does some of everything.
class Round {
 public:
  void Run(int number) {
    auto made = Loop::Create();
    if (!made.ok()) Fail(made.status().ToString());
    const std::unique_ptr<Loop> loop = *std::move(made);
    const absl::Status status = loop->Run([&](On& on) { Start(on, number); });
    if (!status.ok()) Fail(status.ToString());
    const absl::Status entered = loop->Enter([&](On& on) { End(on); });
    if (!entered.ok()) Fail(entered.ToString());
    const auto drained = loop->Drain(Clock::now() + std::chrono::minutes(1));
    if (!drained.ok() || !*drained) Fail("something is outstanding for ever");
  }

 private:
  static constexpr int kClients = 20;
  static constexpr int kTasks = 50;

  void Start(On& on, int number) {
    waiting_ = kClients + kTasks + 3;
    scope_ = std::make_unique<TaskScope<Loop>>(on);
    // Each tenth round has tasks that nobody waits for.
    for (int i = 0; i < kTasks; ++i) {
      RunInThread(
          on, [](std::string text) { return text + text; },
          std::string(static_cast<std::size_t>(i) * 10, 'x'))
          .Then(*scope_, [this](On& on, const absl::StatusOr<std::string>&) {
            Done(on);
          });
    }
    if (number % 10 == 0) {
      waiting_ -= kTasks;
      scope_.reset();
    }
    timer_.StartAfter(on, std::chrono::milliseconds(2),
                      [this](On& on) { Done(on); });
    const absl::Status watching =
        watch_.Start(on, pipe_.reader.get(), Condition::kIn,
                     [this](On& on, Condition) { watch_.Stop(on), Done(on); });
    if (!watching.ok()) Fail(watching.ToString());
    std::thread([this, ref = LoopRef<Loop>(on)] {
      pipe_.Write();
      (void)ref.Post([](On& on, Round* self) { self->Done(on); },
                     AssumeSendable(this));
    }).join();
    const auto opened = listener_.Open(on, SocketAddress::Inet("127.0.0.1", 0));
    if (!opened.ok()) Fail(opened.status().ToString());
    listener_.SetClientFunc(on, [this](On& on, Channel accepted) {
      Channel& client = *channels_.emplace_back(
          std::make_unique<Channel>(std::move(accepted)));
      client.ReadAll(on, 1 << 20)
          .Then([&client](On& on, absl::StatusOr<std::string> text) {
            if (!text.ok()) return;
            client.WriteAll(on, *std::move(text))
                .Then([&client](On& on, const absl::Status&) {
                  client.Close(on);
                });
          });
    });
    for (int i = 0; i < kClients; ++i) {
      Channel::Connect(on, listener_.addresses().front())
          .Then([this, i](On& on, absl::StatusOr<Channel> connected) {
            if (!connected.ok()) Fail(connected.status().ToString());
            Talk(on, *std::move(connected), static_cast<std::size_t>(i));
          });
    }
  }

  void Talk(On& on, Channel connected, std::size_t number) {
    Channel& channel = *channels_.emplace_back(
        std::make_unique<Channel>(std::move(connected)));
    const std::size_t size = number * number * 500;
    channel.WriteAll(on, std::string(size, 'y'))
        .Then([&channel](On& on, const absl::Status&) {
          (void)channel.ShutdownWrite(on);
        });
    channel.ReadAll(on, 1 << 20)
        .Then([this, size](On& on, const absl::StatusOr<std::string>& text) {
          if (!text.ok() || text->size() != size) Fail("an answer is wrong");
          Done(on);
        });
  }

  void Done(On& on) {
    if (--waiting_ == 0) on.executor().Stop(on);
  }

  void End(On& on) {
    scope_.reset();
    channels_.clear();
    listener_ = {};
    watch_.Stop(on);
    timer_.Stop(on);
  }

  support::Pipe pipe_;
  int waiting_ = 0;
  std::unique_ptr<TaskScope<Loop>> scope_;
  Timer<Loop> timer_;
  Watch<Loop> watch_;
  NetListener<Loop> listener_;
  std::vector<std::unique_ptr<Channel>> channels_;
};

struct Usage {
  static Usage Now() {
    return {std::stoll(support::FieldOf(support::FileText("/proc/self/status"),
                                        "VmRSS:")),
            support::OpenDescriptors().size(),
            support::NumbersIn("/proc/self/task").size(),
            support::BytesAlive()};
  }
  void Print(std::chrono::seconds at, int rounds) const {
    std::printf(
        "%8lld s %8d rounds %8lld KiB resident %4zu descriptors %3zu "
        "threads %10lld bytes allocated\n",
        static_cast<long long>(at.count()), rounds, resident_kib, descriptors,
        threads, static_cast<long long>(allocated));
    std::fflush(stdout);
  }

  long long resident_kib;
  std::size_t descriptors;
  std::size_t threads;
  std::int64_t allocated;
};

void Soak(std::chrono::seconds length) {
  const auto begin = Clock::now();
  const auto step =
      std::max<Clock::duration>(length / 100, std::chrono::seconds(1));
  std::vector<Usage> usages;
  auto next = begin + length / 10;
  int rounds = 0;
  do {
    // Of 100, since some differ; the same ones each time.
    for (int i = 0; i < 20; ++i) Round().Run(rounds++);
    if (Clock::now() < next) continue;
    next = std::max(next + step, Clock::now());
    usages.push_back(Usage::Now());
    usages.back().Print(
        std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin),
        rounds);
    const Usage& first = usages.front();
    const Usage& last = usages.back();
    if (last.descriptors != first.descriptors) Fail("descriptors leak");
    if (last.threads != first.threads) Fail("threads leak");
    if (last.allocated > first.allocated + 65536) Fail("memory leaks");
  } while (Clock::now() - begin < length || usages.size() < 4);
  // Of seconds it tells nothing.
  if (length < std::chrono::minutes(10)) return;
  bool always_more = true;
  for (std::size_t quarter = 1; quarter <= 4; ++quarter) {
    const auto at = [&](std::size_t q) {
      return usages[(usages.size() - 1) * q / 4].resident_kib;
    };
    always_more = always_more && at(quarter) > at(quarter - 1) * 102 / 100;
  }
  if (always_more) Fail("resident memory grows");
}

}  // namespace
}  // namespace qio

int main(int argc, char** argv) {
  std::chrono::seconds length(10);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&](std::string_view name) {
      return argument.substr(0, name.size()) == name
                 ? std::atoi(argument.substr(name.size()).data())
                 : 0;
    };
    if (const int hours = value("--hours=")) {
      length = std::chrono::hours(hours);
    } else if (const int seconds = value("--seconds=")) {
      length = std::chrono::seconds(seconds);
    } else {
      std::puts("soak [--hours=N] [--seconds=N]");
      return EXIT_FAILURE;
    }
  }
  // With the first thread a sanitizer starts one of its own, which stays.
  std::thread([] {}).join();
  qio::Soak(length);
  std::puts("nothing has grown");
  return EXIT_SUCCESS;
}
