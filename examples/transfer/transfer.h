// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/examples/transfer/transfer.h
//
// A file goes from a Source to a Destination over a main channel and several
// data streams, as a virtual machine's memory does in QEMU's multifd migration
// (migration/multifd.c). Written once, for any executor E.
//
// The protocol: every message is a line of text, padded to kMessageSize bytes.
//
//   main, to the destination:    "main" SIZE STREAMS
//   data, to the destination:    "data" STREAM OFFSET SIZE SHA256
//                                and then the part itself
//   main, back to the source:    "ok" SHA256, or "failed" WHY

#ifndef QIO_EXAMPLES_TRANSFER_TRANSFER_H_
#define QIO_EXAMPLES_TRANSFER_TRANSFER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/examples/transfer/part_file.h"
#include "qio/examples/transfer/report.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/task.h"
#include "qio/task_scope.h"

namespace four_streams {

inline constexpr std::size_t kMessageSize = 256;
inline constexpr std::uint64_t kStreamsMax = 256;
// What a worker reads or writes at a time.
inline constexpr std::uint64_t kChunkSize = std::uint64_t{1} << 20;

inline std::string Message(const std::string& text) {
  std::string message = text.substr(0, kMessageSize - 1) + '\n';
  message.resize(kMessageSize, ' ');
  return message;
}

// The words of a message; those that are missing are empty or zero.
struct Words {
  explicit Words(const std::string& message) : stream(message) {
    stream >> kind;
  }
  template <class T>
  T Next() {
    T value{};
    stream >> value;
    return value;
  }
  std::string Rest() {
    std::string text;
    std::getline(stream >> std::ws, text);
    return text;
  }

  std::string kind;
  std::istringstream stream;
};

// A file that went to a worker and came back, with what was read from it.
struct Chunk {
  qio::OwnedFd file;
  std::string bytes;
};

// Sends a file. Lives on the loop; destroying it ends all it does.
template <class E>
class Source {
 public:
  using On = qio::OnLoop<E>;
  using Channel = qio::SocketChannel<E>;
  using Done = std::function<void(On&, absl::Status)>;

  // `report` outlives this object; `done` is called once, and may destroy it.
  Source(On& on, qio::OwnedFd file, std::uint64_t file_size, Report& report,
         Done done)
      : file_(std::move(file)),
        file_size_(file_size),
        report_(report),
        done_(std::move(done)),
        scope_(on) {}

  void Start(On& on, const qio::SocketAddress& to) {
    Channel::Connect(on, to).Then(
        scope_, [this, to](On& on, absl::StatusOr<Channel> channel) {
          if (!channel.ok()) return Finish(on, channel.status());
          main_ = *std::move(channel);
          Announce(on, to);
        });
  }

 private:
  struct Stream {
    Channel channel;
    PreparedPart prepared;
    std::uint64_t sent = 0;
  };

  void Announce(On& on, const qio::SocketAddress& to) {
    main_
        .WriteAll(on, Message("main " + std::to_string(file_size_) + ' ' +
                              std::to_string(report_.streams)))
        .Then(scope_, [this, to](On& on, absl::Status status) {
          if (!status.ok()) return Finish(on, status);
          AwaitReply(on);
          streams_.resize(report_.streams);
          for (std::uint64_t i = 0; i < report_.streams; ++i) {
            Connect(on, i, to);
          }
        });
  }

  void Connect(On& on, std::uint64_t i, const qio::SocketAddress& to) {
    Channel::Connect(on, to).Then(
        scope_, [this, i](On& on, absl::StatusOr<Channel> channel) {
          if (!channel.ok()) return Finish(on, channel.status());
          streams_[i].channel = *std::move(channel);
          // All are connected: each starts its worker.
          if (++connected_ == streams_.size()) PrepareAll(on);
        });
  }

  void PrepareAll(On& on) {
    for (std::uint64_t i = 0; i < streams_.size(); ++i) {
      absl::StatusOr<qio::OwnedFd> file = file_.Duplicate();
      if (!file.ok()) return Finish(on, file.status());
      // Blocking work, on a thread of its own; then, on the loop, the transfer.
      qio::RunInThread(on, &Prepare, *std::move(file),
                       PartOf(file_size_, streams_.size(), i))
          .Then(scope_, [this, i](On& on, absl::StatusOr<PreparedPart> part) {
            if (!part.ok()) return Finish(on, part.status());
            report_.Worker(i, part->thread_id);
            report_.Completion(i);
            streams_[i].prepared = *std::move(part);
            SendHeader(on, i);
          });
    }
  }

  void SendHeader(On& on, std::uint64_t i) {
    const PreparedPart& prepared = streams_[i].prepared;
    streams_[i]
        .channel
        .WriteAll(on, Message("data " + std::to_string(i) + ' ' +
                              std::to_string(prepared.part.offset) + ' ' +
                              std::to_string(prepared.part.size) + ' ' +
                              prepared.sha256))
        .Then(scope_, [this, i](On& on, absl::Status status) {
          if (!status.ok()) return Finish(on, status);
          SendNext(on, i);
        });
  }

  void SendNext(On& on, std::uint64_t i) {
    Stream& stream = streams_[i];
    const Part& part = stream.prepared.part;
    if (stream.sent == part.size) return;  // The destination replies.
    qio::RunInThread(
        on,
        [](qio::OwnedFd file, std::uint64_t offset,
           std::uint64_t size) -> absl::StatusOr<Chunk> {
          absl::StatusOr<std::string> bytes = ReadAt(file, offset, size);
          if (!bytes.ok()) return bytes.status();
          if (bytes->empty()) return absl::DataLossError("the file has shrunk");
          return Chunk{std::move(file), *std::move(bytes)};
        },
        std::move(stream.prepared.file), part.offset + stream.sent,
        std::min(kChunkSize, part.size - stream.sent))
        .Then(scope_, [this, i](On& on, absl::StatusOr<Chunk> chunk) {
          if (!chunk.ok()) return Finish(on, chunk.status());
          streams_[i].prepared.file = std::move(chunk->file);
          SendChunk(on, i, std::move(chunk->bytes));
        });
  }

  void SendChunk(On& on, std::uint64_t i, std::string bytes) {
    const std::uint64_t size = bytes.size();
    streams_[i]
        .channel.WriteAll(on, std::move(bytes))
        .Then(scope_, [this, i, size](On& on, absl::Status status) {
          if (!status.ok()) return Finish(on, status);
          streams_[i].sent += size;
          report_.bytes += size;
          bar_.Show(report_.bytes, file_size_);
          SendNext(on, i);
        });
  }

  void AwaitReply(On& on) {
    main_.ReadExactly(on, kMessageSize)
        .Then(scope_, [this](On& on, absl::StatusOr<std::string> message) {
          if (!message.ok()) {
            return Finish(on, absl::UnavailableError(
                                  "the destination went away: " +
                                  std::string(message.status().message())));
          }
          Words words(*message);
          if (words.kind != "ok") {
            return Finish(on, absl::AbortedError("the destination failed: " +
                                                 words.Rest()));
          }
          std::string checksums;
          for (const Stream& stream : streams_) {
            checksums += stream.prepared.sha256;
          }
          report_.checksum = words.Next<std::string>();
          if (report_.checksum != Combine(checksums)) {
            return Finish(on, absl::DataLossError("the checksums differ"));
          }
          Finish(on, absl::OkStatus());
        });
  }

  void Finish(On& on, absl::Status status) {
    report_.end = Report::Clock::now();
    bar_.Clear();
    if (done_ == nullptr) return;
    std::exchange(done_, nullptr)(on, std::move(status));
  }

  qio::OwnedFd file_;
  const std::uint64_t file_size_;
  Report& report_;
  Done done_;
  ProgressBar bar_;
  Channel main_;
  std::vector<Stream> streams_;
  std::uint64_t connected_ = 0;
  qio::TaskScope<E> scope_;  // Last: ends first.
};

// Receives one file. Lives on the loop; destroying it ends all it does.
template <class E>
class Destination {
 public:
  using On = qio::OnLoop<E>;
  using Channel = qio::SocketChannel<E>;
  using Done = std::function<void(On&, absl::Status)>;
  using Listening = std::function<void(On&, const qio::SocketAddress&)>;

  // `report` outlives this object; `done` is called once, and may destroy it.
  Destination(On& on, qio::OwnedFd file, Report& report, Done done)
      : file_(std::move(file)),
        report_(report),
        done_(std::move(done)),
        scope_(on) {}

  // Waits for a source; tells `listening` where.
  void Start(On& on, const qio::SocketAddress& at, Listening listening) {
    listener_.OpenByName(on, at).Then(
        scope_,
        [this, listening = std::move(listening)](On& on, auto attempts) {
          if (!attempts.ok()) return Finish(on, attempts.status());
          listener_.SetClientFunc(on, [this](On& on, Channel channel) {
            OnClient(on, std::move(channel));
          });
          listening(on, listener_.addresses().front().ToSocketAddress());
        });
  }

 private:
  struct Stream {
    Channel channel;
    qio::OwnedFd file;
    Part part;
    std::string sha256;
    std::uint64_t received = 0;
    bool is_verified = false;
  };

  void OnClient(On& on, Channel channel) {
    auto client = std::make_shared<Channel>(std::move(channel));
    client->ReadExactly(on, kMessageSize)
        .Then(scope_, [this, client](On& on,
                                     absl::StatusOr<std::string> message) {
          if (!message.ok()) return Fail(on, message.status());
          Words words(*message);
          if (words.kind == "main") {
            OnMain(on, std::move(*client), words);
          } else if (words.kind == "data") {
            OnStream(on, std::move(*client), words);
          } else {
            Fail(on,
                 absl::InvalidArgumentError("a client speaks something else"));
          }
        });
  }

  void OnMain(On& on, Channel channel, Words& words) {
    main_ = std::move(channel);
    size_ = words.Next<std::uint64_t>();
    streams_expected_ = words.Next<std::uint64_t>();
    if (streams_expected_ == 0 || streams_expected_ > kStreamsMax) {
      return Fail(on, absl::InvalidArgumentError("a manifest makes no sense"));
    }
    report_.begin = Report::Clock::now();
    report_.streams = streams_expected_;
    // It says nothing more: what comes is its end.
    main_.Read(on, 1).Then(scope_, [this](On& on, absl::StatusOr<std::string>) {
      Fail(on, absl::UnavailableError("the source went away"));
    });
    FinishIfComplete(on);
  }

  void OnStream(On& on, Channel channel, Words& words) {
    const auto i = words.Next<std::uint64_t>();
    Stream& stream = streams_[i];
    stream.part.stream = i;
    stream.part.offset = words.Next<std::uint64_t>();
    stream.part.size = words.Next<std::uint64_t>();
    stream.sha256 = words.Next<std::string>();
    if (stream.channel.is_open() || i >= kStreamsMax) {
      return Fail(on, absl::InvalidArgumentError("a stream makes no sense"));
    }
    stream.channel = std::move(channel);
    absl::StatusOr<qio::OwnedFd> file = file_.Duplicate();
    if (!file.ok()) return Fail(on, file.status());
    stream.file = *std::move(file);
    Receive(on, stream);
  }

  void Receive(On& on, Stream& stream) {
    const std::uint64_t left = stream.part.size - stream.received;
    if (left == 0) return Verify(on, stream);
    stream.channel.ReadExactly(on, std::min(kChunkSize, left))
        .Then(scope_,
              [this, &stream](On& on, absl::StatusOr<std::string> bytes) {
                if (!bytes.ok()) return Fail(on, bytes.status());
                Store(on, stream, *std::move(bytes));
              });
  }

  void Store(On& on, Stream& stream, std::string bytes) {
    const std::uint64_t offset = stream.part.offset + stream.received;
    stream.received += bytes.size();
    report_.bytes += bytes.size();
    qio::RunInThread(
        on,
        [](qio::OwnedFd file, std::uint64_t offset,
           std::string bytes) -> absl::StatusOr<qio::OwnedFd> {
          absl::Status status = WriteAt(file, offset, bytes);
          if (!status.ok()) return status;
          return file;
        },
        std::move(stream.file), offset, std::move(bytes))
        .Then(scope_,
              [this, &stream](On& on, absl::StatusOr<qio::OwnedFd> file) {
                if (!file.ok()) return Fail(on, file.status());
                stream.file = *std::move(file);
                Receive(on, stream);
              });
  }

  // Reads back what was stored.
  void Verify(On& on, Stream& stream) {
    qio::RunInThread(on, &Prepare, std::move(stream.file), stream.part)
        .Then(scope_,
              [this, &stream](On& on, absl::StatusOr<PreparedPart> part) {
                if (!part.ok()) return Fail(on, part.status());
                report_.Worker(stream.part.stream, part->thread_id);
                report_.Completion(stream.part.stream);
                if (part->sha256 != stream.sha256) {
                  return Fail(on, absl::DataLossError("the checksums differ"));
                }
                stream.is_verified = true;
                FinishIfComplete(on);
              });
  }

  void FinishIfComplete(On& on) {
    if (streams_expected_ == 0 || streams_.size() != streams_expected_) return;
    std::string checksums;
    std::uint64_t size = 0;
    for (const auto& [i, stream] : streams_) {
      if (!stream.is_verified) return;
      checksums += stream.sha256;
      size += stream.part.size;
    }
    if (size != size_) {
      return Fail(on, absl::DataLossError("the parts are not the whole"));
    }
    report_.checksum = Combine(checksums);
    Reply(on, "ok " + report_.checksum, absl::OkStatus());
  }

  void Fail(On& on, absl::Status status) {
    if (!main_.is_open()) return Finish(on, std::move(status));
    Reply(on, "failed " + std::string(status.message()), status);
  }

  void Reply(On& on, const std::string& text, absl::Status status) {
    if (std::exchange(has_replied_, true)) return;
    main_.WriteAll(on, Message(text))
        .Then(scope_, [this, status](On& on, absl::Status written) {
          Finish(on, status.ok() ? written : status);
        });
  }

  void Finish(On& on, absl::Status status) {
    report_.end = Report::Clock::now();
    if (done_ == nullptr) return;
    std::exchange(done_, nullptr)(on, std::move(status));
  }

  qio::OwnedFd file_;
  Report& report_;
  Done done_;
  qio::NetListener<E> listener_;
  Channel main_;
  std::uint64_t size_ = 0;
  std::uint64_t streams_expected_ = 0;  // 0: the manifest has not come.
  std::map<std::uint64_t, Stream> streams_;
  bool has_replied_ = false;
  qio::TaskScope<E> scope_;  // Last: ends first.
};

}  // namespace four_streams

#endif  // QIO_EXAMPLES_TRANSFER_TRANSFER_H_
