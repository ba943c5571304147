// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/internal/reactor_io.h
//
// ReactorIo<E> is the Io of every executor that brings none: sockets of the
// kernel, told about by the executor's reactor. IoFor(on) finds the Io of an
// executor; it attaches a ReactorIo on first use, which ends with the executor
// and closes all sockets then.
//
// What makes it fast: it writes at once and waits for room only after EAGAIN;
// it stops reading at a short read; and what a socket has been armed for stays
// armed until it happens unwanted, so that nothing but the first read and a
// write that blocks costs an epoll_ctl(2).

#ifndef QIO_NET_INTERNAL_REACTOR_IO_H_
#define QIO_NET_INTERNAL_REACTOR_IO_H_

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/config.h"
#include "qio/io.h"
#include "qio/net/internal/socket_calls.h"
#include "qio/net/socket_address.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/reactor.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {
namespace internal_reactor_io {

namespace calls = internal_socket_calls;
using internal_reactor::Access;
using internal_reactor::WatchNode;

// A path that bind(2) has made, and which file it was then.
class BoundPath {
 public:
  // The path at which a socket was just bound; empty for none.
  explicit BoundPath(std::string path) : path_(std::move(path)) {
    struct stat status;
    if (!path_.empty() && calls::StatPath(path_.c_str(), &status) == 0) {
      device_ = status.st_dev;
      inode_ = status.st_ino;
    } else {
      path_.clear();
    }
  }

  // Unlinks the file, unless another one has its name by now. While the socket
  // is open its inode is in use, so no other file can have that number.
  void Unlink() const noexcept {
    struct stat status;
    if (!path_.empty() && calls::StatPath(path_.c_str(), &status) == 0 &&
        status.st_dev == device_ && status.st_ino == inode_) {
      calls::Unlink(path_.c_str());
    }
  }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// A setting that only makes things faster: a kernel without it will do.
inline void SetNoDelay(int fd, int family) noexcept {
  if (family == AF_INET || family == AF_INET6) {
    calls::SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  }
}

// Which socket it is, the same for duplicates of a descriptor.
struct Identity {
  dev_t device;
  ino_t inode;
  friend bool operator==(const Identity&, const Identity&) = default;
};
inline Identity IdentityOf(int fd) noexcept {
  struct stat status = {};
  calls::StatFd(fd, &status);
  return {status.st_dev, status.st_ino};
}

// Checks that `fd` is a stream socket, IP or unix, that listens or does not,
// and makes it as if it were ours.
inline absl::Status TakeOver(int fd, bool listens) {
  const std::string what = "adopt descriptor " + std::to_string(fd);
  const auto refused = [&what](std::string_view why) {
    return absl::FailedPreconditionError(what + ": " + std::string(why));
  };
  int type = 0, family = 0, is_listening = 0;
  if (calls::GetOption(fd, SOL_SOCKET, SO_TYPE, type) != 0 ||
      calls::GetOption(fd, SOL_SOCKET, SO_DOMAIN, family) != 0 ||
      calls::GetOption(fd, SOL_SOCKET, SO_ACCEPTCONN, is_listening) != 0) {
    return ErrnoStatus(errno, what);
  }
  if (type != SOCK_STREAM) return refused("it is not a stream socket");
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
    return refused("it is neither an IP nor a unix socket");
  }
  if (listens && is_listening == 0) return refused("it does not listen");
  if (!listens && is_listening != 0) {
    return refused("it listens, where a connected socket is wanted");
  }
  const int flags = calls::Control(fd, F_GETFL, 0);
  if (flags < 0 || calls::Control(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      calls::Control(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return ErrnoStatus(errno, what);
  }
  SetNoDelay(fd, family);
  return absl::OkStatus();
}

// Affinity:  owning loop, all of it; it meets NetIo, which says the rest.
template <class E>
class ReactorIo final : public internal_reactor::Extension {
 public:
  using On = OnLoop<E>;
  using Sink = SocketSink<E>;

  // How many clients of one listening socket are accepted before others, and
  // the loop's other work, have their turn.
  static constexpr int kAcceptsMax = 16;
  // How much is read at once, and how often from one socket in a turn.
  static constexpr std::size_t kReadSize = 65536;
  static constexpr int kReadsMax = 4;

  // That of the loop of `on`; made now if this is its first use. Throws
  // std::bad_alloc.
  static ReactorIo& Of(On& on) {
    auto& extension = Access::extension(Access::Of(on));
    if (extension == nullptr) {
      extension = std::make_unique<ReactorIo>(Access::Of(on));
    }
    return static_cast<ReactorIo&>(*extension);
  }

  explicit ReactorIo(Reactor& reactor) noexcept : reactor_(reactor) {}
  ReactorIo(const ReactorIo&) = delete;
  ReactorIo& operator=(const ReactorIo&) = delete;

  // Sinks end other sockets and sinks while they are told.
  ~ReactorIo() override {
    for (std::size_t i = 0; i < slot_count_; ++i) {
      Slot& slot = At(i);
      if (!slot.owned.valid()) continue;
      Sink* const sink = slot.sink;
      CloseSlot(slot);
      if (sink != nullptr) sink->OnGone();
    }
  }

  absl::StatusOr<Socket> Adopt(On&, OwnedFd fd) {
    if (absl::Status s = TakeOver(fd.get(), false); !s.ok()) return s;
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (calls::RemoteAddress(fd.get(), reinterpret_cast<sockaddr*>(&peer),
                             &size) != 0) {
      return ErrnoStatus(errno, "adopt descriptor " + std::to_string(fd.get()));
    }
    return Named(NewSlot(std::move(fd), kStreamOps), "adopt a socket");
  }

  absl::StatusOr<Socket> AdoptListening(On&, OwnedFd fd) {
    if (absl::Status s = TakeOver(fd.get(), true); !s.ok()) return s;
    const Identity identity = IdentityOf(fd.get());
    for (std::size_t i = 0; i < slot_count_; ++i) {
      const Slot& slot = At(i);
      if (slot.owned.valid() && slot.ops == &kListenOps &&
          IdentityOf(slot.owned.get()) == identity) {
        return ErrnoStatus(EEXIST, "adopt descriptor " +
                                       std::to_string(fd.get()) +
                                       ", a socket that this loop listens on");
      }
    }
    return Named(NewSlot(std::move(fd), kListenOps), "adopt a socket");
  }

  absl::StatusOr<Socket> Listen(On&, const ResolvedAddress& address,
                                int backlog);

  int Connect(On&, const ResolvedAddress& address, Sink& sink,
              Socket& connecting);

  void SetSink(On&, Socket s, Sink* sink) noexcept {
    Slot* const slot = Get(s);
    if (slot == nullptr) return;
    slot->sink = sink;
    if (sink != nullptr) return;
    slot->wants_in = slot->wants_out = false;
    SetIdleIfUnwanted(*slot);
  }

  int StartAccept(On&, Socket s) noexcept { return StartIn(s); }
  void StopAccept(On&, Socket s) noexcept { StopIn(s); }
  int StartReceive(On&, Socket s) noexcept { return StartIn(s); }
  void StopReceive(On&, Socket s) noexcept { StopIn(s); }

  std::ptrdiff_t Send(On&, Socket s, std::span<const std::byte> bytes) noexcept;
  int SendOwned(On&, Socket s, std::string& buffer);

  void StopSend(On&, Socket s) noexcept {
    Slot* const slot = Get(s);
    if (slot == nullptr || slot->ops != &kStreamOps) return;
    if (slot->rare != nullptr) slot->rare->sending.clear();
    slot->wants_out = false;
    SetIdleIfUnwanted(*slot);
  }

  int ShutdownWrite(On&, Socket s) noexcept {
    Slot* const slot = Get(s);
    if (slot == nullptr) return EBADF;
    return calls::ShutdownWrite(slot->owned.get()) == 0 ? 0 : errno;
  }

  absl::StatusOr<ResolvedAddress> LocalAddress(On&, Socket s) {
    return AddressOf(s, &calls::LocalAddress, "getsockname");
  }
  absl::StatusOr<ResolvedAddress> RemoteAddress(On&, Socket s) {
    return AddressOf(s, &calls::RemoteAddress, "getpeername");
  }

  int Descriptor(On&, Socket s) noexcept {
    Slot* const slot = Get(s);
    return slot != nullptr ? slot->owned.get() : -1;
  }

  void Close(On&, Socket s) noexcept {
    if (Slot* const slot = Get(s)) CloseSlot(*slot);
  }

 private:
  // What few sockets need.
  struct Rare {
    std::unique_ptr<BoundPath> path;
    std::string sending;  // Of SendOwned(), and how much of it is sent.
    std::size_t sent = 0;
  };

  // One socket, or none: then it is in the free list. Its address is fixed, its
  // generation tells one use from the next.
  struct Slot : WatchNode {
    bool armed() const noexcept { return this->fd >= 0; }

    Condition wants() const noexcept {
      return (wants_in ? Condition::kIn : Condition::kNone) |
             (wants_out ? Condition::kOut : Condition::kNone);
    }

    ReactorIo* io = nullptr;
    Sink* sink = nullptr;
    OwnedFd owned;
    std::uint32_t index = 0;
    std::uint32_t generation = 1;
    // What the sink waits for. The node may be armed for more.
    bool wants_in = false;
    bool wants_out = false;
    Slot* next_free = nullptr;
    std::unique_ptr<Rare> rare;
  };

  // While the memory is lent.
  class Lent {
   public:
    explicit Lent(bool& is_lent) noexcept : is_lent_(is_lent = true) {}
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    ~Lent() { is_lent_ = false; }

   private:
    bool& is_lent_;
  };

  static constexpr std::size_t kChunk = 32;

  Slot& At(std::size_t index) noexcept {
    return chunks_[index / kChunk][index % kChunk];
  }

  // Null if the name is stale.
  Slot* Get(Socket s) noexcept {
    if (s.slot >= slot_count_) [[unlikely]]
      return nullptr;
    Slot& slot = At(s.slot);
    return slot.generation == s.generation ? &slot : nullptr;
  }

  // Null if there is no memory; the descriptor is closed then.
  Slot* NewSlot(OwnedFd fd, const WatchNode::Ops& ops) noexcept {
    if (free_ == nullptr && !AddChunk()) return nullptr;
    Slot* const slot = free_;
    free_ = slot->next_free;
    slot->owned = std::move(fd);
    slot->ops = &ops;
    return slot;
  }

  bool AddChunk() noexcept;

  static Socket NameOf(const Slot& slot) noexcept {
    return {slot.index, slot.generation};
  }
  static absl::StatusOr<Socket> Named(const Slot* slot, std::string_view what) {
    if (slot == nullptr) return ErrnoStatus(ENOMEM, what);
    return NameOf(*slot);
  }

  // Has the kernel tell what the slot waits for. Returns an errno.
  int Arm(Slot& slot) noexcept {
    const Condition wanted = slot.wants();
    if (!slot.armed()) {
      return Access::AddWatch(reactor_, slot, slot.owned.get(), wanted);
    }
    Access::SetIdle(reactor_, slot, false);
    if ((slot.wanted & wanted) == wanted) return 0;
    return Access::SetInterest(reactor_, slot, wanted);
  }

  // It stays armed for what it was, until that happens.
  void SetIdleIfUnwanted(Slot& slot) noexcept {
    if (slot.armed() && slot.wants() == Condition::kNone) {
      Access::SetIdle(reactor_, slot, true);
    }
  }

  // It happened, and nobody wants it.
  void Disarm(Slot& slot, Condition unwanted) noexcept {
    if (!slot.armed()) return;
    const Condition left = slot.wanted & ~unwanted;
    // What is wanted goes on if the kernel refuses: it is tried again then.
    if (left == Condition::kNone ||
        (Access::SetInterest(reactor_, slot, left) != 0 &&
         slot.wants() == Condition::kNone)) {
      Access::RemoveWatch(reactor_, slot);
    }
  }

  int StartIn(Socket s) noexcept {
    Slot* const slot = Get(s);
    if (slot == nullptr) return EBADF;
    slot->wants_in = true;
    const int error = Arm(*slot);
    if (error != 0) slot->wants_in = false;
    return error;
  }
  void StopIn(Socket s) noexcept {
    Slot* const slot = Get(s);
    if (slot == nullptr) return;
    slot->wants_in = false;
    SetIdleIfUnwanted(*slot);
  }
  int StartOut(Slot& slot) noexcept {
    slot.wants_out = true;
    const int error = Arm(slot);
    if (error != 0) slot.wants_out = false;
    return error;
  }

  // As send(2), but for EINTR and with EAGAIN as 0.
  static ssize_t SendSome(int fd, const void* data, std::size_t size) noexcept {
    for (;;) {
      const ssize_t sent = calls::Send(fd, data, size);
      if (sent >= 0) [[likely]]
        return sent;
      if (errno == EAGAIN) return 0;
      if (errno != EINTR) return -errno;
    }
  }

  template <class Call>
  absl::StatusOr<ResolvedAddress> AddressOf(Socket s, Call* call,
                                            const char* what) {
    Slot* const slot = Get(s);
    if (slot == nullptr) return ErrnoStatus(EBADF, what);
    sockaddr_storage address = {};
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (call(slot->owned.get(), generic, &size) != 0) {
      return ErrnoStatus(errno, what);
    }
    return ResolvedAddress::FromSockaddr(generic, size);
  }

  void CloseSlot(Slot& slot) noexcept {
    // First, so that whatever ends below finds the name stale.
    ++slot.generation;
    slot.sink = nullptr;
    slot.wants_in = slot.wants_out = false;
    // The slot's own and the program's: strictly before the descriptor goes.
    Access::EndWatches(reactor_, slot.owned.get());
    if (slot.rare != nullptr) {
      // Before the socket, so that nobody connects to one that is about to go.
      // Nor in a forked child, whose parent has the socket too.
      if (slot.rare->path != nullptr && !reactor_.in_child()) {
        slot.rare->path->Unlink();
      }
      slot.rare.reset();
    }
    slot.owned.reset();
    slot.next_free = free_;
    free_ = &slot;
  }

  // What the reactor calls. In all of them a callback may close the slot, and
  // even have it used again: its generation tells.
  static void ListenReady(WatchNode* node, Condition ready, void* on);
  static void ConnectReady(WatchNode* node, Condition ready, void* on);
  static void StreamReady(WatchNode* node, Condition ready, void* on);
  static constexpr WatchNode::Ops kListenOps{&ListenReady, nullptr};
  static constexpr WatchNode::Ops kConnectOps{&ConnectReady, nullptr};
  static constexpr WatchNode::Ops kStreamOps{&StreamReady, nullptr};

  static void StreamReadyForMore(Slot& slot, Condition ready, On& on);

  void Receive(On& on, Slot& slot);
  [[gnu::noinline]] void ReceiveWithoutMemory(On& on, Slot& slot);
  [[gnu::noinline]] void ReceiveMore(On& on, Slot& slot);
  // Nothing was received, for that errno.
  [[gnu::noinline]] void ReceiveEnded(On& on, Slot& slot, int error);
  [[gnu::noinline]] std::ptrdiff_t SendLess(Slot& slot,
                                            std::span<const std::byte> bytes,
                                            ssize_t sent) noexcept;
  void ContinueSending(On& on, Slot& slot);

  Reactor& reactor_;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::uint32_t slot_count_ = 0;  // In all chunks.
  Slot* free_ = nullptr;
  // What sockets are read into, and whether it is lent just now.
  Lease::Memory memory_;
  bool is_lent_ = false;
};

// ---------------------------------------------------------------------------

template <class E>
bool ReactorIo<E>::AddChunk() noexcept {
  std::unique_ptr<Slot[]> chunk(new (std::nothrow) Slot[kChunk]);
  if (chunk == nullptr) return false;
  const std::size_t first = slot_count_;
#if defined(__cpp_exceptions)
  try {
    chunks_.push_back(std::move(chunk));
  } catch (const std::bad_alloc&) {
    return false;
  }
#else
  chunks_.push_back(std::move(chunk));
#endif
  slot_count_ += kChunk;
  for (std::size_t i = kChunk; i-- > 0;) {
    Slot& slot = At(first + i);
    slot.io = this;
    slot.index = static_cast<std::uint32_t>(first + i);
    slot.next_free = free_;
    free_ = &slot;
  }
  return true;
}

template <class E>
absl::StatusOr<Socket> ReactorIo<E>::Listen(On&, const ResolvedAddress& address,
                                            int backlog) {
  const auto failed = [&address] {
    const int error = errno;
    return ErrnoStatus(error, "listen on " + address.ToString());
  };
  const int family = address.family();
  OwnedFd fd(calls::StreamSocket(family));
  if (!fd.valid()) return failed();
  if (address.is_inet() &&
      calls::SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) != 0) {
    return failed();
  }
  // Or [::] would take 0.0.0.0 too, as the system is configured (NL-15).
  if (family == AF_INET6 &&
      calls::SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0) {
    return failed();
  }
  // Its clients inherit it: no system call for each.
  SetNoDelay(fd.get(), family);
  if (calls::Bind(fd.get(), address.data(), address.size()) != 0) {
    return failed();
  }
  auto rare = std::make_unique<Rare>();
  rare->path = std::make_unique<BoundPath>(address.path());
  const int error = calls::Listen(fd.get(), backlog) != 0 ? errno : 0;
  Slot* const slot =
      error == 0 ? NewSlot(std::move(fd), kListenOps) : nullptr;
  if (slot == nullptr) {
    rare->path->Unlink();
    errno = error != 0 ? error : ENOMEM;
    return failed();
  }
  slot->rare = std::move(rare);
  return NameOf(*slot);
}

template <class E>
int ReactorIo<E>::Connect(On&, const ResolvedAddress& address, Sink& sink,
                          Socket& connecting) {
  OwnedFd fd(calls::StreamSocket(address.family()));
  if (!fd.valid()) return errno;
  SetNoDelay(fd.get(), address.family());
  const bool is_connected =
      calls::Connect(fd.get(), address.data(), address.size()) == 0;
  // Interrupted, it goes on by itself (connect(2)).
  if (!is_connected && errno != EINPROGRESS && errno != EINTR) return errno;
  Slot* const slot = NewSlot(std::move(fd), kStreamOps);
  if (slot == nullptr) return ENOMEM;
  slot->sink = &sink;
  if (!is_connected) {
    slot->ops = &kConnectOps;
    if (const int error = StartOut(*slot)) {
      CloseSlot(*slot);
      return error;
    }
  }
  connecting = NameOf(*slot);
  return is_connected ? 0 : EINPROGRESS;
}

template <class E>
[[gnu::always_inline]] inline std::ptrdiff_t ReactorIo<E>::Send(
    On&, Socket s, std::span<const std::byte> bytes) noexcept {
  Slot* const slot = Get(s);
  if (slot == nullptr) return -EBADF;
  const ssize_t sent =
      calls::Send(slot->owned.get(), bytes.data(), bytes.size());
  if (sent == static_cast<ssize_t>(bytes.size())) [[likely]]
    return sent;
  return SendLess(*slot, bytes, sent);
}

// The first send(2) did not take all.
template <class E>
std::ptrdiff_t ReactorIo<E>::SendLess(Slot& slot,
                                      std::span<const std::byte> bytes,
                                      ssize_t sent) noexcept {
  if (sent < 0) {
    if (errno == EINTR) {
      sent = SendSome(slot.owned.get(), bytes.data(), bytes.size());
    } else {
      sent = errno == EAGAIN ? 0 : -errno;
    }
    if (sent < 0 || sent == static_cast<ssize_t>(bytes.size())) return sent;
  }
  const int error = StartOut(slot);
  return error == 0 ? sent : -error;
}

template <class E>
int ReactorIo<E>::SendOwned(On&, Socket s, std::string& buffer) {
  Slot* const slot = Get(s);
  if (slot == nullptr) return EBADF;
  if (buffer.empty()) return 0;
  const ssize_t sent =
      SendSome(slot->owned.get(), buffer.data(), buffer.size());
  if (sent < 0) return static_cast<int>(-sent);
  if (static_cast<std::size_t>(sent) == buffer.size()) return 0;
  if (slot->rare == nullptr) slot->rare = std::make_unique<Rare>();
  if (const int error = StartOut(*slot)) return error;
  slot->rare->sending = std::move(buffer);
  slot->rare->sent = static_cast<std::size_t>(sent);
  return EINPROGRESS;
}

template <class E>
void ReactorIo<E>::ContinueSending(On& on, Slot& slot) {
  Rare& rare = *slot.rare;
  const ssize_t sent =
      SendSome(slot.owned.get(), rare.sending.data() + rare.sent,
               rare.sending.size() - rare.sent);
  if (sent >= 0) rare.sent += static_cast<std::size_t>(sent);
  if (sent >= 0 && rare.sent < rare.sending.size()) return;
  slot.wants_out = false;
  SetIdleIfUnwanted(slot);
  slot.sink->OnSent(on, std::exchange(rare.sending, {}),
                    sent < 0 ? static_cast<int>(-sent) : 0);
}

template <class E>
void ReactorIo<E>::ListenReady(WatchNode* node, Condition, void* witness) {
  Slot& slot = static_cast<Slot&>(*node);
  if (!slot.wants_in) {
    slot.io->Disarm(slot, slot.wanted);
    return;
  }
  On& on = *static_cast<On*>(witness);
  const std::uint32_t generation = slot.generation;
  for (int accepts = kAcceptsMax; accepts > 0; --accepts) {
    OwnedFd client(calls::Accept(slot.owned.get()));
    if (client.valid()) [[likely]] {
      const Slot* accepted = slot.io->NewSlot(std::move(client), kStreamOps);
      if (accepted != nullptr) [[likely]] {
        slot.sink->OnAccepted(on, NameOf(*accepted));
      } else {
        slot.sink->OnAcceptFailed(on, ENOMEM);
      }
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      slot.sink->OnAcceptFailed(on, errno);
    }
    if (slot.generation != generation || !slot.wants_in) return;
  }
}

template <class E>
void ReactorIo<E>::ConnectReady(WatchNode* node, Condition, void* witness) {
  Slot& slot = static_cast<Slot&>(*node);
  if (!slot.wants_out) {
    slot.io->Disarm(slot, slot.wanted);
    return;
  }
  int error = 0;
  if (calls::GetOption(slot.owned.get(), SOL_SOCKET, SO_ERROR, error) != 0) {
    error = errno;
  }
  slot.ops = &kStreamOps;
  slot.wants_out = false;
  // Reading is what comes next.
  if (error != 0 ||
      Access::SetInterest(slot.io->reactor_, slot, Condition::kIn) != 0) {
    Access::RemoveWatch(slot.io->reactor_, slot);
  }
  slot.io->SetIdleIfUnwanted(slot);
  slot.sink->OnConnected(*static_cast<On*>(witness), error);
}

template <class E>
void ReactorIo<E>::StreamReady(WatchNode* node, Condition ready,
                               void* witness) {
  Slot& slot = static_cast<Slot&>(*node);
  On& on = *static_cast<On*>(witness);
  if (ready == Condition::kIn && slot.wants_in) [[likely]] {
    slot.io->Receive(on, slot);
  } else {
    StreamReadyForMore(slot, ready, on);
  }
}

template <class E>
[[gnu::noinline]] void ReactorIo<E>::StreamReadyForMore(Slot& slot,
                                                        Condition ready,
                                                        On& on) {
  constexpr Condition kBroken = Condition::kErr | Condition::kHup;
  ReactorIo& io = *slot.io;
  const std::uint32_t generation = slot.generation;
  const bool wanted_in = slot.wants_in, wanted_out = slot.wants_out;
  if (wanted_in && Has(ready, Condition::kIn | kBroken)) {
    io.Receive(on, slot);
    if (slot.generation != generation) return;
  }
  if (wanted_out && slot.wants_out && Has(ready, Condition::kOut | kBroken)) {
    if (slot.rare != nullptr && !slot.rare->sending.empty()) {
      io.ContinueSending(on, slot);
    } else {
      slot.wants_out = false;
      io.SetIdleIfUnwanted(slot);
      slot.sink->OnSendable(on);
    }
    if (slot.generation != generation) return;
  }
  // Room would be told again and again.
  Condition unwanted = Condition::kNone;
  if (Has(ready, Condition::kOut) && !slot.wants_out) {
    unwanted |= Condition::kOut;
  }
  if (Has(ready, Condition::kIn) && !wanted_in && !slot.wants_in) {
    unwanted |= Condition::kIn;
  }
  // So would an end or an error, whatever it is armed for.
  if (Has(ready, kBroken) && !wanted_in && !wanted_out &&
      slot.wants() == Condition::kNone) {
    unwanted |= slot.wanted;
  }
  if (unwanted != Condition::kNone) io.Disarm(slot, unwanted);
}

template <class E>
[[gnu::always_inline]] inline void ReactorIo<E>::Receive(On& on, Slot& slot) {
  if (memory_ == nullptr || is_lent_) [[unlikely]]
    return ReceiveWithoutMemory(on, slot);
  const ssize_t size =
      calls::Receive(slot.owned.get(), memory_.get(), kReadSize);
  const Lent lent(is_lent_);
  if (size > 0 && static_cast<std::size_t>(size) < kReadSize) [[likely]] {
    // Less than asked for: it was all there is.
    Lease lease(memory_, static_cast<std::size_t>(size));
    slot.sink->OnReceived(on, lease);
  } else if (size > 0) {
    ReceiveMore(on, slot);
  } else {
    ReceiveEnded(on, slot, size == 0 ? 0 : errno);
  }
}

// There is none yet, or a nested loop reads while it is lent.
template <class E>
void ReactorIo<E>::ReceiveWithoutMemory(On& on, Slot& slot) {
  Lease::Memory memory(new (std::nothrow) std::byte[kReadSize]);
  if (memory == nullptr) return ReceiveEnded(on, slot, ENOMEM);
  if (!is_lent_) {
    memory_ = std::move(memory);
    return Receive(on, slot);
  }
  const ssize_t size =
      calls::Receive(slot.owned.get(), memory.get(), kReadSize);
  if (size <= 0) return ReceiveEnded(on, slot, size == 0 ? 0 : errno);
  Lease lease(memory, static_cast<std::size_t>(size));
  slot.sink->OnReceived(on, lease);
}

// The memory is full of what was received.
template <class E>
void ReactorIo<E>::ReceiveMore(On& on, Slot& slot) {
  const std::uint32_t generation = slot.generation;
  std::size_t size = kReadSize;
  for (int reads = kReadsMax;;) {
    Lease lease(memory_, size);
    slot.sink->OnReceived(on, lease);
    if (slot.generation != generation || !slot.wants_in || --reads == 0 ||
        size < kReadSize) {
      return;
    }
    if (memory_ == nullptr) {  // It was kept.
      memory_.reset(new (std::nothrow) std::byte[kReadSize]);
      if (memory_ == nullptr) return ReceiveEnded(on, slot, ENOMEM);
    }
    const ssize_t more =
        calls::Receive(slot.owned.get(), memory_.get(), kReadSize);
    if (more <= 0) return ReceiveEnded(on, slot, more == 0 ? 0 : errno);
    size = static_cast<std::size_t>(more);
  }
}

template <class E>
void ReactorIo<E>::ReceiveEnded(On& on, Slot& slot, int error) {
  // It is ready still if it was interrupted, and called again.
  if (error == EAGAIN || error == EINTR) return;
  slot.wants_in = false;
  // An end is told again and again.
  Disarm(slot, slot.wants_out ? Condition::kIn : slot.wanted);
  slot.sink->OnReceiveEnded(on, error);
}

// The Io of an executor: its own, or the one on its reactor.
template <class E>
struct IoOfExecutor {
  using Io = ReactorIo<E>;
  static Io& Get(OnLoop<E>& on) { return Io::Of(on); }
};
template <BringsAnIo E>
struct IoOfExecutor<E> {
  using Io = typename E::Io;
  static_assert(internal_io::RequireNetIo<Io, E>::kOk);
  static Io& Get(OnLoop<E>& on) { return on.executor().io(); }
};

template <class E>
using IoOf = typename IoOfExecutor<E>::Io;

// Throws std::bad_alloc.
template <class E>
IoOf<E>& IoFor(OnLoop<E>& on) {
  static_assert(NetIo<IoOf<E>, E>);
  return IoOfExecutor<E>::Get(on);
}

}  // namespace internal_reactor_io
}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_INTERNAL_REACTOR_IO_H_
