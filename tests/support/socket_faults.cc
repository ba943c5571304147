// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/support/socket_faults.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace qio::support {
namespace {

thread_local SocketFaults* faults = nullptr;

// True, with errno set, if this call is to fail.
bool Fails(const char* call, int fd) {
  if (faults == nullptr) return false;
  if (faults->only_fd >= 0 && fd != faults->only_fd) return false;
  ++faults->calls[call];
  std::deque<int>& errors = faults->errors[call];
  if (errors.empty()) return false;
  errno = errors.front();
  errors.pop_front();
  return errno != 0;
}

std::size_t Shortened(int fd, std::size_t size, int flags) {
  if (faults == nullptr || faults->transfer_max == 0 ||
      (flags & MSG_PEEK) != 0 ||
      (faults->only_fd >= 0 && fd != faults->only_fd)) {
    return size;
  }
  return std::min(size, faults->transfer_max);
}

}  // namespace

SocketFaults::SocketFaults() { faults = this; }
SocketFaults::~SocketFaults() { faults = nullptr; }

int SocketFaults::ErrorOf(const char* call) {
  return Fails(call, -1) ? errno : 0;
}
std::size_t SocketFaults::Shortened(std::size_t size) {
  return ::qio::support::Shortened(-1, size, 0);
}

}  // namespace qio::support

using qio::support::Fails;
using qio::support::faults;
using qio::support::Shortened;

extern "C" {

int socket(int family, int type, int protocol) {
  if (Fails("socket", -1)) return -1;
  return static_cast<int>(::syscall(SYS_socket, family, type, protocol));
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  if (Fails("accept4", fd)) return -1;
  return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  if (Fails("bind", fd)) return -1;
  return static_cast<int>(::syscall(SYS_bind, fd, address, size));
}

int listen(int fd, int backlog) noexcept {
  if (Fails("listen", fd)) return -1;
  return static_cast<int>(::syscall(SYS_listen, fd, backlog));
}

int connect(int fd, const sockaddr* address, socklen_t size) {
  if (Fails("connect", fd)) {
    // Interrupted, it goes on by itself.
    if (errno == EINTR) {
      ::syscall(SYS_connect, fd, address, size);
      errno = EINTR;
    }
    return -1;
  }
  return static_cast<int>(::syscall(SYS_connect, fd, address, size));
}

int setsockopt(int fd, int level, int option, const void* value,
               socklen_t size) noexcept {
  if (Fails("setsockopt", fd)) return -1;
  return static_cast<int>(
      ::syscall(SYS_setsockopt, fd, level, option, value, size));
}

int getsockopt(int fd, int level, int option, void* value,
               socklen_t* size) noexcept {
  if (Fails("getsockopt", fd)) return -1;
  return static_cast<int>(
      ::syscall(SYS_getsockopt, fd, level, option, value, size));
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (Fails("epoll_ctl", fd)) return -1;
  return static_cast<int>(
      ::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  if (Fails("recv", fd)) return -1;
  return ::syscall(SYS_recvfrom, fd, data, Shortened(fd, size, flags), flags,
                   nullptr, nullptr);
}

ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  if (faults != nullptr && (flags & MSG_NOSIGNAL) == 0) {
    ++faults->sends_with_signal;
  }
  if (Fails("send", fd)) return -1;
  return ::syscall(SYS_sendto, fd, data, Shortened(fd, size, flags), flags,
                   nullptr, 0);
}

int close(int fd) {
  const long result = ::syscall(SYS_close, fd);
  if (faults == nullptr || (faults->only_fd >= 0 && fd != faults->only_fd)) {
    return static_cast<int>(result);
  }
  faults->closed.push_back(fd);
  if (result != 0 || faults->error_after_close == 0) {
    return static_cast<int>(result);
  }
  errno = faults->error_after_close;
  return -1;
}

}  // extern "C"
