// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/internal/socket_calls.h
//
// The system calls that net/ makes on sockets, each once and with nothing
// around it: one place to read what qio asks of the kernel, and one symbol each
// for a test to replace at link time (--wrap) and make fail. (close(2) is
// OwnedFd's, the epoll calls are the reactor's.)
//
// All return what the call returns: -1 with errno set on failure.

#ifndef QIO_NET_INTERNAL_SOCKET_CALLS_H_
#define QIO_NET_INTERNAL_SOCKET_CALLS_H_

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_socket_calls {

// Closed on exec and non-blocking from the start, like what Accept() makes.
inline int StreamSocket(int family) noexcept {
  return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

inline int Accept(int fd) noexcept {
  return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

inline int Bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  return ::bind(fd, address, size);
}

inline int Listen(int fd, int backlog) noexcept {
  return ::listen(fd, backlog);
}

inline int Connect(int fd, const sockaddr* address, socklen_t size) noexcept {
  return ::connect(fd, address, size);
}

inline ssize_t Receive(int fd, void* data, std::size_t size) noexcept {
  return ::recv(fd, data, size, 0);
}

// Never raises SIGPIPE.
inline ssize_t Send(int fd, const void* data, std::size_t size) noexcept {
  return ::send(fd, data, size, MSG_NOSIGNAL);
}

inline int ShutdownWrite(int fd) noexcept { return ::shutdown(fd, SHUT_WR); }

inline int SetOption(int fd, int level, int option, int value) noexcept {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

inline int GetOption(int fd, int level, int option, int& value) noexcept {
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, option, &value, &size);
}

inline int LocalAddress(int fd, sockaddr* address, socklen_t* size) noexcept {
  return ::getsockname(fd, address, size);
}

inline int RemoteAddress(int fd, sockaddr* address, socklen_t* size) noexcept {
  return ::getpeername(fd, address, size);
}

// fcntl(2), without locks and other things that take pointers.
inline int Control(int fd, int command, int argument) noexcept {
  return ::fcntl(fd, command, argument);
}

inline int StatFd(int fd, struct stat* status) noexcept {
  return ::fstat(fd, status);
}

// Does not follow a symbolic link, which no bind(2) has made.
inline int StatPath(const char* path, struct stat* status) noexcept {
  return ::lstat(path, status);
}

inline int Unlink(const char* path) noexcept { return ::unlink(path); }

}  // namespace internal_socket_calls
}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_INTERNAL_SOCKET_CALLS_H_
