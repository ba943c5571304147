// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/streams.h
//
// Clients of one loop connect to a listener of another and send frames, in
// every way that a channel can be written and read, while reads and writes are
// short, connections break, descriptors run out, channels close and the
// listener changes its client function, disconnects or ends: what a reader gets
// is a prefix of what was sent, and all of it if both ends went well.

#ifndef QIO_TESTS_SIMULATION_STREAMS_H_
#define QIO_TESTS_SIMULATION_STREAMS_H_

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/simulated.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/simulation/schedule.h"
#include "qio/status.h"
#include "qio/task.h"
#include "qio/task_scope.h"

namespace qio::simulation {

using Channel = SocketChannel<Loop>;

// A frame is its length, in one byte, and as many bytes. The last one may end
// before its time.
inline std::string Frames(Schedule& schedule, std::uint8_t stream) {
  std::string text(1, static_cast<char>(stream));
  for (std::uint64_t frames = schedule.Choose(6); frames > 0; --frames) {
    const std::size_t size = schedule.Choose(schedule.OneIn(4) ? 255 : 16);
    text += static_cast<char>(size);
    for (std::size_t i = 0; i < size; ++i) {
      text += static_cast<char>(stream * 31 + text.size() * 7 + i);
    }
  }
  text.resize(text.size() - schedule.Choose(std::min<std::size_t>(
                                text.size(), schedule.OneIn(2) ? 1 : 8)));
  return text;
}

// The side that sends.
class Sender {
 public:
  Sender(Schedule& schedule, std::uint8_t number)
      : s_(schedule), text_(Frames(schedule, number)) {}

  void Connect(On& on, const ResolvedAddress& address) {
    scope_.emplace(on);
    Channel::Connect(on, address)
        .Then(*scope_, [this](On& on, absl::StatusOr<Channel> channel) {
          s_.Check(!std::exchange(has_connected_, true),
                   "connecting has one outcome");
          if (!channel.ok()) return;
          channel_ = *std::move(channel);
          how_ = s_.Choose(4);
          if (how_ == 3) {
            s_.Check(channel_.OnWritable(on, [this](On& on) { Send(on); }).ok(),
                     "an open channel tells when it can be written");
          }
          Send(on);
        });
  }

  void Close(On& on) {
    if (s_.OneIn(2)) scope_.reset();
    channel_.Close(on);
    has_given_up_ = true;
  }
  void End() {
    scope_.reset();
    channel_ = Channel();
  }

  bool is_over() const {
    return has_given_up_ || (has_connected_ && !channel_.is_open());
  }
  // All was handed to the channel, and the stream then ended.
  bool has_sent_all() const { return has_sent_all_; }
  const std::string& text() const { return text_; }
  bool has_socket() const { return channel_.is_open(); }

 private:
  void Send(On& on) {
    if (at_ == text_.size()) return SendEnd(on);
    const std::string_view rest = std::string_view(text_).substr(at_);
    switch (how_) {
      case 0:
        return SendAll(on, rest);
      case 1:
        return SendAll(on, rest.substr(0, 1 + s_.Choose(rest.size())));
      case 2:
        channel_.Write(on, std::string(rest))
            .Then(*scope_, [this](On& on, absl::StatusOr<std::size_t> size) {
              Sent(on, std::move(size));
            });
        return;
      default:
        TrySend(on, rest);
    }
  }
  void SendAll(On& on, std::string_view text) {
    channel_.WriteAll(on, std::string(text))
        .Then(*scope_, [this, size = text.size()](On& on, absl::Status status) {
          if (!status.ok()) return Sent(on, status);
          Sent(on, size);
        });
  }
  void TrySend(On& on, std::string_view rest) {
    while (!rest.empty()) {
      const absl::StatusOr<std::size_t> size = channel_.TryWrite(on, rest);
      if (size.ok()) {
        const bool is_short = *size < rest.size();
        at_ += *size;
        rest.remove_prefix(*size);
        if (is_short) return;
      } else {
        if (Errno(size.status()) != EAGAIN) Fail(on);
        return;
      }
    }
    SendEnd(on);
  }
  void Sent(On& on, absl::StatusOr<std::size_t> size) {
    if (!size.ok()) return Fail(on);
    s_.Check(*size > 0 && *size <= text_.size() - at_,
             "a write tells how much it has written");
    at_ += *size;
    Send(on);
  }
  void SendEnd(On& on) {
    if (s_.OneIn(2)) {
      if (!channel_.ShutdownWrite(on).ok()) return Fail(on);
      has_sent_all_ = true;
    } else {
      has_sent_all_ = true;
      channel_.Close(on);
    }
  }
  void Fail(On& on) {
    has_given_up_ = true;
    channel_.Close(on);
  }

  Schedule& s_;
  const std::string text_;
  std::size_t at_ = 0;
  std::uint64_t how_ = 0;
  bool has_connected_ = false;
  bool has_given_up_ = false;
  bool has_sent_all_ = false;
  Channel channel_;
  std::optional<TaskScope<Loop>> scope_;
};

// The side that reads.
class Reader {
 public:
  Reader(Schedule& schedule, Channel channel)
      : s_(schedule), channel_(std::move(channel)) {}

  void Start(On& on) {
    scope_.emplace(on);
    switch (s_.Choose(3)) {
      case 0:
        return ReadByFunction(on);
      case 1:
        return ReadSome(on);
      default:
        // What the stream begins with, its number, then frames.
        return ReadPart(on, 1, false);
    }
  }

  void Close(On& on) {
    channel_.Close(on);
    has_given_up_ = true;
  }

  // Nothing more will come, and why.
  bool is_over() const { return has_given_up_ || has_ended_ || has_failed_; }
  bool has_ended() const { return has_ended_ && !has_given_up_; }
  const std::string& text() const { return text_; }
  bool has_socket() const { return channel_.is_open(); }

 private:
  void ReadByFunction(On& on) {
    // It was closed after what was read, and before this was told of it.
    if (!channel_.is_open()) return;
    const absl::Status status =
        channel_.OnData(on, [this](On& on, Received in) {
          s_.Check(!is_over(), "nothing is received after the end");
          if (!in.ok() || in.end()) return End(on, in.status());
          text_ += in.text();
          if (s_.OneIn(8)) {
            // On by another way.
            channel_.StopData(on);
            s_.OneIn(2) ? ReadSome(on) : ReadByFunction(on);
          }
        });
    s_.Check(status.ok(), "an open channel can be read");
  }
  void ReadSome(On& on) {
    channel_.Read(on, 1 + s_.Choose(100))
        .Then(*scope_, [this](On& on, absl::StatusOr<std::string> text) {
          if (!text.ok() || text->empty()) return End(on, text.status());
          text_ += *text;
          s_.OneIn(8) ? ReadByFunction(on) : ReadSome(on);
        });
  }
  void ReadPart(On& on, std::size_t size, bool is_length) {
    channel_.ReadExactly(on, size).Then(
        *scope_, [this, is_length](On& on, absl::StatusOr<std::string> text) {
          if (!text.ok()) {
            // What came of it is there for the next one.
            if (absl::IsOutOfRange(text.status())) return ReadSome(on);
            return End(on, text.status());
          }
          text_ += *text;
          const std::size_t size =
              is_length ? static_cast<std::uint8_t>(text->front()) : 0;
          if (size > 0) return ReadPart(on, size, false);
          ReadPart(on, 1, true);
        });
  }
  void End(On& on, const absl::Status& status) {
    (status.ok() ? has_ended_ : has_failed_) = true;
    if (s_.OneIn(2)) channel_.Close(on);
  }

  Schedule& s_;
  std::string text_;
  bool has_ended_ = false;
  bool has_failed_ = false;
  bool has_given_up_ = false;
  Channel channel_;
  std::optional<TaskScope<Loop>> scope_;
};

class Streams {
 public:
  static SimulatedOptions Options(std::uint64_t seed) {
    SimulatedOptions options;
    options.seed = seed;
    // Some run without faults, so that all must go well.
    if (seed % 4 != 0) options.faults = SimulatedFaults::All();
    options.buffer_size = std::size_t{1} << (4 + seed / 4 % 8);
    return options;
  }

  static void Run(Schedule& schedule) { Streams(schedule).Run(); }

 private:
  static constexpr std::size_t kSendersMax = 8;

  explicit Streams(Schedule& schedule) : s_(schedule) {
    const char* const text = s_.OneIn(4)   ? "abstract:streams"
                             : s_.OneIn(3) ? "[::1]:7777"
                                           : "127.0.0.1:7777";
    address_ = SocketAddress::Parse(text).value();
    ServerOn([this](On& on) { Listen(on); });
  }

  void Run() {
    for (std::uint64_t i = 12 + s_.Choose(60); i > 0; --i) Act();
    const bool is_lost = s_.OneIn(8);
    if (is_lost) {
      s_.OneIn(2) ? LoseServer() : LoseClients();
    }
    // From here on nothing goes wrong, and all comes to an end.
    s_.world.SetFaults(SimulatedFaults::None());
    is_settling_ = true;
    if (server_.is_open()) {
      ServerOn([this](On& on) { Listen(on); });
    }
    s_.RunUntilIdle();
    if (!is_lost) {
      for (const auto& reader : readers_) {
        s_.Check(reader->is_over() || !HasSender(*reader) ||
                     !SenderOf(*reader).has_sent_all(),
                 "a reader gets to know of the end");
      }
      s_.Check(s_.world.open_sockets() == SocketsKnown(),
               "no client waits for ever, and no socket is without an owner");
    }
    CheckStreams();
    if (clients_.is_open()) {
      ClientsOn([this](On&) {
        for (auto& sender : senders_) sender->End();
      });
    }
    if (server_.is_open()) {
      ServerOn([this](On&) {
        listener_.reset();
        readers_.clear();
      });
    }
    s_.RunUntilIdle();
    s_.Check(s_.world.open_sockets() == 0, "every socket is closed");
    s_.Check(function_.IsOver(), "a client function is destroyed");
    for (Home* home : {&server_, &clients_}) {
      if (!home->is_open()) continue;
      home->Enter([this](On& on) {
        s_.Check(on.executor().outstanding(on) == 0,
                 "nothing is outstanding when all is closed");
      });
    }
  }

  template <class F>
  void ServerOn(F f) {
    server_.Enter(f);
  }
  template <class F>
  void ClientsOn(F f) {
    clients_.Enter(f);
  }

  void Act() {
    switch (s_.Choose(10)) {
      case 0:
      case 1:
        return ClientsOn([this](On& on) { Connect(on); });
      case 2:
        return ServerOn([this](On& on) { ChangeListener(on); });
      case 3:
        if (senders_.empty() || !s_.OneIn(3)) return;
        return ClientsOn([this](On& on) {
          senders_[s_.Choose(senders_.size())]->Close(on);
        });
      case 4:
        if (readers_.empty() || !s_.OneIn(3)) return;
        return ServerOn([this](On& on) {
          readers_[s_.Choose(readers_.size())]->Close(on);
        });
      default:
        s_.Steps(1 + s_.Choose(16));
    }
  }

  void Connect(On& on) {
    if (senders_.size() == kSendersMax) return;
    senders_.push_back(std::make_unique<Sender>(
        s_, static_cast<std::uint8_t>(senders_.size())));
    senders_.back()->Connect(
        on, ResolveWithoutLookup(address_, AddressUse::kConnect)->front());
  }

  void ChangeListener(On& on) {
    switch (s_.Choose(6)) {
      case 0:
        if (listener_) listener_->RemoveClientFunc(on);
        return;
      case 1:
        if (listener_) listener_->Disconnect(on);
        return;
      case 2:
        listener_.reset();
        return;
      default:
        return Listen(on);
    }
  }

  // Has a listener, a socket and a client function, which may be there already.
  void Listen(On& on) {
    if (!listener_) listener_.emplace();
    if (!listener_->is_connected()) {
      s_.Check(listener_->Open(on, address_).ok(),
               "an address that is free can be listened on");
    }
    function_.schedule = &s_;
    function_.home = &server_;
    listener_->SetClientFunc(
        on, [this, token = Token(function_)](On& on, Channel channel) {
          s_.Check(token.is_here(), "a client function lives while it runs");
          s_.Check(server_.IsHere(), "a client function runs on its loop");
          if (s_.OneIn(16)) return;  // Does not want it.
          readers_.push_back(std::make_unique<Reader>(s_, std::move(channel)));
          readers_.back()->Start(on);
          if (!is_settling_ && s_.OneIn(8)) ChangeListener(on);
        });
  }

  // A reader knows its sender by the first byte that it got.
  bool HasSender(const Reader& reader) const {
    return !reader.text().empty() &&
           static_cast<std::size_t>(reader.text()[0]) < senders_.size();
  }
  const Sender& SenderOf(const Reader& reader) const {
    return *senders_[static_cast<std::size_t>(reader.text()[0])];
  }

  std::size_t SocketsKnown() const {
    std::size_t count = listener_->size();
    for (const auto& sender : senders_) count += sender->has_socket();
    for (const auto& reader : readers_) count += reader->has_socket();
    return count;
  }

  void CheckStreams() {
    std::array<int, kSendersMax> readers{};
    for (const auto& reader : readers_) {
      const std::string& text = reader->text();
      if (text.empty()) continue;
      s_.Check(HasSender(*reader), "a stream begins as it was sent");
      if (!HasSender(*reader)) continue;
      const Sender& sender = SenderOf(*reader);
      s_.world.Note(text.size());
      s_.Check(sender.text().starts_with(text),
               "what is received is a prefix of what was sent");
      if (sender.has_sent_all() && reader->has_ended()) {
        s_.Check(text == sender.text(),
                 "a stream that ended well has all that was sent");
      }
      s_.Check(++readers[static_cast<std::size_t>(text[0])] == 1,
               "a connection is handed out once");
    }
  }

  void LoseServer() {
    server_.End();
    listener_.reset();
  }
  void LoseClients() { clients_.End(); }

  Schedule& s_;
  bool is_settling_ = false;
  Life function_;
  SocketAddress address_ = SocketAddress::Unix("");
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::optional<NetListener<Loop>> listener_;
  Home server_{s_};
  Home clients_{s_};
};

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_STREAMS_H_
