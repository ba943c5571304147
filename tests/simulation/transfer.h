// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/transfer.h
//
// Four streams, as in a live migration: workers of one loop make chunks, which
// go over four connections to another loop, whose workers look at them; what
// they found goes back by a post. Nothing breaks here, so all of it arrives.

#ifndef QIO_TESTS_SIMULATION_TRANSFER_H_
#define QIO_TESTS_SIMULATION_TRANSFER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/simulated.h"
#include "qio/loop_ref.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/sendable.h"
#include "qio/simulation/schedule.h"
#include "qio/task.h"
#include "qio/task_scope.h"

namespace qio::simulation {

class Transfer {
 public:
  static SimulatedOptions Options(std::uint64_t seed) {
    SimulatedOptions options;
    options.seed = seed;
    options.faults.short_read = options.faults.short_write = 300;
    options.buffer_size = std::size_t{64} << seed % 6;
    return options;
  }

  static void Run(Schedule& schedule) { Transfer(schedule).Run(); }

 private:
  static constexpr std::size_t kParts = 4;
  static constexpr std::size_t kHeader = 4;

  using Channel = SocketChannel<Loop>;

  // Worker thread.
  static std::string MakeChunk(std::uint64_t part, std::uint64_t chunk,
                               std::uint64_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>(part * 131 + chunk * 17 + i * 3);
    }
    return text;
  }
  static std::uint64_t Sum(const std::string& text) {
    std::uint64_t sum = 0;
    for (const char c : text) sum = sum * 257 + static_cast<unsigned char>(c);
    return sum;
  }

  // One stream, at either end.
  struct Part {
    std::uint64_t number = 0;
    std::uint64_t chunks = 0;
    std::uint64_t size = 0;
    std::uint64_t made = 0;
    std::uint64_t sent_sum = 0;
    std::uint64_t told_sum = 0;
    bool is_told = false;
    Channel channel;
  };
  struct Incoming {
    Channel channel;
    std::uint64_t number = 0;
    std::uint64_t sum = 0;
  };

  explicit Transfer(Schedule& schedule) : s_(schedule) {
    server_.Enter([this](On& on) {
      server_scope_.emplace(on);
      s_.Check(listener_.Open(on, address_).ok(), "the server listens");
      listener_.SetClientFunc(on, [this](On& on, Channel channel) {
        incoming_.push_back(
            std::make_unique<Incoming>(Incoming{std::move(channel)}));
        ReadHeader(on, *incoming_.back());
      });
    });
    client_.Enter([this](On& on) {
      client_scope_.emplace(on);
      back_.emplace(on);
      for (std::size_t i = 0; i < kParts; ++i) {
        Part& part = parts_[i];
        part.number = i;
        part.chunks = 1 + s_.Choose(4);
        part.size = s_.Choose(600);
        Channel::Connect(on, address_)
            .Then(*client_scope_,
                  [this, &part](On& on, absl::StatusOr<Channel> channel) {
                    s_.Check(channel.ok(), "the server can be connected to");
                    if (!channel.ok()) return;
                    part.channel = *std::move(channel);
                    MakeNext(on, part);
                  });
      }
    });
  }

  void Run() {
    s_.RunUntilIdle();
    for (const Part& part : parts_) {
      s_.Check(part.is_told, "every part is transferred");
      s_.Check(part.told_sum == part.sent_sum, "a part arrives as it was sent");
    }
    back_.reset();
    s_.RunUntilIdle();
    server_.Enter([this](On&) {
      incoming_.clear();
      listener_ = NetListener<Loop>();
    });
    s_.RunUntilIdle();
    s_.Check(s_.world.open_sockets() == 0, "every socket is closed");
    for (Home* home : {&server_, &client_}) {
      home->Enter([this](On& on) {
        s_.Check(on.executor().outstanding(on) == 0,
                 "nothing is outstanding when all is over");
      });
    }
  }

  // ---- The client's loop.

  void MakeNext(On& on, Part& part) {
    if (part.made == part.chunks) {
      s_.Check(part.channel.ShutdownWrite(on).ok(), "a stream can be ended");
      return;
    }
    RunInThread(on, &MakeChunk, part.number, part.made++, part.size)
        .Then(*client_scope_,
              [this, &part](On& on, absl::StatusOr<std::string> chunk) {
                s_.Check(client_.IsHere(), "a completion is on its loop");
                s_.Check(chunk.ok(), "a worker makes a chunk");
                part.sent_sum += Sum(*chunk);
                Send(on, part, *chunk);
              });
  }
  void Send(On& on, Part& part, const std::string& chunk) {
    const std::string header = {
        static_cast<char>(part.number), static_cast<char>(chunk.size() >> 8),
        static_cast<char>(chunk.size()), static_cast<char>(part.chunks)};
    part.channel.WriteAll(on, header + chunk)
        .Then(*client_scope_, [this, &part](On& on, absl::Status status) {
          s_.Check(status.ok(), "a chunk is sent");
          MakeNext(on, part);
        });
  }
  void Told(On& on, std::uint64_t number, std::uint64_t sum) {
    Part& part = parts_[number];
    s_.Check(client_.IsHere(), "a post is called on its loop");
    s_.Check(!std::exchange(part.is_told, true), "a part is told once");
    part.told_sum = sum;
    part.channel.Close(on);
  }

  // ---- The server's loop.

  void ReadHeader(On& on, Incoming& incoming) {
    incoming.channel.ReadExactly(on, kHeader)
        .Then(*server_scope_,
              [this, &incoming](On& on, absl::StatusOr<std::string> header) {
                if (!header.ok()) return Finish(on, incoming, header.status());
                const auto byte = [&header](std::size_t i) {
                  return static_cast<std::size_t>(
                      static_cast<unsigned char>((*header)[i]));
                };
                incoming.number = byte(0);
                ReadChunk(on, incoming, byte(1) << 8 | byte(2));
              });
  }
  void ReadChunk(On& on, Incoming& incoming, std::size_t size) {
    incoming.channel.ReadExactly(on, size).Then(
        *server_scope_,
        [this, &incoming](On& on, absl::StatusOr<std::string> chunk) {
          s_.Check(chunk.ok(), "a chunk is received");
          if (chunk.ok()) LookAt(on, incoming, *std::move(chunk));
        });
  }
  void LookAt(On& on, Incoming& incoming, std::string chunk) {
    RunInThread(
        on, [](const std::string& text) { return Sum(text); }, std::move(chunk))
        .Then(*server_scope_,
              [this, &incoming](On& on, absl::StatusOr<std::uint64_t> sum) {
                s_.Check(server_.IsHere(), "a completion is on its loop");
                s_.Check(sum.ok(), "a worker looks at a chunk");
                incoming.sum += sum.value_or(0);
                ReadHeader(on, incoming);
              });
  }
  void Finish(On& on, Incoming& incoming, const absl::Status& status) {
    s_.Check(absl::IsOutOfRange(status), "a stream ends between two chunks");
    incoming.channel.Close(on);
    const absl::Status posted =
        back_->Post([](On& on, Transfer* self, std::uint64_t number,
                       std::uint64_t sum) { self->Told(on, number, sum); },
                    AssumeSendable(this), std::uint64_t{incoming.number},
                    std::uint64_t{incoming.sum});
    s_.Check(posted.ok(), "the client's loop is there");
  }

  Schedule& s_;
  const SocketAddress address_ = SocketAddress::Inet("127.0.0.1", 4444);
  std::array<Part, kParts> parts_;
  std::vector<std::unique_ptr<Incoming>> incoming_;
  NetListener<Loop> listener_;
  std::optional<TaskScope<Loop>> server_scope_, client_scope_;
  std::optional<LoopRef<Loop>> back_;
  Home server_{s_};
  Home client_{s_};
};

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_TRANSFER_H_
