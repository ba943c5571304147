// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/echo_client.cc
//
// Loads an echo server on --port: --connections connections, each of which
// sends 64 bytes, waits for them, and sends the next, until --round_trips have
// been made in all. In a process of its own, so that only the server counts.
//
// With --server_pid the server is stopped while all send, so that it finds the
// same number of ready connections in every run.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(int, port, 0, "where the server listens, on 127.0.0.1");
ABSL_FLAG(int, connections, 64, "how many connections");
ABSL_FLAG(int, round_trips, 10000, "how many in all");
ABSL_FLAG(int, idle, 0, "connections besides, that say nothing");
ABSL_FLAG(int, server_pid, 0, "the server's process, to stop and continue");

namespace {

constexpr int kMessage = 64;

int Connect() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(absl::GetFlag(FLAGS_port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
      0) {
    std::perror("connect");
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Stops the server, and waits until all of it has stopped.
void Stop(pid_t server) {
  if (server == 0) return;
  ::kill(server, SIGSTOP);
  const std::string path = "/proc/" + std::to_string(server) + "/stat";
  for (char state = 0; state != 'T';) {
    std::ifstream file(path);
    std::string pid, name;
    if (!(file >> pid >> name >> state)) return;
  }
}

void Continue(pid_t server) {
  if (server != 0) ::kill(server, SIGCONT);
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string message(kMessage, 'x');
  for (int i = 0; i < absl::GetFlag(FLAGS_idle); ++i) {
    if (Connect() < 0) return 1;
  }
  std::vector<pollfd> fds;
  for (int i = 0; i < absl::GetFlag(FLAGS_connections); ++i) {
    const int fd = Connect();
    if (fd < 0) return 1;
    fds.push_back({fd, POLLIN, 0});
  }
  // All send, then all receive: the server finds as many ready each time.
  const pid_t server = absl::GetFlag(FLAGS_server_pid);
  int left = absl::GetFlag(FLAGS_round_trips);
  while (left > 0) {
    Stop(server);
    for (const pollfd& fd : fds) {
      if (::send(fd.fd, message.data(), kMessage, MSG_NOSIGNAL) != kMessage) {
        std::perror("send");
        Continue(server);
        return 1;
      }
    }
    Continue(server);
    for (const pollfd& fd : fds) {
      for (int got = 0; got < kMessage;) {
        char buffer[kMessage];
        const ssize_t n = ::recv(fd.fd, buffer, sizeof buffer, 0);
        if (n <= 0) {
          std::fprintf(stderr, "the server closed a connection\n");
          return 1;
        }
        got += static_cast<int>(n);
      }
      --left;
    }
  }
  return 0;
}
