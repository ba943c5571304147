// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/internal/simulated_network.h
//
// SimulatedNetwork is stream sockets that exist only in memory, IP and unix,
// and SimulatedIo<E> is the Io (qio/io.h) by which an executor has them. They
// behave as the kernel's do, where a program can tell: a connection is knocked
// for before it is there, bytes arrive in their order after a while, a close
// with unread bytes breaks the connection, an end comes after what was sent.

#ifndef QIO_EXECUTORS_INTERNAL_SIMULATED_NETWORK_H_
#define QIO_EXECUTORS_INTERNAL_SIMULATED_NETWORK_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/executors/internal/simulation.h"
#include "qio/io.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {
namespace internal_simulation {

// An address as the kernel takes it.
class Place {
 public:
  Place() = default;
  Place(const sockaddr* address, socklen_t size) : size_(size) {
    std::memcpy(&storage_, address, size);
  }

  const sockaddr* data() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  socklen_t size() const { return size_; }
  int family() const { return storage_.ss_family; }
  bool is_inet() const { return family() == AF_INET || family() == AF_INET6; }

  std::uint16_t port() const { return ntohs(is_inet() ? in().sin_port : 0); }
  void set_port(std::uint16_t port) { in().sin_port = htons(port); }

  // Any address of this machine.
  bool IsAny() const {
    if (family() == AF_INET) return in().sin_addr.s_addr == INADDR_ANY;
    return family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6().sin6_addr);
  }

  // Whoever listens here gets who connects there; and both cannot listen.
  bool Covers(const Place& other) const {
    if (family() != other.family()) return false;
    if (family() == AF_INET) {
      return port() == other.port() &&
             (IsAny() || in().sin_addr.s_addr == other.in().sin_addr.s_addr);
    }
    if (family() == AF_INET6) {
      return port() == other.port() &&
             (IsAny() ||
              IN6_ARE_ADDR_EQUAL(&in6().sin6_addr, &other.in6().sin6_addr));
    }
    return size_ == other.size_ &&
           std::memcmp(&storage_, &other.storage_, size_) == 0;
  }

  // The far end's own address of a connection to this one.
  Place Local(std::uint16_t port) const {
    Place place = *this;
    if (is_inet()) {
      place.set_port(port);
      return place;
    }
    place.size_ = sizeof storage_.ss_family;  // A unix socket without a name.
    return place;
  }

 private:
  // The port is at the same place in both families.
  sockaddr_in& in() { return reinterpret_cast<sockaddr_in&>(storage_); }
  const sockaddr_in& in() const {
    return reinterpret_cast<const sockaddr_in&>(storage_);
  }
  const sockaddr_in6& in6() const {
    return reinterpret_cast<const sockaddr_in6&>(storage_);
  }

  sockaddr_storage storage_ = {};
  socklen_t size_ = 0;
};

// One socket, or none: then it is in the free list.
struct Endpoint {
  enum class State : std::uint8_t { kFree, kListening, kConnecting, kStream };
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};
  static constexpr int kPending = -1;

  State state = State::kFree;
  bool wants_in = false;
  bool wants_out = false;
  bool fin = false;  // The far end's has arrived.
  bool write_ended = false;
  std::uint32_t generation = 1;
  std::uint32_t ready_at = kNobody;  // Its place in its loop's list.
  Loop* loop = nullptr;              // Null while it waits to be accepted.
  void* sink = nullptr;
  int error = 0;             // That the connection broke with.
  int connected = kPending;  // What became of connecting.
  std::uint32_t knocks = 0;
  // The far end; kNobody once it is closed.
  std::uint32_t peer = kNobody;

  // What the far end has sent and nobody has read: from bytes[read] on, of
  // which the first `arrived` can be, and the rest is on its way.
  std::string bytes;
  std::size_t read = 0;
  std::size_t arrived = 0;
  std::uint64_t read_ever = 0;
  std::int64_t last_arrival_ns = 0;

  // Of SendOwned().
  std::string sending;
  std::size_t sent = 0;

  Place local, remote;
  std::deque<std::uint32_t> backlog;
  std::size_t backlog_max = 0;
};

// Affinity:  the thread of the simulation, all of it.
class SimulatedNetwork final : private Agenda {
 public:
  using State = Endpoint::State;
  static constexpr std::uint32_t kNobody = Endpoint::kNobody;

  explicit SimulatedNetwork(Simulation& simulation) : simulation_(simulation) {}

  Simulation& simulation() { return simulation_; }
  Endpoint& At(std::uint32_t index) { return *endpoints_[index]; }
  std::uint32_t size() const {
    return static_cast<std::uint32_t>(endpoints_.size());
  }
  // Sockets that are open, those that wait to be accepted too.
  std::uint32_t open_count() const { return open_; }

  Socket NameOf(std::uint32_t index) { return {index, At(index).generation}; }
  // Null if the name is stale.
  Endpoint* Get(Socket s) {
    if (s.slot >= endpoints_.size()) return nullptr;
    Endpoint& e = At(s.slot);
    return e.generation == s.generation && e.state != State::kFree ? &e
                                                                   : nullptr;
  }

  // Returns an errno.
  int Listen(Loop* loop, Place place, int backlog, std::uint32_t& listening) {
    for (const char* call : {"socket", "bind", "listen"}) {
      if (const int error = simulation_.ErrorOf(call)) return error;
    }
    if (place.is_inet() && place.port() == 0) {
      for (int tries = kPorts; IsTaken(place) || place.port() == 0;) {
        if (tries-- == 0) return EADDRINUSE;
        place.set_port(NextPort());
      }
    } else if (IsTaken(place)) {
      return EADDRINUSE;
    }
    listening = New(State::kListening, loop);
    Endpoint& e = At(listening);
    e.local = place;
    e.backlog_max = static_cast<std::size_t>(std::max(backlog, 1));
    listeners_.push_back(listening);
    return 0;
  }

  // Returns an errno, EINPROGRESS for none.
  int Connect(Loop* loop, const Place& place, void* sink,
              std::uint32_t& connecting) {
    if (Chance(faults().connect_exhausted)) return EMFILE;
    connecting = New(State::kConnecting, loop);
    Endpoint& e = At(connecting);
    e.sink = sink;
    e.remote = place;
    e.local = place.Local(NextPort());
    if (Chance(faults().connect_timeout)) {
      Schedule(connecting, What::kConnected, ETIMEDOUT,
               simulation_.now_ns() + kConnectTimeoutNs);
    } else {
      Schedule(connecting, What::kKnock, 0, Later());
    }
    return EINPROGRESS;
  }

  // Takes what has room; minus an errno if it cannot.
  std::ptrdiff_t Send(std::uint32_t index, std::span<const std::byte> bytes) {
    Endpoint& e = At(index);
    if (e.state != State::kStream) return -ENOTCONN;
    if (e.write_ended) return -EPIPE;
    if (e.error != 0) return -EPIPE;
    if (bytes.empty()) return 0;
    if (Chance(faults().reset)) {
      Break(index);
      return -ECONNRESET;
    }
    if (e.peer == kNobody) {
      // It is closed there, and says so when it gets these.
      Schedule(index, What::kReset, ECONNRESET, Later());
      return static_cast<std::ptrdiff_t>(bytes.size());
    }
    Endpoint& peer = At(e.peer);
    const std::size_t size = simulation_.Shortened(
        std::min(bytes.size(), RoomAt(peer)), faults().short_write);
    if (size > 0) {
      peer.bytes.append(reinterpret_cast<const char*>(bytes.data()), size);
      ScheduleInOrder(e.peer, What::kArrived,
                      peer.read_ever + peer.bytes.size() - peer.read);
    }
    return static_cast<std::ptrdiff_t>(size);
  }

  void ShutdownWrite(Endpoint& e) {
    if (std::exchange(e.write_ended, true) || e.peer == kNobody) return;
    ScheduleInOrder(e.peer, What::kFin, 0);
  }

  // Copies what has arrived to `to`, the whole or less.
  std::size_t Receive(std::uint32_t index, std::span<std::byte> to) {
    Endpoint& e = At(index);
    const std::size_t size = simulation_.Shortened(
        std::min(to.size(), e.arrived), faults().short_read);
    std::memcpy(to.data(), e.bytes.data() + e.read, size);
    e.read += size;
    e.read_ever += size;
    e.arrived -= size;
    if (e.read == e.bytes.size()) {
      e.bytes.clear();
      e.read = 0;
    } else if (e.read >= kCompactAt) {
      e.bytes.erase(0, e.read);
      e.read = 0;
    }
    if (e.peer != kNobody) Update(e.peer);
    return size;
  }

  void Close(std::uint32_t index) noexcept {
    Endpoint& e = At(index);
    simulation_.Note(What::kClosed, index, 0);
    if (e.state == State::kListening) {
      std::erase(listeners_, index);
      for (const std::uint32_t client : std::exchange(e.backlog, {})) {
        Abort(client);
      }
    } else if (e.peer != kNobody) {
      if (e.read < e.bytes.size()) {
        Break(index);
      } else {
        const std::uint32_t peer = std::exchange(e.peer, kNobody);
        if (!e.write_ended) ScheduleInOrder(peer, What::kFin, 0);
        At(peer).peer = kNobody;
        Update(peer);
      }
    }
    Free(index);
  }

  // A client that was taken out of the backlog, and is gone.
  void Abort(std::uint32_t index) {
    Break(index);
    Free(index);
  }

  bool Listens(const Place& place) {
    return std::any_of(
        listeners_.begin(), listeners_.end(),
        [&](std::uint32_t index) { return At(index).local.Covers(place); });
  }

  // Lets what is on its way arrive, however long that takes. False: nothing is.
  bool Deliver() { return simulation_.HappenNextOf(*this); }

  // Whether the loop has to be told something of it.
  bool IsInReady(const Endpoint& e) const {
    if (!e.wants_in) return false;
    if (e.state == State::kListening) return !e.backlog.empty();
    return e.state == State::kStream &&
           (e.arrived > 0 || e.fin || e.error != 0);
  }
  bool IsOutReady(Endpoint& e) {
    if (e.state == State::kConnecting) return e.connected != Endpoint::kPending;
    return e.state == State::kStream && e.wants_out &&
           (e.error != 0 || e.peer == kNobody || RoomAt(At(e.peer)) > 0);
  }

  // To be called after any change of what these two depend on.
  void Update(std::uint32_t index) {
    Endpoint& e = At(index);
    const bool is_ready = e.loop != nullptr && (IsInReady(e) || IsOutReady(e));
    if (is_ready == (e.ready_at != kNobody)) return;
    if (is_ready) {
      e.ready_at = static_cast<std::uint32_t>(e.loop->ready.size());
      e.loop->ready.push_back(index);
    } else {
      RemoveFromReady(e);
    }
  }

  bool Chance(int thousandths) {
    return simulation_.random.Chance(thousandths);
  }
  const SimulatedFaults& faults() { return simulation_.options.faults; }

 private:
  static constexpr int kPorts = 28232;  // Those of Linux: 32768 to 60999.
  static constexpr std::uint16_t kFirstPort = 32768;
  static constexpr std::int64_t kConnectTimeoutNs = 127'000'000'000;
  static constexpr std::int64_t kKnockAgainNs = 1'000'000'000;
  static constexpr std::uint32_t kKnocksMax = 7;
  static constexpr std::size_t kCompactAt = 4096;

  std::uint16_t NextPort() noexcept {
    next_port_ = (next_port_ + 1) % kPorts;
    return static_cast<std::uint16_t>(kFirstPort + next_port_);
  }

  bool IsTaken(const Place& place) {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [&](std::uint32_t index) {
                         const Place& local = At(index).local;
                         return local.Covers(place) || place.Covers(local);
                       });
  }

  std::uint32_t New(State state, Loop* loop) {
    if (free_.empty()) {
      free_.push_back(size());
      endpoints_.push_back(std::make_unique<Endpoint>());
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Endpoint& e = At(index);
    e.state = state;
    e.loop = loop;
    ++open_;
    return index;
  }

  void Free(std::uint32_t index) noexcept {
    Endpoint& e = At(index);
    if (e.ready_at != kNobody) RemoveFromReady(e);
    ++e.generation;
    e.state = State::kFree;
    e.wants_in = e.wants_out = e.fin = e.write_ended = false;
    e.loop = nullptr;
    e.sink = nullptr;
    e.error = 0;
    e.connected = Endpoint::kPending;
    e.knocks = 0;
    e.peer = kNobody;
    // Their memory is for the next one.
    e.bytes.clear();
    e.sending.clear();
    e.read = e.arrived = e.sent = 0;
    e.read_ever = 0;
    e.last_arrival_ns = 0;
    e.backlog.clear();
    free_.push_back(index);
    --open_;
  }

  void RemoveFromReady(Endpoint& e) noexcept {
    std::vector<std::uint32_t>& ready = e.loop->ready;
    At(ready.back()).ready_at = e.ready_at;
    ready[e.ready_at] = ready.back();
    ready.pop_back();
    e.ready_at = kNobody;
  }

  std::size_t RoomAt(const Endpoint& peer) const {
    const std::size_t held = peer.bytes.size() - peer.read;
    const std::size_t most = simulation_.options.buffer_size;
    return held < most ? most - held : 0;
  }

  std::int64_t Later() {
    return simulation_.now_ns() +
           simulation_.Between(simulation_.options.latency_min,
                               simulation_.options.latency_max);
  }
  void Schedule(std::uint32_t index, What what, std::uint64_t value,
                std::int64_t due_ns) {
    simulation_.Schedule(due_ns, *this, what, index, At(index).generation,
                         value);
  }
  // After all that is on its way there.
  void ScheduleInOrder(std::uint32_t index, What what, std::uint64_t value) {
    Endpoint& e = At(index);
    e.last_arrival_ns = std::max(e.last_arrival_ns + 1, Later());
    Schedule(index, what, value, e.last_arrival_ns);
  }

  // What is on its way is lost, here and, when it gets to know, there.
  void Break(std::uint32_t index) {
    Endpoint& e = At(index);
    const std::uint32_t peer = std::exchange(e.peer, kNobody);
    if (peer != kNobody) {
      At(peer).peer = kNobody;
      Schedule(peer, What::kReset, ECONNRESET, Later());
    }
    Broken(e, ECONNRESET);
    Update(index);
  }
  void Broken(Endpoint& e, int error) {
    e.error = error;
    e.bytes.resize(e.read + e.arrived);
  }

  void Happen(const Event& event) override {
    Endpoint& e = At(event.index);
    if (e.generation != event.generation) return;
    const int error = static_cast<int>(event.value);
    switch (event.what) {
      case What::kKnock:
        Knock(event.index);
        return;
      case What::kConnected:
        if (e.state != State::kConnecting) return;
        e.connected = error;
        break;
      case What::kArrived:
        if (e.error != 0) return;
        e.arrived = static_cast<std::size_t>(event.value - e.read_ever);
        break;
      case What::kFin:
        if (e.error != 0) return;
        e.fin = true;
        break;
      case What::kReset:
        Broken(e, error);
        break;
      default:
        return;
    }
    simulation_.Note(event.what, event.index, event.value);
    Update(event.index);
  }

  // Somebody wants to connect.
  void Knock(std::uint32_t index) {
    Endpoint& e = At(index);
    const auto found = std::find_if(
        listeners_.begin(), listeners_.end(),
        [&](auto listener) { return At(listener).local.Covers(e.remote); });
    if (found == listeners_.end() || Chance(faults().connect_refused)) {
      Schedule(index, What::kConnected, ECONNREFUSED, Later());
      return;
    }
    const std::uint32_t listener = *found;
    if (At(listener).backlog.size() >= At(listener).backlog_max) {
      const bool is_over = !e.remote.is_inet() || ++e.knocks == kKnocksMax;
      if (is_over) {
        Schedule(index, What::kConnected,
                 e.remote.is_inet() ? ETIMEDOUT : EAGAIN, Later());
      } else {
        Schedule(index, What::kKnock, 0, simulation_.now_ns() + kKnockAgainNs);
      }
      return;
    }
    const std::uint32_t accepted = New(State::kStream, nullptr);
    Endpoint& client = At(index);
    Endpoint& server = At(accepted);
    server.local = client.remote;
    server.remote = client.local;
    server.peer = index;
    client.peer = accepted;
    At(listener).backlog.push_back(accepted);
    simulation_.Note(What::kKnock, index, listener);
    Schedule(index, What::kConnected, 0, Later());
    Update(listener);
  }

  Simulation& simulation_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> listeners_;
  std::uint32_t open_ = 0;
  int next_port_ = 0;
};

// The Io of one loop: a view of the network, with the sinks of that loop's
// sockets. It meets NetIo, which says what each function does.
//
// Affinity:  owning loop, all of it.
template <class E>
class SimulatedIo {
 public:
  using On = OnLoop<E>;
  using Sink = SocketSink<E>;

  SimulatedIo(SimulatedNetwork& network, Loop& loop)
      : network_(network), loop_(loop) {}
  SimulatedIo(const SimulatedIo&) = delete;
  SimulatedIo& operator=(const SimulatedIo&) = delete;

  // The kernel's sockets are not of this world.
  absl::StatusOr<Socket> Adopt(On&, OwnedFd) { return NotHere(); }
  absl::StatusOr<Socket> AdoptListening(On&, OwnedFd) { return NotHere(); }

  template <class Address>
  absl::StatusOr<Socket> Listen(On&, const Address& address, int backlog) {
    std::uint32_t index = 0;
    const int error = network_.Listen(
        &loop_, Place(address.data(), address.size()), backlog, index);
    if (error != 0) {
      return ErrnoStatus(error, "listen on " + address.ToString());
    }
    return network_.NameOf(index);
  }

  template <class Address>
  int Connect(On&, const Address& address, Sink& sink, Socket& connecting) {
    std::uint32_t index = 0;
    const int error =
        network_.Connect(&loop_, Place(address.data(), address.size()),
                         std::addressof(sink), index);
    if (error == EINPROGRESS) connecting = network_.NameOf(index);
    return error;
  }

  void SetSink(On&, Socket s, Sink* sink) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return;
    e->sink = sink;
    if (sink == nullptr) e->wants_in = e->wants_out = false;
    network_.Update(s.slot);
  }

  int StartAccept(On&, Socket s) {
    if (const int error = simulation().ErrorOf("epoll_ctl")) return error;
    return WantIn(s, true);
  }
  void StopAccept(On&, Socket s) { WantIn(s, false); }
  int StartReceive(On&, Socket s) { return WantIn(s, true); }
  void StopReceive(On&, Socket s) { WantIn(s, false); }

  std::ptrdiff_t Send(On&, Socket s, std::span<const std::byte> bytes) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return -EBADF;
    const std::ptrdiff_t sent = network_.Send(s.slot, bytes);
    if (sent >= 0 && static_cast<std::size_t>(sent) < bytes.size()) {
      WantOut(s.slot);
    }
    return sent;
  }

  int SendOwned(On&, Socket s, std::string& buffer) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return EBADF;
    if (buffer.empty()) return 0;
    const std::ptrdiff_t sent =
        network_.Send(s.slot, std::as_bytes(std::span(buffer)));
    if (sent < 0) return static_cast<int>(-sent);
    if (static_cast<std::size_t>(sent) == buffer.size()) return 0;
    e->sending = std::move(buffer);
    e->sent = static_cast<std::size_t>(sent);
    WantOut(s.slot);
    return EINPROGRESS;
  }

  void StopSend(On&, Socket s) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr || e->state != Endpoint::State::kStream) return;
    e->sending.clear();
    e->wants_out = false;
    network_.Update(s.slot);
  }

  int ShutdownWrite(On&, Socket s) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return EBADF;
    if (e->state != Endpoint::State::kStream || e->error != 0) return ENOTCONN;
    network_.ShutdownWrite(*e);
    return 0;
  }

  // Templates only because the address is declared, and no more, in qio/io.h.
  template <class Address = ResolvedAddress>
  absl::StatusOr<Address> LocalAddress(On&, Socket s) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return ErrnoStatus(EBADF, "getsockname");
    return Address::FromSockaddr(e->local.data(), e->local.size());
  }
  template <class Address = ResolvedAddress>
  absl::StatusOr<Address> RemoteAddress(On&, Socket s) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return ErrnoStatus(EBADF, "getpeername");
    if (e->state != Endpoint::State::kStream || e->error != 0) {
      return ErrnoStatus(ENOTCONN, "getpeername");
    }
    return Address::FromSockaddr(e->remote.data(), e->remote.size());
  }

  int Descriptor(On&, Socket) { return -1; }

  void Close(On&, Socket s) noexcept {
    if (network_.Get(s) != nullptr) network_.Close(s.slot);
  }

  // Tells the sink of one ready socket one thing. Nothing is touched after it.
  void Tell(On& on, std::uint32_t index) {
    Endpoint& e = network_.At(index);
    switch (e.state) {
      case Endpoint::State::kListening:
        return TellAccept(on, index);
      case Endpoint::State::kConnecting:
        return TellConnected(on, index);
      case Endpoint::State::kStream: {
        const bool in = network_.IsInReady(e), out = network_.IsOutReady(e);
        if (in && (!out || simulation().random.Below(2) == 0)) {
          return TellReceived(on, index);
        }
        return TellSendable(on, index);
      }
      case Endpoint::State::kFree:
        return;
    }
  }

  // The executor goes away, and all its sockets with it.
  void End() noexcept {
    for (std::uint32_t i = 0; i < network_.size(); ++i) {
      Endpoint& e = network_.At(i);
      if (e.state == Endpoint::State::kFree || e.loop != &loop_) continue;
      Sink* const sink = SinkOf(e);
      network_.Close(i);
      if (sink != nullptr) sink->OnGone();
    }
  }

 private:
  // As much as the Io of the kernel's sockets reads at once.
  static constexpr std::size_t kReadSize = 65536;

  static absl::Status NotHere() {
    return absl::FailedPreconditionError(
        "a simulated loop cannot adopt a descriptor: its sockets are not the "
        "kernel's");
  }
  static Sink* SinkOf(const Endpoint& e) { return static_cast<Sink*>(e.sink); }

  Simulation& simulation() { return network_.simulation(); }

  int WantIn(Socket s, bool wanted) {
    Endpoint* const e = network_.Get(s);
    if (e == nullptr) return EBADF;
    e->wants_in = wanted;
    network_.Update(s.slot);
    return 0;
  }
  void WantOut(std::uint32_t index) {
    network_.At(index).wants_out = true;
    network_.Update(index);
  }

  void TellAccept(On& on, std::uint32_t index) {
    Endpoint& e = network_.At(index);
    int error = simulation().ErrorOf("accept4");
    if (error == EINTR) return;  // It is asked again.
    if (error != 0) {
      // Told below.
    } else if (network_.Chance(network_.faults().accept_exhausted)) {
      error = EMFILE;
    } else {
      const std::uint32_t client = e.backlog.front();
      e.backlog.pop_front();
      network_.Update(index);
      if (!network_.Chance(network_.faults().accept_aborted)) {
        simulation().Note(What::kAccepted, index, client);
        network_.At(client).loop = &loop_;
        return SinkOf(e)->OnAccepted(on, network_.NameOf(client));
      }
      network_.Abort(client);
      error = ECONNABORTED;
    }
    simulation().Note(What::kAcceptFailed, index,
                      static_cast<std::uint64_t>(error));
    SinkOf(e)->OnAcceptFailed(on, error);
  }

  void TellConnected(On& on, std::uint32_t index) {
    Endpoint& e = network_.At(index);
    const int error = e.connected;
    if (error == 0) e.state = Endpoint::State::kStream;
    // Told once: what failed is only to be closed.
    e.connected = Endpoint::kPending;
    network_.Update(index);
    SinkOf(e)->OnConnected(on, error);
  }

  void TellReceived(On& on, std::uint32_t index) {
    Endpoint& e = network_.At(index);
    if (e.arrived == 0) {
      const int error = e.fin ? 0 : e.error;
      simulation().Note(What::kReceiveEnded, index,
                        static_cast<std::uint64_t>(error));
      e.wants_in = false;
      network_.Update(index);
      return SinkOf(e)->OnReceiveEnded(on, error);
    }
    // Lent while the sink looks at it, in which a nested loop may read too.
    struct Lent {
      ~Lent() {
        if (io.memory_ == nullptr) io.memory_ = std::move(memory);
      }
      SimulatedIo& io;
      Lease::Memory memory;
    } lent{*this, std::move(memory_)};
    if (lent.memory == nullptr) {
      lent.memory = std::make_unique_for_overwrite<std::byte[]>(kReadSize);
    }
    const std::size_t size =
        network_.Receive(index, {lent.memory.get(), kReadSize});
    simulation().Note(What::kReceived, index, size);
    network_.Update(index);
    Lease lease(lent.memory, size);
    SinkOf(e)->OnReceived(on, lease);
  }

  void TellSendable(On& on, std::uint32_t index) {
    Endpoint& e = network_.At(index);
    int error = 0;
    if (!e.sending.empty()) {
      const std::ptrdiff_t sent = network_.Send(
          index, std::as_bytes(std::span(e.sending).subspan(e.sent)));
      if (sent < 0) error = static_cast<int>(-sent);
      if (sent > 0) e.sent += static_cast<std::size_t>(sent);
      if (error == 0 && e.sent < e.sending.size()) {
        simulation().Note(What::kSendable, index, e.sent);
        return network_.Update(index);
      }
    }
    e.wants_out = false;
    network_.Update(index);
    if (e.sending.empty()) {
      simulation().Note(What::kSendable, index, 0);
      SinkOf(e)->OnSendable(on);
    } else {
      simulation().Note(What::kSent, index, static_cast<std::uint64_t>(error));
      SinkOf(e)->OnSent(on, std::exchange(e.sending, {}), error);
    }
  }

  SimulatedNetwork& network_;
  Loop& loop_;
  Lease::Memory memory_;
};

}  // namespace internal_simulation
}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_INTERNAL_SIMULATED_NETWORK_H_
