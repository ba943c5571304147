// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/limit_server.cc
//
// What the machine can do, for server.h: epoll and the system calls of each
// operation, without a library. What a socket does not take is lost.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "qio/benchmarks/server.h"

namespace {

using bench::Workload;

int Serve(int listener) {
  const Workload workload = bench::WorkloadOfFlags();
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  // Edge-triggered, as it is emptied each time.
  watch(listener, EPOLLIN | EPOLLET);
  std::array<epoll_event, 256> events;
  for (;;) {
    const int n = ::epoll_wait(epoll, events.data(), 256, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (;;) {
          const int client = ::accept4(listener, nullptr, nullptr,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC);
          if (client < 0) break;
          if (workload == Workload::kAccept) {
            ::close(client);
            if (bench::LastHasGone()) return 0;
            continue;
          }
          bench::NoDelay(client);
          watch(client, workload == Workload::kSource ? EPOLLOUT : EPOLLIN);
        }
        continue;
      }
      ssize_t done = 0;
      if (workload == Workload::kSource) {
        done = ::send(fd, bench::chunk.data(), bench::kChunk, MSG_NOSIGNAL);
      } else {
        done = ::recv(fd, bench::chunk.data(), bench::kChunk, 0);
        if (done > 0 && workload == Workload::kEcho) {
          (void)::send(fd, bench::chunk.data(), static_cast<std::size_t>(done),
                       MSG_NOSIGNAL);
        }
      }
      if (done > 0) continue;
      ::close(fd);
      if (bench::LastHasGone()) return 0;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return Serve(bench::ListeningSocket(argc, argv));
}
