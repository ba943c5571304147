// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/load.cc
//
// The client of all servers (server.h), in a process of its own, so that only
// the server counts. For --seconds it does as much as it can, and prints what
// that was as JSON: operations a second, and the server's processor time for
// each. With --count it does exactly so many, and prints nothing.
//
//   --workload=accept  --connections at a time connect and wait to be closed
//             =echo    each sends 64 bytes, waits for them, and sends the next
//             =sink    one sends 64 KiB again and again: that is an operation
//             =source  one receives 64 KiB again and again
//
// With --count the server is stopped while all send, so that it finds the same
// number of ready connections in every run.

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(std::string, workload, "echo", "accept, echo, sink or source");
ABSL_FLAG(int, port, 0, "where the server listens, on 127.0.0.1");
ABSL_FLAG(std::string, unix_path, "", "the server listens there instead");
ABSL_FLAG(int, connections, 64, "how many connections");
ABSL_FLAG(int, idle, 0, "connections besides, that say nothing");
ABSL_FLAG(double, seconds, 0.3, "how long to measure");
ABSL_FLAG(std::int64_t, count, 0, "how many operations, exactly");
ABSL_FLAG(int, server_pid, 0, "the server's process, to be looked at");

namespace {

constexpr int kMessage = 64;
constexpr int kChunk = 65536;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double Now() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

int Connect(int flags = 0) {
  const std::string path = absl::GetFlag(FLAGS_unix_path);
  const int fd = ::socket(path.empty() ? AF_INET : AF_UNIX,
                          SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) Fail("socket");
  sockaddr_in ip{};
  ip.sin_family = AF_INET;
  ip.sin_port = htons(static_cast<in_port_t>(absl::GetFlag(FLAGS_port)));
  ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::strncpy(local.sun_path, path.c_str(), sizeof local.sun_path - 1);
  const auto* name = path.empty() ? reinterpret_cast<sockaddr*>(&ip)
                                  : reinterpret_cast<sockaddr*>(&local);
  if (::connect(fd, name, path.empty() ? sizeof ip : sizeof local) != 0 &&
      errno != EINPROGRESS) {
    if (flags == 0 || errno != EAGAIN) Fail("connect");
    ::close(fd);
    return -1;  // The backlog is full.
  }
  if (path.empty()) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

// Closed by a reset, so that no port is left waiting.
void ResetAtClose(int fd) {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void Send(int fd, int size) {
  static std::array<char, kChunk> bytes{};
  const auto all = static_cast<std::size_t>(size);
  if (::send(fd, bytes.data(), all, MSG_NOSIGNAL) != size) Fail("send");
}

// 0: the other side has closed the connection.
int Receive(int fd) {
  static std::array<char, kChunk> bytes;
  const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
  if (n < 0 && errno != ECONNRESET) Fail("recv");
  return n < 0 ? 0 : static_cast<int>(n);
}

// The server's process: its processor time, and a way to hold it.
class Server {
 public:
  // Seconds that its threads have run.
  double Cpu() const {
    if (pid_ == 0) return 0;
    const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
    double seconds = 0;
    DIR* directory = ::opendir(tasks.c_str());
    if (directory == nullptr) return 0;
    while (const dirent* entry = ::readdir(directory)) {
      if (entry->d_name[0] == '.') continue;
      std::ifstream file(tasks + "/" + entry->d_name + "/schedstat");
      double ns = 0;
      if (file >> ns) seconds += ns / 1e9;
    }
    ::closedir(directory);
    return seconds;
  }

  // Returns when all of it has stopped.
  void Stop() const {
    if (pid_ == 0) return;
    ::kill(pid_, SIGSTOP);
    const std::string path = "/proc/" + std::to_string(pid_) + "/stat";
    for (char state = 0; state != 'T';) {
      std::ifstream file(path);
      std::string pid, name;
      if (!(file >> pid >> name >> state)) return;
    }
  }
  void Continue() const {
    if (pid_ != 0) ::kill(pid_, SIGCONT);
  }

 private:
  const pid_t pid_ = absl::GetFlag(FLAGS_server_pid);
};

// Counts operations after a while of warming up, until --seconds are over.
class Stopwatch {
 public:
  explicit Stopwatch(const Server& server) : server_(server) {}

  // False: time is over.
  bool Goes(std::int64_t operations) {
    const double now = Now();
    if (begin_ == 0) {
      if (now < warm_) return true;
      begin_ = now;
      cpu_ = server_.Cpu();
      return true;
    }
    count_ += operations;
    if (now - begin_ < absl::GetFlag(FLAGS_seconds)) return true;
    const double n = static_cast<double>(count_);
    std::printf("{\"per_second\": %.1f, \"cpu_ns\": %.1f}\n",
                n / (now - begin_), (server_.Cpu() - cpu_) * 1e9 / n);
    return false;
  }

 private:
  const Server& server_;
  const double warm_ = Now() + absl::GetFlag(FLAGS_seconds) / 4;
  double begin_ = 0, cpu_ = 0;
  std::int64_t count_ = 0;
};

class Epoll {
 public:
  void Add(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) Fail("epoll_ctl");
  }
  template <class F>
  void Wait(F f) {
    std::array<epoll_event, 1024> events;
    const int n = ::epoll_wait(epoll_, events.data(), 1024, 10'000);
    if (n <= 0) Fail("the server has stalled");
    for (int i = 0; i < n; ++i) {
      f(events[static_cast<std::size_t>(i)].data.fd);
    }
  }

 private:
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
};

void AcceptForAWhile(const Server& server) {
  Epoll epoll;
  Stopwatch watch(server);
  int open = 0;
  for (std::int64_t ended = 0;; ended = 0) {
    for (; open < absl::GetFlag(FLAGS_connections); ++open) {
      const int fd = Connect(SOCK_NONBLOCK);
      if (fd < 0) break;
      ResetAtClose(fd);
      epoll.Add(fd);
    }
    epoll.Wait([&](int fd) {
      Receive(fd);
      ::close(fd);
      --open;
      ++ended;
    });
    if (!watch.Goes(ended)) return;
  }
}

// All connect, then all are closed.
void AcceptExactly(const Server& server, std::int64_t count) {
  std::vector<int> fds;
  while (count > 0) {
    server.Stop();
    for (; count > 0 && std::ssize(fds) < absl::GetFlag(FLAGS_connections);
         --count) {
      fds.push_back(Connect());
      ResetAtClose(fds.back());
    }
    server.Continue();
    for (int fd : fds) {
      Receive(fd);
      ::close(fd);
    }
    fds.clear();
  }
}

std::vector<int> Connections() {
  std::vector<int> fds;
  for (int i = 0; i < absl::GetFlag(FLAGS_connections); ++i) {
    fds.push_back(Connect());
  }
  return fds;
}

void EchoForAWhile(const Server& server) {
  Epoll epoll;
  // How much of its message each has got back.
  std::vector<int> got;
  for (int fd : Connections()) {
    got.resize(std::max(got.size(), static_cast<std::size_t>(fd) + 1));
    epoll.Add(fd);
    Send(fd, kMessage);
  }
  Stopwatch watch(server);
  for (std::int64_t done = 0; watch.Goes(done);) {
    done = 0;
    epoll.Wait([&](int fd) {
      int& bytes = got[static_cast<std::size_t>(fd)];
      bytes += Receive(fd);
      if (bytes < kMessage) return;
      bytes = 0;
      ++done;
      Send(fd, kMessage);
    });
  }
}

// All send, then all receive.
void EchoExactly(const Server& server, std::int64_t count) {
  const std::vector<int> fds = Connections();
  while (count > 0) {
    server.Stop();
    for (int fd : fds) Send(fd, kMessage);
    server.Continue();
    for (int fd : fds) {
      for (int got = 0; got < kMessage;) {
        const int n = Receive(fd);
        if (n == 0) Fail("the server closed a connection");
        got += n;
      }
      --count;
    }
  }
}

void BulkForAWhile(const Server& server, bool sending) {
  const int fd = Connect();
  Stopwatch watch(server);
  for (std::int64_t bytes = 0; watch.Goes(bytes / kChunk);) {
    bytes %= kChunk;
    if (sending) {
      Send(fd, kChunk);
      bytes += kChunk;
    } else {
      bytes += Receive(fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  const std::string workload = absl::GetFlag(FLAGS_workload);
  const std::int64_t count = absl::GetFlag(FLAGS_count);
  const Server server;
  for (int i = 0; i < absl::GetFlag(FLAGS_idle); ++i) Connect();
  if (workload == "accept") {
    if (count != 0) {
      AcceptExactly(server, count);
    } else {
      AcceptForAWhile(server);
    }
  } else if (workload == "echo") {
    if (count != 0) {
      EchoExactly(server, count);
    } else {
      EchoForAWhile(server);
    }
  } else if (workload == "sink" || workload == "source") {
    BulkForAWhile(server, workload == "sink");
  } else {
    std::fprintf(stderr, "--workload=%s\n", workload.c_str());
    return 2;
  }
  return 0;
}
