// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/server.h
//
// What the servers have in common: each contestant is a program that listens,
// prints a line with its port, and serves --clients clients, or until it is
// killed. load.cc is the other side.
//
//   --workload=accept  closes each client at once
//             =echo    sends back what it is sent
//             =sink    reads what it is sent
//             =source  sends 64 KiB again and again

#ifndef QIO_BENCHMARKS_SERVER_H_
#define QIO_BENCHMARKS_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(std::string, loop, "", "the contestant, if the program has several");
ABSL_FLAG(std::string, workload, "echo", "accept, echo, sink or source");
ABSL_FLAG(std::string, unix_path, "", "listen there instead of 127.0.0.1");
ABSL_FLAG(int, clients, 0, "end when so many have gone; 0: never");

namespace bench {

enum class Workload { kAccept, kEcho, kSink, kSource };

// What one call reads or writes at most.
inline constexpr std::size_t kChunk = 65536;
using Chunk = std::array<char, kChunk>;
inline Chunk chunk{};

inline Workload WorkloadOfFlags() {
  const std::string name = absl::GetFlag(FLAGS_workload);
  if (name == "accept") return Workload::kAccept;
  if (name == "echo") return Workload::kEcho;
  if (name == "sink") return Workload::kSink;
  if (name == "source") return Workload::kSource;
  std::fprintf(stderr, "--workload=%s\n", name.c_str());
  std::exit(2);
}

// Counts clients that have gone: whether that was the last one.
inline bool LastHasGone() {
  static int gone = 0;
  return ++gone == absl::GetFlag(FLAGS_clients);
}

inline void NoDelay(int fd) {
  if (!absl::GetFlag(FLAGS_unix_path).empty()) return;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Parses the flags, and returns a socket that listens and does not block. Its
// port is printed.
inline int ListeningSocket(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  const std::string path = absl::GetFlag(FLAGS_unix_path);
  const int family = path.empty() ? AF_INET : AF_UNIX;
  const int fd =
      ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in ip{};
  ip.sin_family = AF_INET;
  ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::strncpy(local.sun_path, path.c_str(), sizeof local.sun_path - 1);
  auto* name = path.empty() ? reinterpret_cast<sockaddr*>(&ip)
                            : reinterpret_cast<sockaddr*>(&local);
  socklen_t size = path.empty() ? sizeof ip : sizeof local;
  if (::bind(fd, name, size) != 0 || ::listen(fd, 4096) != 0) {
    std::perror("listen");
    std::exit(1);
  }
  if (path.empty()) ::getsockname(fd, name, &size);
  std::printf("%d\n", ntohs(ip.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace bench

#endif  // QIO_BENCHMARKS_SERVER_H_
