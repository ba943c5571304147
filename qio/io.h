// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/io.h
//
// For authors of executors. An Io is what an executor that can carry a network
// offers, and what qio/net has instead of a kernel: it opens sockets, and tells
// a SocketSink what happens on them. Channels and listeners make no system call
// of their own.
//
// An executor without one needs nothing: qio/net puts its own Io on the
// executor's reactor. One that can do better (io_uring), or has no kernel
// below (a simulation), brings a type that meets NetIo, and says so:
//
//   class UringExecutor final : public qio::ReactorHost<UringExecutor> {
//    public:
//     using Io = UringIo;
//     Io& io() { return io_; }  // Lives until the executor's destructor ends.
//
// Every function of an Io takes the witness first, does not block, and calls
// nobody back before it has returned.

#ifndef QIO_IO_H_
#define QIO_IO_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"

namespace qio::inline QIO_ABI {

// Of qio/net/socket_address.h, which an executor need not include: its Io takes
// the data() and size() of any type, and gives back the FromSockaddr() of it.
class ResolvedAddress;

// The name of a socket at its Io, not its owner. One that is stale, since its
// socket was closed, is harmless: no other socket ever gets it.
struct Socket {
  std::uint32_t slot = ~std::uint32_t{0};
  std::uint32_t generation = 0;

  friend bool operator==(const Socket&, const Socket&) = default;
};

// Bytes with an owner of their own, which may go to a worker.
class OwnedBytes {
 public:
  using qio_sendable = OwnedBytes;

  OwnedBytes() = default;
  OwnedBytes(std::unique_ptr<std::byte[]> memory, std::size_t size) noexcept
      : memory_(std::move(memory)), size_(size) {}

  std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_ = 0;
};

// Received bytes that are lent to whoever is told of them, for that call.
class Lease {
 public:
  using Memory = std::unique_ptr<std::byte[]>;

  // The first `size` bytes of `memory`, which stays the Io's unless it is kept.
  Lease(Memory& memory, std::size_t size) noexcept
      : memory_(memory), size_(size) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }

  // Takes the bytes over: a few are copied, many come with their memory. The
  // lease is over then.
  //
  // Errors:  throws std::bad_alloc.
  OwnedBytes Keep() {
    if (size_ >= kWorthTheMemory) return {std::move(memory_), size_};
    auto copy = std::make_unique_for_overwrite<std::byte[]>(size_);
    std::copy_n(memory_.get(), size_, copy.get());
    return {std::move(copy), size_};
  }

 private:
  static constexpr std::size_t kWorthTheMemory = 16384;

  Memory& memory_;
  const std::size_t size_;
};

// Who is told what happens on a socket. Errors are errno values, 0 for none.
//
// Any of these may close this socket and others, and destroy the sink.
template <class E>
class SocketSink {
 public:
  // A client, whose name is the sink's from here on: it closes it.
  virtual void OnAccepted(OnLoop<E>&, Socket) {}

  // accept4(2) failed, for one client or for all. The Io tries again for the
  // next one, unless the sink calls StopAccept().
  virtual void OnAcceptFailed(OnLoop<E>&, int) {}

  // Connect() is over. After an error all that is left to do is Close().
  virtual void OnConnected(OnLoop<E>&, int) {}

  // At least one byte.
  virtual void OnReceived(OnLoop<E>&, Lease&) {}

  // Nothing more will come: the end of the stream, or an error.
  virtual void OnReceiveEnded(OnLoop<E>&, int) {}

  // There is room, or an error, once after a Send() that took less than all.
  virtual void OnSendable(OnLoop<E>&) {}

  // What SendOwned() took over was sent, or failed.
  virtual void OnSent(OnLoop<E>&, std::string, int) {}

  // The Io goes away with its executor: the socket is closed, and the Io must
  // not be touched any more. Captures of the sink's end here and now.
  virtual void OnGone() noexcept = 0;

 protected:
  ~SocketSink() = default;
};

// ---- The requirements, "Io ...", on the loop of E.

// Makes sockets. The first two check what they take over, and refuse it as
// kFailedPrecondition or with the errno: Adopt() wants a connected stream
// socket, AdoptListening() one that listens and that this Io does not have
// already. Listen() is socket(2), bind(2) and listen(2); IPV6_V6ONLY is set,
// SO_REUSEADDR too, and a unix path that it made is unlinked by Close().
template <class Io, class E>
concept MakesSockets = requires(Io& io, OnLoop<E>& on, OwnedFd fd,
                                const ResolvedAddress& address, int backlog) {
  { io.Adopt(on, std::move(fd)) } -> std::same_as<absl::StatusOr<Socket>>;
  {
    io.AdoptListening(on, std::move(fd))
  } -> std::same_as<absl::StatusOr<Socket>>;
  { io.Listen(on, address, backlog) } -> std::same_as<absl::StatusOr<Socket>>;
};

// Connects. Returns 0, the socket being connected; EINPROGRESS, then
// OnConnected() follows; or the errno, and there is no socket.
template <class Io, class E>
concept Connects =
    requires(Io& io, OnLoop<E>& on, const ResolvedAddress& address,
             SocketSink<E>& sink, Socket& connecting) {
      { io.Connect(on, address, sink, connecting) } -> std::same_as<int>;
    };

// Has one sink for each socket; null for nobody.
template <class Io, class E>
concept TellsASink =
    requires(Io& io, OnLoop<E>& on, Socket s, SocketSink<E>* sink) {
      { io.SetSink(on, s, sink) } -> std::same_as<void>;
    };

// Accepts between Start and Stop: OnAccepted(), a bounded number a turn.
// Clients that nobody accepts stay in the backlog. Start returns an errno, and
// may come again at any time.
template <class Io, class E>
concept Accepts = requires(Io& io, OnLoop<E>& on, Socket s) {
  { io.StartAccept(on, s) } -> std::same_as<int>;
  { io.StopAccept(on, s) } -> std::same_as<void>;
};

// Receives between Start and Stop: OnReceived(), a bounded number a turn, and
// OnReceiveEnded(), which stops it. Start returns an errno, and may come again
// at any time.
template <class Io, class E>
concept Receives = requires(Io& io, OnLoop<E>& on, Socket s) {
  { io.StartReceive(on, s) } -> std::same_as<int>;
  { io.StopReceive(on, s) } -> std::same_as<void>;
};

// Sends. Send() returns how many bytes were sent or copied, or minus the errno;
// after less than all OnSendable() follows. SendOwned() returns 0 when all was
// sent; EINPROGRESS when it has taken `buffer` over, which OnSent() hands back
// when the kernel is done; or the errno. StopSend() gives up what is not sent
// yet: neither of the two follows. No signal is ever raised (MSG_NOSIGNAL).
template <class Io, class E>
concept Sends =
    requires(Io& io, OnLoop<E>& on, Socket s, std::span<const std::byte> bytes,
             std::string& buffer) {
      { io.Send(on, s, bytes) } -> std::same_as<std::ptrdiff_t>;
      { io.SendOwned(on, s, buffer) } -> std::same_as<int>;
      { io.StopSend(on, s) } -> std::same_as<void>;
      { io.ShutdownWrite(on, s) } -> std::same_as<int>;
    };

// Knows both ends of a socket, and its descriptor; -1 if there is none.
template <class Io, class E>
concept KnowsItsSockets = requires(Io& io, OnLoop<E>& on, Socket s) {
  { io.LocalAddress(on, s) } -> std::same_as<absl::StatusOr<ResolvedAddress>>;
  { io.RemoteAddress(on, s) } -> std::same_as<absl::StatusOr<ResolvedAddress>>;
  { io.Descriptor(on, s) } -> std::same_as<int>;
};

// Closes. No callback of the socket starts after it returns; watches on its
// descriptor end; memory that the kernel may still touch is kept until it lets
// go.
template <class Io, class E>
concept Closes = requires(Io& io, OnLoop<E>& on, Socket s) {
  { io.Close(on, s) } noexcept -> std::same_as<void>;
};

template <class Io, class E>
concept NetIo = MakesSockets<Io, E> && Connects<Io, E> && TellsASink<Io, E> &&
                Accepts<Io, E> && Receives<Io, E> && Sends<Io, E> &&
                KnowsItsSockets<Io, E> && Closes<Io, E>;

// E brings an Io of its own.
template <class E>
concept BringsAnIo = requires(E& executor) {
  typename E::Io;
  { executor.io() } -> std::same_as<typename E::Io&>;
};

namespace internal_io {

// Says which requirement Io misses.
template <class Io, class E>
struct RequireNetIo {
  static_assert(MakesSockets<Io, E>,
                "qio::NetIo: the Io needs Adopt(on, fd), AdoptListening(on, "
                "fd) and Listen(on, address, backlog), each returning "
                "StatusOr<Socket>");
  static_assert(Connects<Io, E>,
                "qio::NetIo: the Io needs int Connect(on, address, sink, "
                "socket)");
  static_assert(TellsASink<Io, E>,
                "qio::NetIo: the Io needs void SetSink(on, socket, sink)");
  static_assert(Accepts<Io, E>,
                "qio::NetIo: the Io needs int StartAccept(on, socket) and void "
                "StopAccept(on, socket)");
  static_assert(Receives<Io, E>,
                "qio::NetIo: the Io needs int StartReceive(on, socket) and "
                "void StopReceive(on, socket)");
  static_assert(Sends<Io, E>,
                "qio::NetIo: the Io needs ptrdiff_t Send(on, socket, bytes), "
                "int SendOwned(on, socket, string&), void StopSend(on, socket) "
                "and int ShutdownWrite(on, socket)");
  static_assert(KnowsItsSockets<Io, E>,
                "qio::NetIo: the Io needs LocalAddress(on, socket), "
                "RemoteAddress(on, socket) and int Descriptor(on, socket)");
  static_assert(Closes<Io, E>,
                "qio::NetIo: the Io needs void Close(on, socket) noexcept");
  static constexpr bool kOk = true;
};

}  // namespace internal_io
}  // namespace qio::inline QIO_ABI

#endif  // QIO_IO_H_
