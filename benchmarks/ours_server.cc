// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/ours_server.cc
//
// qio's NetListener and SocketChannel on each executor, for server.h.

#include <glib.h>

#include <asio/io_context.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "qio/benchmarks/server.h"
#include "qio/executors/asio.h"
#include "qio/executors/epoll.h"
#include "qio/executors/glib.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_channel.h"
#include "qio/owned_fd.h"
#include "qio/post.h"

namespace {

using bench::Workload;

// `Stop` ends the loop; called on it.
template <class E, class Stop>
class Server {
 public:
  using On = qio::OnLoop<E>;
  using Channel = qio::SocketChannel<E>;

  explicit Server(Stop stop) : stop_(stop) {}

  void Start(On& on, int fd) {
    if (auto added = listener_.Add(on, qio::OwnedFd(fd)); !added.ok()) {
      std::fprintf(stderr, "%s\n", added.ToString().c_str());
      return stop_(on);
    }
    if (workload_ == Workload::kAccept) {
      listener_.SetClientFunc(on, [this](On& on, Channel) {
        if (bench::LastHasGone()) stop_(on);
      });
      return;
    }
    listener_.SetClientFunc(on, [this](On& on, Channel channel) {
      clients_.push_back(std::make_unique<Channel>(std::move(channel)));
      Serve(on, *clients_.back());
    });
  }

  void End() {
    clients_.clear();
    listener_ = {};
  }

 private:
  void Serve(On& on, Channel& client) {
    absl::Status status =
        client.OnData(on, [this, &client](On& on, qio::Received in) {
          if (in.ok() && !in.end()) {
            if (workload_ == Workload::kEcho) {
              (void)client.TryWrite(on, in.bytes());
            }
            return;
          }
          client.Close(on);
          if (bench::LastHasGone()) stop_(on);
        });
    if (workload_ == Workload::kSource && status.ok()) {
      status =
          client.OnWritable(on, [this, &client](On& on) { Fill(on, client); });
      Fill(on, client);
    }
    if (!status.ok()) stop_(on);
  }

  // Until the kernel takes no more.
  static void Fill(On& on, Channel& client) {
    constexpr int kRoundsMax = 16;
    const std::string_view chunk(bench::chunk.data(), bench::chunk.size());
    for (int i = 0; i < kRoundsMax; ++i) {
      auto written = client.TryWrite(on, chunk);
      if (!written.ok() || *written < chunk.size()) return;
    }
    // Others have their turn.
    qio::Post(on, [&client](On& on) { Fill(on, client); });
  }

  const Workload workload_ = bench::WorkloadOfFlags();
  Stop stop_;
  qio::NetListener<E> listener_;
  std::vector<std::unique_ptr<Channel>> clients_;
};

void RunEpoll(int fd) {
  using E = qio::EpollExecutor;
  auto loop = *E::Create();
  const auto stop = [](qio::OnLoop<E>& on) { on.executor().Stop(on); };
  Server<E, decltype(stop)> server(stop);
  (void)loop->Run([&](auto& on) { server.Start(on, fd); });
  server.End();
}

void RunGlib(int fd) {
  using E = qio::GlibExecutor;
  GMainLoop* main_loop = g_main_loop_new(nullptr, FALSE);
  auto loop = *E::Create();
  const auto stop = [&](qio::OnLoop<E>&) { g_main_loop_quit(main_loop); };
  Server<E, decltype(stop)> server(stop);
  (void)loop->Enter([&](auto& on) { server.Start(on, fd); });
  g_main_loop_run(main_loop);
  server.End();
  g_main_loop_unref(main_loop);
}

void RunAsio(int fd) {
  using E = qio::AsioExecutor;
  asio::io_context context;
  auto loop = *E::Create(context);
  const auto stop = [&](qio::OnLoop<E>&) { context.stop(); };
  Server<E, decltype(stop)> server(stop);
  (void)loop->Enter([&](auto& on) { server.Start(on, fd); });
  context.run();
  server.End();
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::ListeningSocket(argc, argv);
  const std::string loop = absl::GetFlag(FLAGS_loop);
  if (loop == "epoll") {
    RunEpoll(fd);
  } else if (loop == "glib") {
    RunGlib(fd);
  } else if (loop == "asio") {
    RunAsio(fd);
  } else {
    std::fprintf(stderr, "--loop=%s: epoll, glib or asio\n", loop.c_str());
    return 2;
  }
  return 0;
}
