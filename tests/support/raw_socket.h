// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/raw_socket.h
//
// RawSocket is a plain stream socket, for the other side of what is tested: it
// never blocks, so that one thread can be both sides.

#ifndef QIO_TESTS_SUPPORT_RAW_SOCKET_H_
#define QIO_TESTS_SUPPORT_RAW_SOCKET_H_

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "qio/net/socket_address.h"
#include "qio/owned_fd.h"

namespace qio::support {

class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(OwnedFd fd) : fd_(std::move(fd)) {}

  // Unbound and unconnected.
  static RawSocket Make(int family, int type = SOCK_STREAM) {
    RawSocket made(
        OwnedFd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
    made.Check(made.is_open() ? 0 : -1, "socket");
    return made;
  }

  // Connected when this returns, if the other side listens.
  static RawSocket ConnectedTo(const ResolvedAddress& address) {
    RawSocket made(
        OwnedFd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)));
    made.Check(::connect(made.fd(), address.data(), address.size()), "connect");
    made.Check(::fcntl(made.fd(), F_SETFL, O_NONBLOCK), "fcntl");
    return made;
  }

  static RawSocket BoundTo(const ResolvedAddress& address) {
    RawSocket made = Make(address.family());
    const int on = 1;
    ::setsockopt(made.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.family() == AF_INET6) {
      ::setsockopt(made.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    made.Check(::bind(made.fd(), address.data(), address.size()), "bind");
    return made;
  }

  static RawSocket ListeningOn(const ResolvedAddress& address,
                               int backlog = 16) {
    RawSocket made = BoundTo(address);
    made.Check(::listen(made.fd(), backlog), "listen");
    return made;
  }

  // Two ends of a connection.
  static std::pair<RawSocket, RawSocket> Pair() {
    int ends[2];
    RawSocket none;
    none.Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            0, ends),
               "socketpair");
    return {RawSocket(OwnedFd(ends[0])), RawSocket(OwnedFd(ends[1]))};
  }

  bool is_open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  OwnedFd Release() { return std::move(fd_); }
  void Close() { fd_.reset(); }

  // So that the other side reads an error, not an end.
  void Break() {
    const linger none = {1, 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    Close();
  }

  ResolvedAddress address() const {
    sockaddr_storage storage = {};
    socklen_t size = sizeof storage;
    auto* const generic = reinterpret_cast<sockaddr*>(&storage);
    Check(::getsockname(fd(), generic, &size), "getsockname");
    return ResolvedAddress::FromSockaddr(generic, size).value();
  }

  // Not open if nobody is waiting.
  RawSocket Accept() const {
    return RawSocket(OwnedFd(
        ::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
  }

  // As much as goes now; how much that was.
  std::size_t SendSome(std::string_view text) const {
    const ssize_t sent = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) Check(-1, "send");
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  void Send(std::string_view text) const {
    if (SendSome(text) != text.size()) throw std::runtime_error("short send");
  }

  // What is there now, if anything.
  std::string Receive(std::size_t size_max = 65536) const {
    std::string text(size_max, '\0');
    const ssize_t size = ::recv(fd(), text.data(), size_max, 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }

  // The other side has ended what it sends, or broken the connection.
  bool IsAtEnd() const {
    char byte;
    const ssize_t size = ::recv(fd(), &byte, 1, MSG_PEEK);
    return size == 0 || (size < 0 && errno != EAGAIN);
  }

  // Little room in the kernel, so that writes block soon.
  void MakeBuffersSmall() const {
    const int size = 16384;
    ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }

  void ShutdownWrite() const { Check(::shutdown(fd(), SHUT_WR), "shutdown"); }

 private:
  static void Check(int result, const char* what) {
    if (result < 0) {
      throw std::runtime_error(std::string(what) + ": errno " +
                               std::to_string(errno));
    }
  }

  OwnedFd fd_;
};

// 127.0.0.1 and ::1, with a port that is chosen by the kernel.
inline ResolvedAddress Loopback(std::uint16_t port = 0) {
  return ResolveWithoutLookup(SocketAddress::Inet("127.0.0.1", port),
                              AddressUse::kListen)
      ->front();
}
inline ResolvedAddress Loopback6(std::uint16_t port = 0) {
  return ResolveWithoutLookup(SocketAddress::Inet("::1", port),
                              AddressUse::kListen)
      ->front();
}

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_RAW_SOCKET_H_
