// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/asio_server.cc
//
// Asio as its users use it, for server.h: an acceptor, and sockets that read
// and write by callbacks.

#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/write.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/flags/flag.h"
#include "qio/benchmarks/server.h"

namespace {

using bench::Workload;

Workload workload;
asio::io_context context{1};

void Gone() {
  if (bench::LastHasGone()) context.stop();
}

template <class Protocol>
class Client : public std::enable_shared_from_this<Client<Protocol>> {
 public:
  explicit Client(typename Protocol::socket socket)
      : socket_(std::move(socket)) {
    socket_.non_blocking(true);
    bench::NoDelay(socket_.native_handle());
  }
  ~Client() { Gone(); }

  void Read() {
    socket_.async_read_some(
        asio::buffer(bytes_),
        [self = this->shared_from_this()](const asio::error_code& error,
                                          std::size_t size) {
          if (error) return;
          if (workload == Workload::kEcho) {
            self->Write(asio::buffer(self->bytes_, size));
          } else {
            self->Read();
          }
        });
  }

  void Write(asio::const_buffer bytes) {
    asio::async_write(socket_, bytes,
                      [self = this->shared_from_this(), bytes](
                          const asio::error_code& error, std::size_t) {
                        if (error) return;
                        if (workload == Workload::kEcho) {
                          self->Read();
                        } else {
                          self->Write(bytes);
                        }
                      });
  }

 private:
  typename Protocol::socket socket_;
  // One each: what it holds outlives its callback.
  std::array<char, 4096> bytes_;
};

// Reads more at a time.
template <class Protocol>
class Sink : public std::enable_shared_from_this<Sink<Protocol>> {
 public:
  explicit Sink(typename Protocol::socket socket)
      : socket_(std::move(socket)) {}
  ~Sink() { Gone(); }

  void Read() {
    socket_.async_read_some(asio::buffer(bench::chunk),
                            [self = this->shared_from_this()](
                                const asio::error_code& error, std::size_t) {
                              if (!error) self->Read();
                            });
  }

 private:
  typename Protocol::socket socket_;
};

template <class Protocol>
class Server {
 public:
  Server(Protocol protocol, int fd) : acceptor_(context, protocol, fd) {
    Accept();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](const asio::error_code& error,
                                  typename Protocol::socket socket) {
      if (error) return;
      Accept();
      switch (workload) {
        case Workload::kAccept:
          socket.close();
          return Gone();
        case Workload::kSink:
          return std::make_shared<Sink<Protocol>>(std::move(socket))->Read();
        case Workload::kEcho:
          return std::make_shared<Client<Protocol>>(std::move(socket))->Read();
        case Workload::kSource:
          return std::make_shared<Client<Protocol>>(std::move(socket))
              ->Write(asio::buffer(bench::chunk));
      }
    });
  }

  typename Protocol::acceptor acceptor_;
};

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::ListeningSocket(argc, argv);
  workload = bench::WorkloadOfFlags();
  if (absl::GetFlag(FLAGS_unix_path).empty()) {
    Server<asio::ip::tcp> server(asio::ip::tcp::v4(), fd);
    context.run();
  } else {
    Server<asio::local::stream_protocol> server({}, fd);
    context.run();
  }
  return 0;
}
