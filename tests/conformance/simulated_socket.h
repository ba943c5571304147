// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/simulated_socket.h
//
// SimulatedSocket is the other side of what is tested under simulation, where
// others have a RawSocket: like that one, it belongs to no loop.

#ifndef QIO_TESTS_CONFORMANCE_SIMULATED_SOCKET_H_
#define QIO_TESTS_CONFORMANCE_SIMULATED_SOCKET_H_

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qio/executors/internal/simulated_network.h"
#include "qio/executors/simulated.h"
#include "qio/io.h"
#include "qio/net/socket_address.h"
#include "qio/owned_fd.h"

namespace qio::conformance {

class SimulatedSocket {
 public:
  // The worlds of this thread, each for as long as it lives.
  class Registration {
   public:
    explicit Registration(SimulatedWorld& world) : world_(world) {
      Worlds().push_back(&world);
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { std::erase(Worlds(), &world_); }

   private:
    SimulatedWorld& world_;
  };

  SimulatedSocket() = default;
  SimulatedSocket(SimulatedSocket&& other) noexcept
      : world_(std::exchange(other.world_, nullptr)), name_(other.name_) {}
  SimulatedSocket& operator=(SimulatedSocket other) noexcept {
    std::swap(world_, other.world_);
    std::swap(name_, other.name_);
    return *this;
  }
  ~SimulatedSocket() { Close(); }

  static SimulatedSocket ConnectedTo(const ResolvedAddress& address) {
    const internal_simulation::Place place(address.data(), address.size());
    for (SimulatedWorld* world : Worlds()) {
      if (!NetworkOf(*world).Listens(place)) continue;
      SimulatedSocket made;
      made.world_ = world;
      std::uint32_t index = 0;
      NetworkOf(*world).Connect(nullptr, place, nullptr, index);
      made.name_ = NetworkOf(*world).NameOf(index);
      made.Deliver();
      if (made.endpoint().connected != 0) break;
      made.endpoint().state = internal_simulation::Endpoint::State::kStream;
      return made;
    }
    throw std::runtime_error("connect: nobody listens");
  }

  static SimulatedSocket ListeningOn(const ResolvedAddress& address,
                                     int backlog = 16) {
    SimulatedSocket made;
    if (Worlds().empty()) Refuse();
    made.world_ = Worlds().back();
    std::uint32_t index = 0;
    const int error = made.network().Listen(
        nullptr, internal_simulation::Place(address.data(), address.size()),
        backlog, index);
    if (error != 0) throw std::runtime_error("listen");
    made.name_ = made.network().NameOf(index);
    return made;
  }
  // Not open if nobody is waiting.
  SimulatedSocket Accept() const {
    Deliver();
    SimulatedSocket accepted;
    auto& backlog = endpoint().backlog;
    if (backlog.empty()) return accepted;
    accepted.world_ = world_;
    accepted.name_ = network().NameOf(backlog.front());
    backlog.pop_front();
    return accepted;
  }
  ResolvedAddress address() const {
    const internal_simulation::Place& local = endpoint().local;
    return ResolvedAddress::FromSockaddr(local.data(), local.size()).value();
  }

  bool is_open() const { return world_ != nullptr; }
  void Close() {
    if (!Exists()) return;
    network().Close(name_.slot);
    Deliver();
    world_ = nullptr;
  }
  void Break() {
    network().Abort(name_.slot);
    Deliver();
    world_ = nullptr;
  }

  std::size_t SendSome(std::string_view text) const {
    const std::ptrdiff_t sent =
        network().Send(name_.slot, std::as_bytes(std::span(text)));
    if (sent < 0) throw std::runtime_error("send");
    Deliver();
    return static_cast<std::size_t>(sent);
  }
  void Send(std::string_view text) const {
    if (SendSome(text) != text.size()) throw std::runtime_error("short send");
  }
  std::string Receive(std::size_t size_max = 65536) const {
    Deliver();
    std::string text(std::min(size_max, endpoint().arrived), '\0');
    text.resize(
        network().Receive(name_.slot, std::as_writable_bytes(std::span(text))));
    return text;
  }
  bool IsAtEnd() const {
    Deliver();
    return endpoint().arrived == 0 && (endpoint().fin || endpoint().error != 0);
  }
  void ShutdownWrite() const {
    network().ShutdownWrite(endpoint());
    Deliver();
  }
  void MakeBuffersSmall() const {}

  // What only the kernel's sockets can, in cases that are not run.
  explicit SimulatedSocket(OwnedFd) { Refuse(); }
  static SimulatedSocket Make(int, int = 0) { Refuse(); }
  static SimulatedSocket BoundTo(const ResolvedAddress&) { Refuse(); }
  static std::pair<SimulatedSocket, SimulatedSocket> Pair() { Refuse(); }
  OwnedFd Release() { Refuse(); }
  int fd() const { return -1; }

 private:
  using Access = internal_simulation::Access;

  static std::vector<SimulatedWorld*>& Worlds() {
    static thread_local std::vector<SimulatedWorld*> worlds;
    return worlds;
  }
  [[noreturn]] static void Refuse() {
    throw std::runtime_error("it takes a socket of the kernel");
  }

  static internal_simulation::SimulatedNetwork& NetworkOf(
      SimulatedWorld& world) {
    return Access::network(world);
  }
  internal_simulation::SimulatedNetwork& network() const {
    return NetworkOf(*world_);
  }
  internal_simulation::Endpoint& endpoint() const {
    return network().At(name_.slot);
  }
  bool Exists() const {
    const auto& worlds = Worlds();
    return world_ != nullptr &&
           std::find(worlds.begin(), worlds.end(), world_) != worlds.end();
  }
  void Deliver() const {
    while (network().Deliver()) {
    }
  }

  SimulatedWorld* world_ = nullptr;
  Socket name_;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_SIMULATED_SOCKET_H_
