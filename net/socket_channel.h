// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/socket_channel.h
//
// SocketChannel<E> is one connection, TCP or unix: a stream of bytes each way.
// It connects by name, or is what a NetListener hands out.
//
//   qio::SocketChannel<Loop>::Connect(on,
//   *qio::SocketAddress::Parse("host:80"))
//       .Then(scope, [this](qio::OnLoop<Loop>& on,
//                           absl::StatusOr<qio::SocketChannel<Loop>> channel) {
//         if (!channel.ok()) return Fail(on, channel.status());
//         channel_ = *std::move(channel);
//         channel_.WriteAll(on, "GET / HTTP/1.0\r\n\r\n").Then(scope_, ...);
//       });
//
// There are two ways to read and write. Tasks: Read() and WriteAll() and their
// like, one at a time each. And, for servers with many connections, OnData()
// and TryWrite(), which neither allocate nor queue:
//
//   absl::Status status = channel_.OnData(on, [this](auto& on,
//                                                    qio::Received in) {
//     if (!in.ok() || in.end()) return Done(on, in.status());
//     Parse(on, in.bytes());  // Lent for this call.
//   });
//
// Closing, or destroying, a channel ends whatever it does: no callback of it
// starts any more, and its tasks complete with kCancelled.
//
// QEMU: QIOChannelSocket, qio_channel_read, _readv_all, _write, _write_all,
// _shutdown, _add_watch_full, _close (include/io/channel.h, channel-socket.h).

#ifndef QIO_NET_SOCKET_CHANNEL_H_
#define QIO_NET_SOCKET_CHANNEL_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/io.h"
#include "qio/loop_object.h"
#include "qio/net/dns_resolver.h"
#include "qio/net/internal/reactor_io.h"
#include "qio/net/socket_address.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/post.h"
#include "qio/reactor.h"
#include "qio/status.h"
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/watch.h"

namespace qio::inline QIO_ABI {

// What OnData() hands out: bytes, or the end of the stream, or an error, which
// ends it too.
class Received {
 public:
  using qio_sendable = void;  // Its bytes are lent. Keep() what is to travel.

  explicit Received(Lease& lease) noexcept : lease_(&lease) {}
  explicit Received(absl::Status end) noexcept : status_(std::move(end)) {}

  // False: the connection failed, and status() says how.
  bool ok() const { return status_.ok(); }
  // The other side has sent all it wanted to.
  bool end() const { return lease_ == nullptr && ok(); }

  // At least one byte, unless it is the end or an error. They are lent for the
  // length of the call.
  std::span<const std::byte> bytes() const {
    return lease_ != nullptr ? lease_->bytes() : std::span<const std::byte>();
  }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes().data()), bytes().size()};
  }

  const absl::Status& status() const { return status_; }

  // Takes the bytes over, for longer or for a worker: without a copy if they
  // are many. bytes() may not be looked at any more.
  //
  // Errors:  throws std::bad_alloc.
  OwnedBytes Keep() && {
    return lease_ != nullptr ? lease_->Keep() : OwnedBytes();
  }

 private:
  Lease* lease_ = nullptr;
  absl::Status status_;
};

namespace internal_socket_channel {
template <class E>
struct ChannelState;
struct ChannelMaker;
}  // namespace internal_socket_channel

template <class E>
class SocketChannel {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.

  // Closed.
  SocketChannel() = default;
  SocketChannel(SocketChannel&& other) noexcept = default;
  SocketChannel(  // qio: a channel has one owner; move it
      const SocketChannel&) = delete;
  SocketChannel& operator=(SocketChannel other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  // As Close().
  //
  // Affinity:  owning loop, which checked builds check; or any thread once
  //            the executor is gone.
  ~SocketChannel();

  // SocketChannel::Connect()
  //
  // Connects to `address`. A name is looked up on a worker (dns_resolver.h);
  // its addresses are tried one after the other, in their order. TCP_NODELAY is
  // set: what is written is sent. QEMU: qio_channel_socket_connect_async.
  //
  // Errors:  kInvalidArgument if nobody can connect to such an address; those
  //          of Resolve(); of socket(2) and connect(2), with the errno of the
  //          last address and a text that names all. A unix socket whose
  //          backlog is full is kUnavailable with EAGAIN. After Cancel()
  //          everything is closed.
  // Cost:    no thread, except for a name.
  static QIOTask<E, SocketChannel> Connect(OnLoop<E>& on,
                                           SocketAddress address);
  static QIOTask<E, SocketChannel> Connect(OnLoop<E>& on,
                                           ResolvedAddress address);

  // Takes over a connected stream socket, IP or unix, which becomes
  // non-blocking and closed on exec; TCP_NODELAY is set. QEMU:
  // qio_channel_socket_new_fd.
  //
  // Errors:  kFailedPrecondition if it is no such socket; ENOTSOCK, ENOTCONN
  //          and others with their errno. `fd` is closed then.
  static absl::StatusOr<SocketChannel> Adopt(OnLoop<E>& on, OwnedFd fd);

  // ---- Reading by tasks. One reader at a time: a second one is Busy. What
  // arrived and was not asked for, or was left by a read that failed or was
  // cancelled, is there for the next one.
  //
  // Errors:  of recv(2), with its errno; Busy; Closed if the channel is closed;
  //          kCancelled if it is closed meanwhile.
  // Cost:    the string. No epoll_ctl(2) for one read after the other.

  // What has arrived, `size_max` bytes at most; waits for the first byte.
  // Empty is the end of the stream. QEMU: qio_channel_read.
  QIOTask<E, std::string> Read(OnLoop<E>& on, std::size_t size_max);

  // `size` bytes, no more, no fewer. Errors: kOutOfRange if the stream ends
  // before. QEMU: qio_channel_read_all.
  QIOTask<E, std::string> ReadExactly(OnLoop<E>& on, std::size_t size);

  // All until the end of the stream. Errors: kResourceExhausted if that is more
  // than `size_max` bytes.
  QIOTask<E, std::string> ReadAll(OnLoop<E>& on, std::size_t size_max);

  // ---- Writing by tasks. One writer at a time: a second one is Busy. It never
  // raises SIGPIPE.
  //
  // Errors:  of send(2), with its errno: EPIPE, ECONNRESET; Busy; Closed if the
  //          channel is closed; kCancelled if it is closed meanwhile. Part of
  //          it may have been sent then, also by a write that was cancelled.

  // Some of `data`, at least one byte; says how much. QEMU: qio_channel_write.
  QIOTask<E, std::size_t> Write(OnLoop<E>& on, std::string data);

  // All of `data`. QEMU: qio_channel_write_all.
  QIOTask<E, void> WriteAll(OnLoop<E>& on, std::string data);

  // ---- The fast path.

  // SocketChannel::OnData()
  //
  // Calls f(on, Received) whenever bytes arrive, until they end: the last call
  // tells the end or the error. `f` is the one reader.
  //
  // Destroys:  `f` on the loop: after its last call, at StopData(), or when the
  //            channel or the executor ends; never while it runs. It may own
  //            the channel.
  // Errors:    Busy if somebody reads already; Closed; of epoll_ctl(2). `f` is
  //            gone then. Throws std::bad_alloc.
  // Cost:      none but recv(2) for each call. At most 256 KiB of one channel
  //            before others have their turn.
  template <class F>
  Status OnData(OnLoop<E>& on, F f);

  // No call starts after this returns; what arrives waits in the kernel.
  void StopData(OnLoop<E>& on);  // qio: pass the witness of its loop

  // SocketChannel::TryWrite()
  //
  // Writes what the kernel takes now and returns how much that was. After less
  // than all, OnWritable()'s function is called once there is room.
  //
  // Errors:  WouldBlock if it takes nothing; Busy while a write task runs;
  //          Closed; of send(2).
  // Cost:    send(2); none beyond.
  absl::StatusOr<std::size_t> TryWrite(OnLoop<E>& on,
                                       std::span<const std::byte> data);
  absl::StatusOr<std::size_t> TryWrite(OnLoop<E>& on, std::string_view data) {
    return TryWrite(on, std::as_bytes(std::span(data)));
  }

  // Calls f(on) once after each TryWrite() that wrote less than all, when there
  // is room, or an error for the next TryWrite() to find; unless a write task
  // was started meanwhile, whose completion comes instead. Set it before; it
  // replaces the previous function.
  //
  // Destroys:  `f` on the loop: when it is replaced, or when the channel or the
  //            executor ends; never while it runs. It may own the channel.
  // Errors:    Closed; `f` is gone then. Throws std::bad_alloc.
  template <class F>
  Status OnWritable(OnLoop<E>& on, F f);

  // ---- Everything else.

  // Ends what is written here: the other side reads the end of the stream, and
  // may go on writing (shutdown(2), SHUT_WR). What TryWrite() took is sent
  // before.
  //
  // Errors:  Busy while a write task runs; Closed; ENOTCONN.
  Status ShutdownWrite(OnLoop<E>& on);

  // The addresses of both ends, asked of the kernel. Ask for the remote one
  // early: ENOTCONN if the other side has broken the connection.
  //
  // Errors:  Closed; of getsockname(2), getpeername(2).
  absl::StatusOr<ResolvedAddress> local_address(OnLoop<E>& on) const;
  absl::StatusOr<ResolvedAddress> remote_address(OnLoop<E>& on) const;

  // SocketChannel::AddWatch()
  //
  // Watches the channel's descriptor, as Watch::Start() does, beside whoever
  // reads and writes: for Condition::kPri, or to hand it to a library. Closing
  // the channel ends the watch. QEMU: qio_channel_add_watch_full.
  //
  // Errors:  Closed; kUnimplemented if the executor's Io has no descriptors;
  //          those of Watch::Start().
  template <class F>
  absl::StatusOr<Watch<E>> AddWatch(OnLoop<E>& on, Condition wanted, F f);

  // Closes the connection. No callback starts after this returns, watches on it
  // end, tasks complete with kCancelled. Closed twice is closed.
  void Close(OnLoop<E>& on);  // qio: pass the witness of its loop

  // False before Connect() or Adopt(), after Close(), and without executor. A
  // connection that the other side has ended is open.
  bool is_open() const noexcept;

 private:
  using State = internal_socket_channel::ChannelState<E>;
  using StatePtr = internal_loop_object::LoopPtr<State>;
  friend struct internal_socket_channel::ChannelMaker;

  explicit SocketChannel(StatePtr state) noexcept : state_(std::move(state)) {}

  void CheckLoop(OnLoop<E>& on) const noexcept {
    if (state_) {
      internal_reactor::CheckSameLoop(on, state_->core(), "a SocketChannel");
    }
  }

  template <class Ask>
  absl::StatusOr<ResolvedAddress> AddressOf(OnLoop<E>& on, Ask ask) const;

  StatePtr state_;
};

// ---------------------------------------------------------------------------

namespace internal_socket_channel {

using internal_loop_object::LoopFunction;
using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_reactor_io::IoFor;
using internal_reactor_io::IoOf;

inline absl::Status Closed() { return ClosedError("the channel is closed"); }
inline absl::Status WasClosed() {
  return absl::CancelledError("the channel was closed meanwhile");
}

// Why a TryWrite() did not even try.
[[gnu::cold]] inline absl::StatusOr<std::size_t> MayNotWrite(bool is_open) {
  if (!is_open) return Closed();
  return BusyError("the channel is written already");
}

inline std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Bytes that have arrived before anybody asked for them.
class HeldBytes {
 public:
  bool empty() const { return at_ == bytes_.size(); }
  std::string_view view() const { return std::string_view(bytes_).substr(at_); }

  void Consume(std::size_t size) {
    at_ += size;
    if (empty()) Assign({});
  }
  void Assign(std::string_view text) {
    bytes_ = text;
    at_ = 0;
  }
  // Before those that are here.
  void PutBack(std::string&& bytes) {
    if (!empty()) bytes += view();
    bytes_ = std::move(bytes);
    at_ = 0;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;  // Those before are gone.
};

// What a reading task wants, and has.
struct ReadRequest {
  enum class Kind : std::uint8_t { kSome, kExactly, kAll };

  // Takes from `text` what it still wants; returns how much.
  std::size_t Take(std::string_view text) {
    const std::size_t taken = std::min(text.size(), size - data.size());
    data.append(text.substr(0, taken));
    return taken;
  }
  bool IsSatisfied() const {
    if (kind == Kind::kSome) return !data.empty();
    return kind == Kind::kExactly && data.size() == size;
  }

  Kind kind = Kind::kSome;
  std::size_t size = 0;
  std::string data;
};

// The task that reads, if there is one.
template <class E>
struct Reader : CancelHook {
  std::optional<Completer<E, std::string>> task;
  ReadRequest request;
};

// The task that writes: one of the two at most.
template <class E>
struct Writer : CancelHook {
  std::optional<Completer<E, std::size_t>> some;
  std::optional<Completer<E, void>> all;
  std::string data;  // Of `some`.
};

// A channel, in place while the SocketChannel moves. Its tasks refer to it too,
// so it may be there when the channel is closed.
template <class E>
struct ChannelState final : LoopObject, SocketSink<E>, Reader<E>, Writer<E> {
  using Io = IoOf<E>;
  using On = OnLoop<E>;
  using Kind = ReadRequest::Kind;
  template <class T>
  using Task = Completer<E, T>;

  static constexpr int kGoesOn = -1;

  ChannelState(internal_loop_core::LoopCore& core, Io& its_io,
               Socket its_socket) noexcept
      : LoopObject(core), io(&its_io), socket(its_socket) {
    reader().cancelled = [](CancelHook* hook) noexcept {
      static_cast<ChannelState*>(static_cast<Reader<E>*>(hook))->StopReading();
    };
    writer().cancelled = [](CancelHook* hook) noexcept {
      static_cast<ChannelState*>(static_cast<Writer<E>*>(hook))->StopWriting();
    };
  }

  Reader<E>& reader() { return *this; }
  const Reader<E>& reader() const { return *this; }
  Writer<E>& writer() { return *this; }
  const Writer<E>& writer() const { return *this; }

  bool is_open() const { return io != nullptr; }
  bool is_read() const { return reader().task.has_value() || on_data; }
  bool is_written() const {
    return writer().some.has_value() || writer().all.has_value();
  }

  // ---- Reading.

  void StartRead(On& on, ReadRequest request, Task<std::string> task) {
    if (is_read()) {
      std::move(task).Complete(on, BusyError("the channel is read already"));
      return;
    }
    reader().request = std::move(request);
    reader().task.emplace(std::move(task));
    reader().task->SetCancelHook(on, &reader());
    held.Consume(reader().request.Take(held.view()));
    if (IsReadDecided(on)) return;
    if (ended == kGoesOn) {
      if (const int error = io->StartReceive(on, socket)) {
        PutBack();
        FinishRead(on, ErrnoStatus(error, "read"));
      }
    } else {
      EndRead(on);
    }
  }

  // Finishes it if it has enough, or if there is more than it may have.
  bool IsReadDecided(On& on) {
    if (reader().request.IsSatisfied()) {
      FinishRead(on);
      return true;
    }
    if (held.empty()) return false;
    const std::size_t size = reader().request.size;
    PutBack();
    FinishRead(on, absl::ResourceExhaustedError(
                       "more than " + std::to_string(size) +
                       " bytes came before the end of the stream"));
    return true;
  }

  // There is no more to come.
  void EndRead(On& on) {
    const Kind kind = reader().request.kind;
    if (ended == 0 && kind != Kind::kExactly) return FinishRead(on);
    const std::size_t size = reader().request.size;
    const std::size_t came = reader().request.data.size();
    PutBack();
    FinishRead(on, ended != 0
                       ? ErrnoStatus(ended, "read")
                       : absl::OutOfRangeError(
                             "the stream ended after " + std::to_string(came) +
                             " of " + std::to_string(size) + " bytes"));
  }

  void FinishRead(On& on) { FinishRead(on, std::move(reader().request.data)); }
  void FinishRead(On& on, absl::StatusOr<std::string> result) {
    if (io != nullptr) io->StopReceive(on, socket);
    reader().request = {};
    Task<std::string> task = *std::exchange(reader().task, std::nullopt);
    std::move(task).Complete(on, std::move(result));
  }

  // Nobody wants it any more.
  void StopReading() noexcept {
    if (io != nullptr) io->StopReceive(this->template on<E>(), socket);
    PutBack();
    reader().task.reset();
  }

  // What a read that fails has got stays for the next one.
  void PutBack() { held.PutBack(std::exchange(reader().request.data, {})); }

  void OnReceived(On& on, Lease& lease) override {
    if (on_data) [[likely]] {
      on_data(on, Received(lease));
    } else if (reader().task) {
      ContinueRead(on, lease);
    }
  }

  [[gnu::noinline]] void ContinueRead(On& on, const Lease& lease) {
#if defined(__cpp_exceptions)
    try {
      TakeOver(on, TextOf(lease.bytes()));
    } catch (const std::bad_alloc&) {
      // Bytes are lost. A stream with a hole in it is none.
      io->StopReceive(on, socket);
      OnReceiveEnded(on, ENOMEM);
    }
#else
    TakeOver(on, TextOf(lease.bytes()));
#endif
  }

  void TakeOver(On& on, std::string_view text) {
    held.Assign(text.substr(reader().request.Take(text)));
    IsReadDecided(on);
  }

  void OnReceiveEnded(On& on, int error) override {
    ended = error;
    if (on_data) {
      TellEnd(on);
    } else if (reader().task) {
      EndRead(on);
    }
  }

  // The last call, which the function does not outlive.
  void TellEnd(On& on) {
    const LoopFunction<E, Received> f = std::move(on_data);
    f(on, Received(ended == 0 ? absl::OkStatus() : ErrnoStatus(ended, "read")));
  }

  // What had arrived before there was a function to call.
  void TellHeld(On& on, std::uint32_t its_number) {
    const auto is_over = [this, its_number] {
      return io == nullptr || !on_data || on_data_number != its_number;
    };
    if (is_over()) return;
    if (!held.empty()) {
      const auto bytes = std::as_bytes(std::span(held.view()));
      auto memory = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
      std::copy(bytes.begin(), bytes.end(), memory.get());
      Lease lease(memory, bytes.size());
      held.Assign({});
      on_data(on, Received(lease));
      if (is_over()) return;
    }
    if (ended == kGoesOn) {
      const int error = io->StartReceive(on, socket);
      if (error == 0) return;
      ended = error;
    }
    TellEnd(on);
  }

  // ---- Writing.

  void StartWrite(On& on, std::string data, Task<std::size_t> task) {
    if (is_written()) {
      std::move(task).Complete(on, BusyError("the channel is written already"));
      return;
    }
    owes_writable = false;
    writer().data = std::move(data);
    writer().some.emplace(std::move(task));
    writer().some->SetCancelHook(on, &writer());
    WriteSome(on);
  }

  // A TryWrite() has not written all.
  [[gnu::noinline]] absl::StatusOr<std::size_t> WroteLess(std::ptrdiff_t sent) {
    owes_writable = sent >= 0;
    if (sent > 0) return static_cast<std::size_t>(sent);
    if (sent == 0) return WouldBlockError("write");
    return ErrnoStatus(static_cast<int>(-sent), "write");
  }

  void WriteSome(On& on) {
    const std::ptrdiff_t sent =
        io->Send(on, socket, std::as_bytes(std::span(writer().data)));
    if (sent == 0 && !writer().data.empty()) return;  // OnSendable() follows.
    io->StopSend(on, socket);
    writer().data = {};
    Task<std::size_t> task = *std::exchange(writer().some, std::nullopt);
    if (sent < 0) {
      std::move(task).Complete(on,
                               ErrnoStatus(static_cast<int>(-sent), "write"));
    } else {
      std::move(task).Complete(on, static_cast<std::size_t>(sent));
    }
  }

  void StartWriteAll(On& on, std::string data, Task<void> task) {
    if (is_written()) {
      std::move(task).Complete(on, BusyError("the channel is written already"));
      return;
    }
    owes_writable = false;
    const int error = io->SendOwned(on, socket, data);
    if (error == EINPROGRESS) {
      writer().all.emplace(std::move(task));
      writer().all->SetCancelHook(on, &writer());
    } else {
      std::move(task).Complete(
          on, error == 0 ? absl::OkStatus() : ErrnoStatus(error, "write"));
    }
  }

  void StopWriting() noexcept {
    if (io != nullptr) io->StopSend(this->template on<E>(), socket);
    writer().data = {};
    writer().some.reset();
    writer().all.reset();
  }

  void OnSendable(On& on) override {
    if (writer().some) {
      WriteSome(on);
    } else if (on_writable && std::exchange(owes_writable, false)) {
      on_writable(on);
    }
  }

  void OnSent(On& on, std::string, int error) override {
    if (!writer().all) return;
    Task<void> task = *std::exchange(writer().all, std::nullopt);
    std::move(task).Complete(
        on, error == 0 ? absl::OkStatus() : ErrnoStatus(error, "write"));
  }

  // ---- The end.

  // The functions go last: they may own the channel, even this state.
  static void Close(On& on, LoopPtr<ChannelState> state) {
    if (state->io == nullptr) return;
    std::exchange(state->io, nullptr)->Close(on, state->socket);
    if (state->reader().task) state->FinishRead(on, WasClosed());
    if (auto task = std::exchange(state->writer().some, std::nullopt)) {
      std::move(*task).Complete(on, WasClosed());
    }
    if (auto task = std::exchange(state->writer().all, std::nullopt)) {
      std::move(*task).Complete(on, WasClosed());
    }
    state->EndFunctions();
  }

  void OnGone() noexcept override {
    const LoopPtr<ChannelState> keep(this);
    io = nullptr;
    EndFunctions();
  }

  void EndFunctions() noexcept {
    on_data.Reset();
    on_writable.Reset();
  }

  Io* io;  // Null when it is closed, or the executor is gone.
  const Socket socket;
  LoopFunction<E, Received> on_data;
  LoopFunction<E> on_writable;
  std::uint32_t on_data_number = 0;  // Tells one function from the next.
  bool owes_writable = false;        // A TryWrite() has written too little.
  int ended = kGoesOn;               // Else the errno, or 0 for the end.
  HeldBytes held;
};

// Makes channels of sockets; for listeners and what connects.
struct ChannelMaker {
  // Errors:  ENOMEM; the socket is closed then.
  template <class E>
  static absl::StatusOr<SocketChannel<E>> Make(OnLoop<E>& on, IoOf<E>& io,
                                               Socket socket) {
    using State = ChannelState<E>;
#if defined(__cpp_exceptions)
    try {
      auto state = LoopPtr<State>::Make(on, io, socket);
      io.SetSink(on, socket, state.get());
      return SocketChannel<E>(std::move(state));
    } catch (const std::bad_alloc&) {
      io.Close(on, socket);
      return ErrnoStatus(ENOMEM, "make a channel");
    }
#else
    auto state = LoopPtr<State>::Make(on, io, socket);
    io.SetSink(on, socket, state.get());
    return SocketChannel<E>(std::move(state));
#endif
  }
};

// One Connect(): looks up, then tries one address after the other.
template <class E>
struct Connecting final : LoopObject, SocketSink<E>, CancelHook {
  using On = OnLoop<E>;
  using Task = Completer<E, SocketChannel<E>>;

  Connecting(internal_loop_core::LoopCore& core, On& on, Task its_task)
      : LoopObject(core), io(IoFor(on)), task(std::move(its_task)), lookup(on) {
    task->SetCancelHook(on, this);
    this->cancelled = [](CancelHook* hook) noexcept {
      static_cast<Connecting*>(hook)->GiveUp();
    };
  }

  static void Start(On& on, SocketAddress address, Task task) {
    auto self = LoopPtr<Connecting>::Make(on, on, std::move(task));
    self->what = address.ToString();
    if (!address.needs_lookup()) {
      self->keep = self;
      return self->Resolved(
          on, ResolveWithoutLookup(address, AddressUse::kConnect));
    }
    Resolve(on, std::move(address), AddressUse::kConnect)
        .Then(self->lookup,
              [connecting = self.get()](
                  On& on, absl::StatusOr<std::vector<ResolvedAddress>> found) {
                connecting->Resolved(on, std::move(found));
              });
    self->keep = self;
  }

  static void Start(On& on, std::string what,
                    std::vector<ResolvedAddress> addresses, Task task) {
    auto self = LoopPtr<Connecting>::Make(on, on, std::move(task));
    self->what = std::move(what);
    self->keep = self;
    self->Resolved(on, std::move(addresses));
  }

  void Resolved(On& on, absl::StatusOr<std::vector<ResolvedAddress>> found) {
    if (!found.ok()) return Finish(on, found.status());
    addresses = *std::move(found);
    TryNext(on);
  }

  void TryNext(On& on) {
    for (; next < addresses.size(); ++next) {
      const int error = io.Connect(on, addresses[next], *this, socket);
      if (error == EINPROGRESS) return;
      if (error == 0) return IsConnected(on);
      Failed(error);
    }
    const std::string text =
        "connect to " + what + (addresses.size() > 1 ? failures : "");
    Finish(on, ErrnoStatus(last_error, text));
  }

  void Failed(int error) {
    last_error = error;
    failures += failures.empty() ? " (" : "; ";
    failures +=
        std::string(ErrnoStatus(error, addresses[next].ToString()).message());
    if (next + 1 == addresses.size()) failures += ")";
  }

  void OnConnected(On& on, int error) override {
    if (error == 0) return IsConnected(on);
    io.Close(on, std::exchange(socket, {}));
    Failed(error);
    ++next;
    TryNext(on);
  }

  void IsConnected(On& on) {
    Finish(on, ChannelMaker::Make<E>(on, io, std::exchange(socket, {})));
  }

  // Nothing of this object is touched after these.
  void Finish(On& on, absl::StatusOr<SocketChannel<E>> result) {
    const LoopPtr<Connecting> last = std::move(keep);
    Task finished = *std::exchange(task, std::nullopt);
    std::move(finished).Complete(on, std::move(result));
  }
  void GiveUp() noexcept {
    const LoopPtr<Connecting> last = std::move(keep);
    if (socket != Socket{}) io.Close(this->template on<E>(), socket);
    task.reset();
  }

  void OnGone() noexcept override {
    const LoopPtr<Connecting> last = std::move(keep);
    socket = {};
    task.reset();
  }

  IoOf<E>& io;
  std::optional<Task> task;
  LoopPtr<Connecting> keep;  // Itself, until it is over.
  std::string what;          // For the error.
  std::string failures;
  std::vector<ResolvedAddress> addresses;
  std::size_t next = 0;
  int last_error = 0;
  Socket socket;        // The one that connects now.
  TaskScope<E> lookup;  // Ends the lookup's completion with this object.
};

// A task of `state` that begins with start(on, state, completer).
template <class T, class E, class Start>
QIOTask<E, T> TaskOf(OnLoop<E>& on, LoopPtr<ChannelState<E>> state,
                     Start start) {
  return MakeTask<T>(on, [state = std::move(state), start = std::move(start)](
                             OnLoop<E>& on, Completer<E, T> task) mutable {
    if (state && state->is_open()) {
      start(on, *state, std::move(task));
    } else {
      std::move(task).Complete(on, Closed());
    }
  });
}

template <class E>
QIOTask<E, std::string> ReadTask(OnLoop<E>& on, LoopPtr<ChannelState<E>> state,
                                 ReadRequest::Kind kind, std::size_t size) {
  return TaskOf<std::string>(
      on, std::move(state),
      [kind, size](OnLoop<E>& on, ChannelState<E>& its_state,
                   Completer<E, std::string> task) {
        its_state.StartRead(on, ReadRequest{kind, size, {}}, std::move(task));
      });
}

}  // namespace internal_socket_channel

template <class E>
SocketChannel<E>::~SocketChannel() {
  if (!is_open()) return;
  internal_reactor::CheckMayTouch(state_->core(), "a SocketChannel");
  State::Close(state_->template on<E>(), state_);
}

template <class E>
bool SocketChannel<E>::is_open() const noexcept {
  return state_ && state_->is_open();
}

template <class E>
void SocketChannel<E>::Close(  // qio: pass the witness of its loop
    OnLoop<E>& on) {
  CheckLoop(on);
  if (is_open()) State::Close(on, state_);
}

template <class E>
QIOTask<E, SocketChannel<E>> SocketChannel<E>::Connect(OnLoop<E>& on,
                                                       SocketAddress address) {
  return MakeTask<SocketChannel>(
      on, [address = std::move(address)](
              OnLoop<E>& on, Completer<E, SocketChannel> task) mutable {
        internal_socket_channel::Connecting<E>::Start(on, std::move(address),
                                                      std::move(task));
      });
}

template <class E>
QIOTask<E, SocketChannel<E>> SocketChannel<E>::Connect(
    OnLoop<E>& on, ResolvedAddress address) {
  return MakeTask<SocketChannel>(
      on, [address](OnLoop<E>& on, Completer<E, SocketChannel> task) {
        internal_socket_channel::Connecting<E>::Start(
            on, address.ToString(), {address}, std::move(task));
      });
}

template <class E>
absl::StatusOr<SocketChannel<E>> SocketChannel<E>::Adopt(OnLoop<E>& on,
                                                         OwnedFd fd) {
  auto& io = internal_reactor_io::IoFor(on);
  absl::StatusOr<Socket> socket = io.Adopt(on, std::move(fd));
  if (!socket.ok()) return socket.status();
  return internal_socket_channel::ChannelMaker::Make<E>(on, io, *socket);
}

template <class E>
QIOTask<E, std::string> SocketChannel<E>::Read(OnLoop<E>& on,
                                               std::size_t size_max) {
  CheckLoop(on);
  return internal_socket_channel::ReadTask(
      on, state_, internal_socket_channel::ReadRequest::Kind::kSome,
      // No bytes would say that the stream has ended.
      std::max<std::size_t>(size_max, 1));
}

template <class E>
QIOTask<E, std::string> SocketChannel<E>::ReadExactly(OnLoop<E>& on,
                                                      std::size_t size) {
  CheckLoop(on);
  return internal_socket_channel::ReadTask(
      on, state_, internal_socket_channel::ReadRequest::Kind::kExactly, size);
}

template <class E>
QIOTask<E, std::string> SocketChannel<E>::ReadAll(OnLoop<E>& on,
                                                  std::size_t size_max) {
  CheckLoop(on);
  return internal_socket_channel::ReadTask(
      on, state_, internal_socket_channel::ReadRequest::Kind::kAll, size_max);
}

template <class E>
QIOTask<E, std::size_t> SocketChannel<E>::Write(OnLoop<E>& on,
                                                std::string data) {
  CheckLoop(on);
  return internal_socket_channel::TaskOf<std::size_t>(
      on, state_,
      [data = std::move(data)](OnLoop<E>& on, State& state,
                               Completer<E, std::size_t> task) mutable {
        state.StartWrite(on, std::move(data), std::move(task));
      });
}

template <class E>
QIOTask<E, void> SocketChannel<E>::WriteAll(OnLoop<E>& on, std::string data) {
  CheckLoop(on);
  return internal_socket_channel::TaskOf<void>(
      on, state_,
      [data = std::move(data)](OnLoop<E>& on, State& state,
                               Completer<E, void> task) mutable {
        state.StartWriteAll(on, std::move(data), std::move(task));
      });
}

template <class E>
template <class F>
Status SocketChannel<E>::OnData(OnLoop<E>& on, F f) {
  static_assert(std::is_invocable_v<F&, OnLoop<E>&, Received>,
                "qio: OnData(on, f) calls f(on, received): let it take an "
                "OnLoop<E>& of the same loop and a qio::Received");
  CheckLoop(on);
  if (!is_open()) return internal_socket_channel::Closed();
  State& state = *state_;
  if (state.is_read()) return BusyError("the channel is read already");
  internal_loop_object::LoopFunction<E, Received> function(on, std::move(f));
  const std::uint32_t number = ++state.on_data_number;
  if (!state.held.empty() || state.ended != State::kGoesOn) {
    Post(on, [state = state_, number](OnLoop<E>& on) {
      state->TellHeld(on, number);
    });
  } else if (const int error = state.io->StartReceive(on, state.socket)) {
    return ErrnoStatus(error, "wait for data");
  }
  state.on_data = std::move(function);
  return absl::OkStatus();
}

template <class E>
void SocketChannel<E>::StopData(  // qio: pass the witness of its loop
    OnLoop<E>& on) {
  CheckLoop(on);
  if (!is_open() || !state_->on_data) return;
  state_->io->StopReceive(on, state_->socket);
  // It may own the channel.
  const auto last = std::move(state_->on_data);
}

template <class E>
absl::StatusOr<std::size_t> SocketChannel<E>::TryWrite(
    OnLoop<E>& on, std::span<const std::byte> data) {
  CheckLoop(on);
  if (!is_open() || state_->is_written()) [[unlikely]]
    return internal_socket_channel::MayNotWrite(is_open());
  State& state = *state_;
  const std::ptrdiff_t sent = state.io->Send(on, state.socket, data);
  if (sent == static_cast<std::ptrdiff_t>(data.size())) [[likely]] {
    return data.size();
  }
  return state.WroteLess(sent);
}

template <class E>
template <class F>
Status SocketChannel<E>::OnWritable(OnLoop<E>& on, F f) {
  static_assert(std::is_invocable_v<F&, OnLoop<E>&>,
                "qio: OnWritable(on, f) calls f(on): let it take an OnLoop<E>& "
                "of the same loop");
  CheckLoop(on);
  if (!is_open()) return internal_socket_channel::Closed();
  state_->on_writable = internal_loop_object::LoopFunction<E>(on, std::move(f));
  return absl::OkStatus();
}

template <class E>
Status SocketChannel<E>::ShutdownWrite(OnLoop<E>& on) {
  CheckLoop(on);
  if (!is_open()) return internal_socket_channel::Closed();
  if (state_->is_written()) {
    return BusyError("the channel is written, and that has to end first");
  }
  const int error = state_->io->ShutdownWrite(on, state_->socket);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "shutdown");
}

template <class E>
template <class Ask>
absl::StatusOr<ResolvedAddress> SocketChannel<E>::AddressOf(OnLoop<E>& on,
                                                            Ask ask) const {
  CheckLoop(on);
  if (!is_open()) return internal_socket_channel::Closed();
  return ask(*state_->io, state_->socket);
}

template <class E>
absl::StatusOr<ResolvedAddress> SocketChannel<E>::local_address(
    OnLoop<E>& on) const {
  return AddressOf(on, [&on](auto& io, Socket socket) {
    return io.LocalAddress(on, socket);
  });
}

template <class E>
absl::StatusOr<ResolvedAddress> SocketChannel<E>::remote_address(
    OnLoop<E>& on) const {
  return AddressOf(on, [&on](auto& io, Socket socket) {
    return io.RemoteAddress(on, socket);
  });
}

template <class E>
template <class F>
absl::StatusOr<Watch<E>> SocketChannel<E>::AddWatch(OnLoop<E>& on,
                                                    Condition wanted, F f) {
  CheckLoop(on);
  if (!is_open()) return internal_socket_channel::Closed();
  const int fd = state_->io->Descriptor(on, state_->socket);
  if (fd < 0) {
    return absl::UnimplementedError(
        "the sockets of this executor have no descriptors to watch");
  }
  Watch<E> watch;
  absl::Status status = watch.Start(on, fd, wanted, std::move(f));
  if (!status.ok()) return status;
  return watch;
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_SOCKET_CHANNEL_H_
