// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/echo_server.cc
//
// Echoes what --connections clients say, until they have all gone, and does
// nothing else, so that a profiler counts it. Prints its port on 127.0.0.1.
// --loop=g_unix_fd is the peer: a GLib source for each descriptor. For
// echo_client.

#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/asio.h"
#include "qio/executors/epoll.h"
#include "qio/executors/glib.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"

ABSL_FLAG(std::string, loop, "epoll", "epoll, glib, asio or g_unix_fd");
ABSL_FLAG(int, connections, 64, "how many clients speak");
ABSL_FLAG(int, idle, 0, "how many connect besides, and say nothing");

namespace {

// The clients that connect first say nothing, those that come then speak.
bool IsAllThereIs(int clients) {
  return clients ==
         absl::GetFlag(FLAGS_idle) + absl::GetFlag(FLAGS_connections);
}

void PrintPort(int port) {
  std::printf("%d\n", port);
  std::fflush(stdout);
}

template <class E>
class Server {
 public:
  using On = qio::OnLoop<E>;
  using Channel = qio::SocketChannel<E>;

  // `stop` ends the loop; called on it.
  template <class Stop>
  void Start(On& on, Stop stop) {
    qio::ListenOptions options;
    options.backlog = 4096;
    auto opened =
        listener_.Open(on, *qio::SocketAddress::Parse("127.0.0.1:0"), options);
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
      return stop(on);
    }
    listener_.SetClientFunc(on, [this, stop](On& on, Channel channel) {
      clients_.push_back(std::make_unique<Channel>(std::move(channel)));
      Serve(on, *clients_.back(), stop);
    });
    PrintPort(listener_.addresses().front().port());
  }

  void End() {
    clients_.clear();
    listener_ = {};
  }

 private:
  template <class Stop>
  void Serve(On& on, Channel& client, Stop stop) {
    absl::Status status =
        client.OnData(on, [this, &client, stop](On& on, qio::Received in) {
          if (in.ok() && !in.end()) {
            (void)client.TryWrite(on, in.bytes());
            return;
          }
          // They leave together.
          client.Close(on);
          if (IsAllThereIs(++gone_)) stop(on);
        });
    if (!status.ok()) stop(on);
  }

  qio::NetListener<E> listener_;
  std::vector<std::unique_ptr<Channel>> clients_;
  int gone_ = 0;
};

void RunEpoll() {
  auto loop = *qio::EpollExecutor::Create();
  Server<qio::EpollExecutor> server;
  (void)loop->Run([&](auto& on) {
    server.Start(on, [](auto& on) { on.executor().Stop(on); });
  });
  server.End();
}

void RunGlib() {
  GMainLoop* main_loop = g_main_loop_new(nullptr, FALSE);
  auto loop = *qio::GlibExecutor::Create();
  Server<qio::GlibExecutor> server;
  (void)loop->Enter([&](auto& on) {
    server.Start(on, [main_loop](auto&) { g_main_loop_quit(main_loop); });
  });
  g_main_loop_run(main_loop);
  server.End();
  g_main_loop_unref(main_loop);
}

void RunAsio() {
  asio::io_context context;
  auto loop = *qio::AsioExecutor::Create(context);
  Server<qio::AsioExecutor> server;
  (void)loop->Enter([&](auto& on) {
    server.Start(on, [&context](auto&) { context.stop(); });
  });
  context.run();
  server.End();
}

// The peer, without any library's sockets: a source a descriptor.
class UnixFdServer {
 public:
  void Run() {
    const int listener =
        ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener, name, size) != 0 || ::listen(listener, 4096) != 0 ||
        ::getsockname(listener, name, &size) != 0) {
      std::perror("listen");
      return;
    }
    g_unix_fd_add(listener, G_IO_IN, &OnClient, this);
    PrintPort(ntohs(address.sin_port));
    g_main_loop_run(loop_);
    g_main_loop_unref(loop_);
    ::close(listener);
  }

 private:
  static gboolean OnClient(gint listener, GIOCondition, gpointer self) {
    for (;;) {
      const int fd =
          ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return G_SOURCE_CONTINUE;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      g_unix_fd_add(fd, G_IO_IN, &OnData, self);
    }
  }

  static gboolean OnData(gint fd, GIOCondition, gpointer self) {
    static char buffer[65536];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got > 0) {
      (void)::send(fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL);
      return G_SOURCE_CONTINUE;
    }
    ::close(fd);
    auto& server = *static_cast<UnixFdServer*>(self);
    if (IsAllThereIs(++server.gone_)) g_main_loop_quit(server.loop_);
    return G_SOURCE_REMOVE;
  }

  GMainLoop* const loop_ = g_main_loop_new(nullptr, FALSE);
  int gone_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string loop = absl::GetFlag(FLAGS_loop);
  if (loop == "epoll") {
    RunEpoll();
  } else if (loop == "glib") {
    RunGlib();
  } else if (loop == "asio") {
    RunAsio();
  } else if (loop == "g_unix_fd") {
    UnixFdServer().Run();
  } else {
    std::fprintf(stderr, "--loop=%s: epoll, glib, asio or g_unix_fd\n",
                 loop.c_str());
    return 2;
  }
  return 0;
}
