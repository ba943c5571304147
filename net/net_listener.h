// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/net/net_listener.h
//
// NetListener<E> listens on any number of sockets, and hands each new client to
// one function, on the loop, as a SocketChannel<E>.
//
//   qio::NetListener<Loop> listener;
//   auto opened = listener.Open(on, *qio::SocketAddress::Parse(":8080"));
//   if (!opened.ok()) return opened.status();
//   listener.SetClientFunc(
//       on, [this](qio::OnLoop<Loop>& on, qio::SocketChannel<Loop> client) {
//         Serve(on, std::move(client));
//       });
//
// While there is no client function, clients wait in the kernel's backlog.
// Destroying the listener ends it: its sockets are closed, and the function is
// not called any more. The function may call anything of the listener's, and
// may destroy it.
//
// If the process or the system is out of descriptors or memory, the listener
// pauses, for 10 ms at first and up to a second, and reports it once. A socket
// that cannot accept any more is disabled, with a Status in sockets(); the
// others go on.
//
// QEMU: QIONetListener (include/io/net-listener.h); each function names the one
// that it stands for.

#ifndef QIO_NET_NET_LISTENER_H_
#define QIO_NET_NET_LISTENER_H_

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/io.h"
#include "qio/loop_object.h"
#include "qio/net/dns_resolver.h"
#include "qio/net/internal/reactor_io.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/post.h"
#include "qio/reactor.h"
#include "qio/status.h"
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/timer.h"

namespace qio::inline QIO_ABI {

struct ListenOptions {
  // How many clients wait in the kernel for being accepted, at most; the kernel
  // has a limit too, net.core.somaxconn, whose default this is.
  int backlog = 4096;
  // All of an address' sockets or none. Otherwise one is enough.
  bool require_all = false;
};

// What became of one of the addresses that a listener was to open.
struct ListenAttempt {
  ResolvedAddress address;  // With the port that it got, if it did.
  absl::Status status;
};

// One socket of a listener.
struct ListeningSocket {
  ResolvedAddress address;
  absl::Status status;  // Not OK: it accepts no more, and why.
  std::uint64_t accepted_count = 0;
};

namespace internal_net_listener {
template <class E>
struct ListenerState;
struct Access;
}  // namespace internal_net_listener

template <class E>
class NetListener {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.
  using Attempts = std::vector<ListenAttempt>;

  // Listens on nothing. QEMU: qio_net_listener_new.
  NetListener() = default;
  NetListener(NetListener&& other) noexcept = default;
  NetListener(  // qio: a listener has one owner; move it
      const NetListener&) = delete;
  NetListener& operator=(NetListener other) noexcept {
    std::swap(state_, other.state_);
    std::swap(name_, other.name_);
    return *this;
  }
  // Ends it: the sockets are closed, the client function is destroyed, and
  // tasks complete with kCancelled. May be called by the client function.
  //
  // Affinity:  owning loop, which checked builds check; or any thread once the
  //            executor is gone.
  ~NetListener();

  // What reports call it. QEMU: qio_net_listener_set_name.
  void set_name(std::string name);
  const std::string& name() const { return name_; }

  // NetListener::Open()
  //
  // Listens on all that `address` stands for, besides what the listener has
  // already, and tells what became of each. Any address of both IP families is
  // two sockets, IPv6 ones being IPv6 only; port 0 is the same free port for
  // all of them; a range is the first port that is free for all. A unix path is
  // unlinked when the socket is closed, if it is still the same file. Clients
  // may connect from here on. QEMU: qio_net_listener_open_sync.
  //
  // Errors:  if not one could be opened, or not all and all are required:
  //          nothing is open then that was not before. That of the first
  //          failure, with its errno and a text that names all; EADDRINUSE if
  //          no port of a range is free. kInvalidArgument if there can be no
  //          such address, kFailedPrecondition for a name: OpenByName() looks
  //          it up.
  absl::StatusOr<Attempts> Open(  // qio: pass the witness of its loop
      OnLoop<E>& on, const SocketAddress& address, ListenOptions options = {});

  // The same for a host name, looked up on a worker; and for everything else.
  //
  // Errors:  those of Resolve() too. A cancel that comes after the sockets were
  //          opened does not close them: size() tells.
  QIOTask<E, Attempts> OpenByName(OnLoop<E>& on, SocketAddress address,
                                  ListenOptions options = {});

  // NetListener::Add()
  //
  // Takes over a socket that listens already, from a service manager perhaps,
  // and makes it non-blocking and closed on exec. A unix path that somebody
  // else has bound is never unlinked. QEMU: qio_net_listener_add.
  //
  // Errors:  kFailedPrecondition if it is no stream socket, IP or unix, that
  //          listens; EEXIST if this loop has it, or a duplicate, already;
  //          ENOTSOCK, EBADF. `fd` is closed then.
  Status Add(OnLoop<E>& on,  // qio: pass the witness of its loop
             OwnedFd fd);

  // NetListener::SetClientFunc()
  //
  // Calls f(on, SocketChannel<E>) for each client from now on, at most 16 of
  // one socket before others have their turn. Replaces the previous function.
  // QEMU: qio_net_listener_set_client_func_full; the loop is this one.
  //
  // Ownership: the channel is f's; what it does not keep is closed.
  // Destroys:  `f` on the loop: when it is replaced or removed, or when the
  //            listener or the executor ends; never while it runs.
  // Errors:    throws std::bad_alloc; the previous function stands then.
  template <class F>
  void SetClientFunc(OnLoop<E>& on,  // qio: pass the witness of its loop
                     F f);

  // No call starts after this returns; clients wait in the backlog for the next
  // function. QEMU: qio_net_listener_set_client_func with NULL.
  void RemoveClientFunc(OnLoop<E>& on);  // qio: pass the witness of its loop

  // NetListener::WaitClient()
  //
  // The next client, before the client function gets any; who asks first is
  // served first. No other client is lost. QEMU: qio_net_listener_wait_client.
  //
  // Errors:  Closed if there is no socket to wait at; kCancelled if the
  //          listener ends or disconnects meanwhile; if no socket can accept
  //          any more, why. A cancel that comes after a client was accepted
  //          closes that one.
  QIOTask<E, SocketChannel<E>> WaitClient(OnLoop<E>& on);

  // Closes all sockets. Clients in the backlog are refused, tasks complete with
  // kCancelled; the client function stays, for what is opened next. QEMU:
  // qio_net_listener_disconnect.
  void Disconnect(OnLoop<E>& on);  // qio: pass the witness of its loop

  // It has a socket. QEMU: qio_net_listener_is_connected.
  bool is_connected() const { return size() != 0; }

  // How many sockets there are, their local addresses, and what else is known
  // of them, in the order in which they were opened. QEMU: nsioc and sioc.
  std::size_t size() const;
  std::vector<ResolvedAddress> addresses() const;
  std::vector<ListeningSocket> sockets() const;

 private:
  using State = internal_net_listener::ListenerState<E>;
  using StatePtr = internal_loop_object::LoopPtr<State>;
  friend struct internal_net_listener::Access;

  // Made when it is first needed, since only then there is a loop.
  State& StateOn(OnLoop<E>& on);

  StatePtr state_;
  std::string name_;
};

// ---------------------------------------------------------------------------

namespace internal_net_listener {

using internal_loop_object::LoopFunction;
using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_reactor_io::IoFor;
using internal_reactor_io::IoOf;
using internal_socket_channel::ChannelMaker;

// What a failed accept4(2) means for those to come.
enum class AcceptError { kOneClient, kExhausted, kFatal };

inline AcceptError KindOf(int error) {
  switch (error) {
    // That client is gone, or its network is (accept(2)).
    case ECONNABORTED:
    case ECONNRESET:
    case EPROTO:
    case EPERM:  // The firewall forbids it.
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ETIMEDOUT:
      return AcceptError::kOneClient;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EFAULT:
      return AcceptError::kFatal;
    // EMFILE, ENFILE, ENOBUFS, ENOMEM; and what nobody knows, slowly.
    default:
      return AcceptError::kExhausted;
  }
}

// What happens between accept and client function: a TLS handshake, say. Gets
// the accepted channel and gives back, in a task, one that is ready. If that
// fails the client is gone.
template <class E>
class Upgrade {
 public:
  virtual ~Upgrade() = default;
  virtual QIOTask<E, SocketChannel<E>> Start(OnLoop<E>& on,
                                             SocketChannel<E> accepted) = 0;
};

// What a listener is to open, and where it stands.
struct Plan {
  // Whether all addresses must get the same port, which is not known before.
  bool must_agree() const {
    return last_port != first_port || (first_port == 0 && addresses.size() > 1);
  }

  std::vector<ResolvedAddress> addresses;
  int first_port = 0;  // As the kernel takes it: 0 is a free one.
  int last_port = 0;
};

template <class E>
struct ListenerState final : LoopObject {
  using Io = IoOf<E>;
  using On = OnLoop<E>;
  using Channel = SocketChannel<E>;
  using Attempts = std::vector<ListenAttempt>;

  static constexpr std::chrono::milliseconds kPauseMin{10};
  static constexpr std::chrono::milliseconds kPauseMax{1000};
  // Exhausted again within this time is the same episode.
  static constexpr std::int64_t kEpisodeGapNs = 2'000'000'000;
  // How often to look for a port that is free for all families.
  static constexpr int kFreePortTries = 32;
  // After how many clients that were gone, one after the other, to pause.
  static constexpr int kFailuresMax = 64;

  // One socket.
  struct Entry final : SocketSink<E> {
    Entry(ListenerState& its_state, Socket its_socket,
          ResolvedAddress its_address)
        : state(its_state), socket(its_socket), info{its_address, {}, 0} {}
    // Also if there was no memory to keep it.
    ~Entry() {
      if (socket != Socket{}) {
        state.io.Close(state.template on<E>(), socket);
      }
    }

    void OnAccepted(On& on, Socket client) override {
      state.Accepted(on, *this, client);
    }
    void OnAcceptFailed(On& on, int error) override {
      state.AcceptFailed(on, *this, error);
    }
    void OnGone() noexcept override {
      socket = {};
      state.EndFunction();
    }

    ListenerState& state;
    Socket socket;
    ListeningSocket info;
    bool accepts = false;
    int failed_in_a_row = 0;
  };

  struct Waiter : CancelHook {
    Waiter(ListenerState& its_state, Completer<E, Channel> its_task)
        : state(its_state), task(std::move(its_task)) {}

    ListenerState& state;
    Completer<E, Channel> task;
    typename std::list<Waiter>::iterator place;
  };

  ListenerState(internal_loop_core::LoopCore& core, On& on)
      : LoopObject(core), io(IoFor(on)) {}

  // ---- Opening.

  absl::StatusOr<Attempts> Open(On& on, const SocketAddress& address,
                                std::vector<ResolvedAddress> resolved,
                                const ListenOptions& options);
  std::vector<std::unique_ptr<Entry>> TryPort(On& on, const Plan& plan,
                                              int port, int backlog,
                                              Attempts& attempts);
  void CloseAll(On& on, std::vector<std::unique_ptr<Entry>>& closing) noexcept {
    for (auto& entry : closing) {
      // Without a socket the executor ends, and the Io is gone.
      const Socket socket = std::exchange(entry->socket, Socket{});
      if (socket != Socket{}) io.Close(on, socket);
    }
    closing.clear();
  }

  void Keep(On& on, std::vector<std::unique_ptr<Entry>> opened) {
    entries.reserve(entries.size() + opened.size());
    for (auto& entry : opened) {
      io.SetSink(on, entry->socket, entry.get());
      entries.push_back(std::move(entry));
    }
    UpdateAccepting(on);
  }

  absl::Status Add(On& on, OwnedFd fd);

  // ---- Accepting.

  // A client is wanted now.
  bool wants_clients() const {
    return !is_paused && (client_func || waiters.size() > upgrading);
  }

  void UpdateAccepting(On& on) {
    const bool wanted = wants_clients();
    for (auto& entry : entries) {
      if (!wanted || !entry->info.status.ok()) {
        if (entry->accepts) io.StopAccept(on, entry->socket);
        entry->accepts = false;
      } else if (!entry->accepts) {
        const int error = io.StartAccept(on, entry->socket);
        if (error != 0) {
          // It is not about a client.
          return KindOf(error) == AcceptError::kFatal
                     ? Disable(on, *entry, error)
                     : Pause(on, *entry, error);
        }
        entry->accepts = true;
      }
    }
  }

  // Nothing of this object is touched after these two: what they call may end
  // it.
  void Accepted(On& on, Entry& entry, Socket client) {
    absl::StatusOr<Channel> channel = ChannelMaker::Make<E>(on, io, client);
    if (!channel.ok()) return AcceptFailed(on, entry, Errno(channel.status()));
    ++entry.info.accepted_count;
    entry.failed_in_a_row = 0;
    pause = {};
    if (upgrade == nullptr) return Deliver(on, *std::move(channel));
    ++upgrading;
    UpdateAccepting(on);
    if (!upgrades) upgrades.emplace(on);
    upgrade->Start(on, *std::move(channel))
        .Then(*upgrades, [this](On& on, absl::StatusOr<Channel> ready) {
          --upgrading;
          if (ready.ok()) return Deliver(on, *std::move(ready));
          UpdateAccepting(on);
        });
  }

  void Deliver(On& on, Channel channel) {
    if (!waiters.empty()) {
      Completer<E, Channel> task = std::move(waiters.front().task);
      waiters.pop_front();
      UpdateAccepting(on);
      std::move(task).Complete(on, std::move(channel));
    } else if (client_func) {
      client_func(on, std::move(channel));
    } else {
      // It was upgraded meanwhile, and then not wanted any more.
      ready.push_back(std::move(channel));
    }
  }

  void AcceptFailed(On& on, Entry& entry, int error) {
    switch (KindOf(error)) {
      case AcceptError::kOneClient:
        // So many in a row are no clients, and must not make the loop spin.
        if (++entry.failed_in_a_row < kFailuresMax) return;
        entry.failed_in_a_row = 0;
        return Pause(on, entry, error);
      case AcceptError::kExhausted:
        return Pause(on, entry, error);
      case AcceptError::kFatal:
        return Disable(on, entry, error);
    }
  }

  void Pause(On& on, const Entry& entry, int error);
  void Disable(On& on, Entry& entry, int error);

  void Report(On& on, const Entry& entry, const char* what, int error) {
    internal_reactor::Access::Of(on).diagnostics().ReportMade([&] {
      return "qio: listener " + (name.empty() ? "" : "'" + name + "' ") +
             "on " + entry.info.address.ToString() + " " + what +
             std::string(ErrnoStatus(error, "accept").message());
    });
  }

  // ---- Waiting.

  void StartWaiting(On& on, Completer<E, Channel> task) {
    if (!ready.empty()) {
      Channel channel = std::move(ready.front());
      ready.pop_front();
      std::move(task).Complete(on, std::move(channel));
      return;
    }
    if (absl::Status status = AcceptStatus(); !status.ok()) {
      std::move(task).Complete(on, std::move(status));
      return;
    }
    Waiter& waiter = waiters.emplace_back(*this, std::move(task));
    waiter.place = std::prev(waiters.end());
    waiter.cancelled = [](CancelHook* hook) noexcept {
      auto* const gone = static_cast<Waiter*>(hook);
      ListenerState& state = gone->state;
      state.waiters.erase(gone->place);
      state.UpdateAccepting(state.template on<E>());
    };
    waiter.task.SetCancelHook(on, &waiter);
    UpdateAccepting(on);
  }

  // Not OK if no socket can accept.
  absl::Status AcceptStatus() const {
    if (entries.empty()) return ClosedError("the listener has no socket");
    for (const auto& entry : entries) {
      if (entry->info.status.ok()) return absl::OkStatus();
    }
    return entries.back()->info.status;
  }

  void EndWaiting(On& on, const absl::Status& why) {
    for (Waiter& waiter : std::exchange(waiters, {})) {
      std::move(waiter.task).Complete(on, why);
    }
  }

  // ---- The end.

  void Disconnect(On& on) {
    CloseAll(on, entries);
    pause = {};
    is_paused = false;
    timer.Stop(on);
    EndWaiting(on, absl::CancelledError("the listener was disconnected"));
  }

  // Its owner has let go of it. The function goes last: it may own anything.
  static void End(On& on, LoopPtr<ListenerState> state) {
    state->has_ended = true;
    state->Disconnect(on);
    state->upgrades.reset();
    state->upgrading = 0;
    state->ready.clear();
    state->EndFunction();
  }

  void EndFunction() noexcept {
    const LoopPtr<ListenerState> keep(this);
    client_func.Reset();
  }

  // Since it was exhausted for the first time.
  struct PauseState {
    std::chrono::milliseconds next = kPauseMin;
  };

  Io& io;
  std::string name;
  bool has_ended = false;
  std::vector<std::unique_ptr<Entry>> entries;
  LoopFunction<E, Channel> client_func;
  std::list<Waiter> waiters;

  bool is_paused = false;
  PauseState pause;
  std::int64_t exhausted_ns = std::numeric_limits<std::int64_t>::min() / 2;
  Timer<E> timer;

  std::unique_ptr<Upgrade<E>> upgrade;
  std::size_t upgrading = 0;  // Clients that are between accept and function.
  std::list<Channel> ready;   // Those that were upgraded for nobody.
  std::optional<TaskScope<E>> upgrades;
};

// For what is between accept and client function, of this library.
struct Access {
  template <class E>
  static void SetUpgrade(NetListener<E>& listener, OnLoop<E>& on,
                         std::unique_ptr<Upgrade<E>> upgrade) {
    listener.StateOn(on).upgrade = std::move(upgrade);
  }
};

// One status for several addresses: that of the first failure, naming all.
inline absl::Status FirstFailure(const SocketAddress& address,
                                 const std::vector<ListenAttempt>& attempts) {
  const absl::Status* first = nullptr;
  std::string text;
  for (const ListenAttempt& attempt : attempts) {
    if (attempt.status.ok()) continue;
    if (first == nullptr) first = &attempt.status;
    if (!text.empty()) text += "; ";
    text += std::string(attempt.status.message());
  }
  if (first == nullptr || attempts.size() == 1) return *first;
  absl::Status status(first->code(), address.ToString() + ": " + text);
  first->ForEachPayload([&status](auto key, const absl::Cord& payload) {
    status.SetPayload(key, payload);
  });
  return status;
}

// Opens what it can. With an open port, all further ones have to have it too.
template <class E>
auto ListenerState<E>::TryPort(On& on, const Plan& plan, int port, int backlog,
                               Attempts& attempts)
    -> std::vector<std::unique_ptr<Entry>> {
  std::vector<std::unique_ptr<Entry>> opened;
  attempts.clear();
  // From here on nothing that was opened is lost for want of memory.
  opened.reserve(plan.addresses.size());
  attempts.reserve(plan.addresses.size());
  for (const ResolvedAddress& any_port : plan.addresses) {
    const ResolvedAddress address =
        any_port.WithPort(static_cast<std::uint16_t>(port));
    auto entry = std::make_unique<Entry>(*this, Socket{}, address);
    absl::StatusOr<Socket> socket = io.Listen(on, address, backlog);
    if (!socket.ok()) {
      attempts.push_back({address, socket.status()});
      continue;
    }
    entry->socket = *socket;
    const ResolvedAddress local =
        io.LocalAddress(on, *socket).value_or(address);
    entry->info.address = local;
    attempts.push_back({local, absl::OkStatus()});
    opened.push_back(std::move(entry));
    port = local.port();
  }
  return opened;
}

template <class E>
auto ListenerState<E>::Open(On& on, const SocketAddress& address,
                            std::vector<ResolvedAddress> resolved,
                            const ListenOptions& options)
    -> absl::StatusOr<Attempts> {
  const Plan plan{std::move(resolved), address.port(), address.last_port()};
  const bool any_port = plan.first_port == 0;
  const int tries = !plan.must_agree() ? 1
                    : any_port         ? kFreePortTries
                                       : plan.last_port - plan.first_port + 1;
  Attempts attempts;
  for (int i = 0; i < tries; ++i) {
    const int port = any_port ? 0 : plan.first_port + i;
    auto opened = TryPort(on, plan, port, options.backlog, attempts);
    bool is_in_use = false;
    for (const ListenAttempt& attempt : attempts) {
      is_in_use = is_in_use || Errno(attempt.status) == EADDRINUSE;
    }
    const bool is_enough = options.require_all
                               ? opened.size() == attempts.size()
                               : !opened.empty();
    if (is_enough && !(is_in_use && plan.must_agree())) {
      Keep(on, std::move(opened));
      return attempts;
    }
    CloseAll(on, opened);
    if (!is_in_use) break;
  }
  absl::Status failure = FirstFailure(address, attempts);
  if (tries == 1 || Errno(failure) != EADDRINUSE) return failure;
  return ErrnoStatus(EADDRINUSE,
                     "listen on " + address.ToString() +
                         (any_port ? ", one free port for all families"
                                   : ", any port of the range"));
}

template <class E>
absl::Status ListenerState<E>::Add(On& on, OwnedFd fd) {
  absl::StatusOr<Socket> socket = io.AdoptListening(on, std::move(fd));
  if (!socket.ok()) return socket.status();
  struct CloseUnlessKept {
    ~CloseUnlessKept() {
      if (socket != Socket{}) io.Close(on, socket);
    }
    Io& io;
    On& on;
    Socket socket;
  } unkept{io, on, *socket};
  absl::StatusOr<ResolvedAddress> local = io.LocalAddress(on, *socket);
  if (!local.ok()) return local.status();
  std::vector<std::unique_ptr<Entry>> added;
  added.push_back(std::make_unique<Entry>(*this, *socket, *local));
  unkept.socket = {};
  Keep(on, std::move(added));
  return absl::OkStatus();
}

template <class E>
void ListenerState<E>::Pause(On& on, const Entry& entry, int error) {
  if (is_paused) return;
  const std::int64_t now_ns =
      internal_reactor::Access::NowNs(internal_reactor::Access::Of(on));
  const bool is_new = now_ns - exhausted_ns > kEpisodeGapNs;
  exhausted_ns = now_ns;
  if (is_new) {
    pause = {};
    Report(on, entry, "accepts no client for now: ", error);
  }
  is_paused = true;
  const auto go_on = [this](On& on) {
    is_paused = false;
    UpdateAccepting(on);
  };
#if defined(__cpp_exceptions)
  try {
    timer.StartAfter(on, pause.next, go_on);
  } catch (const std::bad_alloc&) {
    // Nobody would end the pause. It is tried again at once instead.
    is_paused = false;
  }
#else
  timer.StartAfter(on, pause.next, go_on);
#endif
  pause.next = std::min(pause.next * 2, kPauseMax);
  UpdateAccepting(on);
}

template <class E>
void ListenerState<E>::Disable(On& on, Entry& entry, int error) {
  entry.info.status =
      ErrnoStatus(error, "accept on " + entry.info.address.ToString());
  Report(on, entry, "accepts no more: ", error);
  UpdateAccepting(on);
  if (absl::Status status = AcceptStatus(); !status.ok()) {
    EndWaiting(on, status);
  }
}

}  // namespace internal_net_listener

template <class E>
NetListener<E>::~NetListener() {
  if (!state_) return;
  internal_reactor::CheckMayTouch(state_->core(), "a NetListener");
  // Without executor all is closed, and the function gone.
  if (state_->core().reactor() != nullptr) {
    State::End(state_->template on<E>(), state_);
  }
}

template <class E>
auto NetListener<E>::StateOn(OnLoop<E>& on) -> State& {
  if (!state_) {
    state_ = StatePtr::Make(on, on);
    state_->name = name_;
  }
  internal_reactor::CheckSameLoop(on, state_->core(), "a NetListener");
  return *state_;
}

template <class E>
void NetListener<E>::set_name(std::string name) {
  name_ = std::move(name);
  if (state_) state_->name = name_;
}

template <class E>
auto NetListener<E>::Open(OnLoop<E>& on, const SocketAddress& address,
                          ListenOptions options) -> absl::StatusOr<Attempts> {
  if (address.needs_lookup()) {
    return absl::FailedPreconditionError(
        address.ToString() + " has to be looked up: use OpenByName()");
  }
  absl::StatusOr<std::vector<ResolvedAddress>> resolved =
      ResolveWithoutLookup(address, AddressUse::kListen);
  if (!resolved.ok()) return resolved.status();
  return StateOn(on).Open(on, address, *std::move(resolved), options);
}

template <class E>
auto NetListener<E>::OpenByName(OnLoop<E>& on, SocketAddress address,
                                ListenOptions options) -> QIOTask<E, Attempts> {
  StateOn(on);
  return MakeTask<Attempts>(
      on, [state = state_, address = std::move(address), options](
              OnLoop<E>& on, Completer<E, Attempts> task) mutable {
        auto lookup = Resolve(on, address, AddressUse::kListen);
        std::move(lookup).Then(
            [state = std::move(state), address = std::move(address), options,
             task = std::move(task)](
                OnLoop<E>& on,
                absl::StatusOr<std::vector<ResolvedAddress>> found) mutable {
              if (!task.wanted()) return;
              if (!found.ok()) {
                std::move(task).Complete(on, found.status());
              } else if (state->has_ended) {
                std::move(task).Complete(
                    on, absl::CancelledError("the listener has ended"));
              } else {
                std::move(task).Complete(
                    on, state->Open(on, address, *std::move(found), options));
              }
            });
      });
}

template <class E>
Status NetListener<E>::Add(OnLoop<E>& on, OwnedFd fd) {
  return StateOn(on).Add(on, std::move(fd));
}

template <class E>
template <class F>
void NetListener<E>::SetClientFunc(OnLoop<E>& on, F f) {
  static_assert(std::is_invocable_v<F&, OnLoop<E>&, SocketChannel<E>>,
                "qio: a client function is called as f(on, client): let it "
                "take an OnLoop<E>& of the listener's own loop, then a "
                "SocketChannel<E>");
  // The function may own the listener.
  StateOn(on);
  const StatePtr state = state_;
  auto old =
      std::exchange(state->client_func,
                    internal_loop_object::LoopFunction<E, SocketChannel<E>>(
                        on, std::move(f)));
  while (!state->ready.empty() && state->client_func) {
    SocketChannel<E> client = std::move(state->ready.front());
    state->ready.pop_front();
    Post(on, [state, client = std::move(client)](OnLoop<E>& on) mutable {
      if (!state->has_ended) state->Deliver(on, std::move(client));
    });
  }
  state->UpdateAccepting(on);
}

template <class E>
void NetListener<E>::RemoveClientFunc(  // qio: pass the witness of its loop
    OnLoop<E>& on) {
  const StatePtr state(std::addressof(StateOn(on)));
  const auto old = std::move(state->client_func);
  state->UpdateAccepting(on);
}

template <class E>
QIOTask<E, SocketChannel<E>> NetListener<E>::WaitClient(OnLoop<E>& on) {
  StateOn(on);
  return MakeTask<SocketChannel<E>>(
      on, [state = state_](OnLoop<E>& on, Completer<E, SocketChannel<E>> task) {
        if (state->has_ended) {
          std::move(task).Complete(on, ClosedError("the listener has ended"));
        } else {
          state->StartWaiting(on, std::move(task));
        }
      });
}

template <class E>
void NetListener<E>::Disconnect(  // qio: pass the witness of its loop
    OnLoop<E>& on) {
  StateOn(on).Disconnect(on);
}

template <class E>
std::size_t NetListener<E>::size() const {
  return state_ ? state_->entries.size() : 0;
}

template <class E>
std::vector<ResolvedAddress> NetListener<E>::addresses() const {
  std::vector<ResolvedAddress> addresses;
  for (const ListeningSocket& socket : sockets()) {
    addresses.push_back(socket.address);
  }
  return addresses;
}

template <class E>
std::vector<ListeningSocket> NetListener<E>::sockets() const {
  std::vector<ListeningSocket> sockets;
  if (!state_) return sockets;
  for (const auto& entry : state_->entries) sockets.push_back(entry->info);
  return sockets;
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_NET_NET_LISTENER_H_
