// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// RS-06 for the kernel: every system call that qio makes fails, each time that
// a scenario makes it, with every errno that its man page lists, once and from
// then on. Whatever fails, nothing crashes, hangs or leaks, what was started
// ends once, and somebody is told: by a Status or a report. EINTR and EAGAIN
// are nobody's business.

#include "qio/support/system_call_faults.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/executors/asio.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/loop_log.h"
#include "qio/support/pipe.h"
#include "qio/support/proc.h"
#include "qio/support/temporary_directory.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/watch.h"
#include "qio/worker_pool.h"

namespace qio {
namespace {

using support::LoopLog;
using support::SystemCallFaults;
using support::Traced;
using Clock = std::chrono::steady_clock;

struct Call {
  const char* name;
  std::vector<int> errors;
};

// What their man pages list, section "ERRORS", for calls as qio makes them;
// accept4 besides passes on what the network says of the new connection.
std::vector<Call> LoopCalls() {
  return {
      {"epoll_create1", {EINVAL, EMFILE, ENFILE, ENOMEM}},
      {"eventfd", {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM}},
      {"epoll_ctl",
       {EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM}},
      {"epoll_wait", {EBADF, EFAULT, EINTR, EINVAL}},
      // On an eventfd.
      {"write", {EAGAIN, EINTR}},
      {"read", {EAGAIN, EINTR}},
      {"poll", {EFAULT, EINTR, EINVAL, ENOMEM}},
      {"ioctl", {EBADF, EFAULT, EINVAL, ENOTTY}},
      {"mmap", {EAGAIN, ENOMEM}},
      {"madvise", {EAGAIN, EINVAL, ENOMEM}},
      {"pthread_create", {EAGAIN, EINVAL, EPERM}},
      {"futex", {EAGAIN, EINTR}},
      {"close", {EINTR, EIO, ENOSPC, EDQUOT}},
  };
}
std::vector<Call> SocketCalls() {
  return {
      {"socket",
       {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM,
        EPROTONOSUPPORT}},
      {"setsockopt", {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK}},
      {"bind",
       {EACCES, EADDRINUSE, EBADF, EINVAL, ENOTSOCK, EADDRNOTAVAIL, EFAULT,
        ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EROFS}},
      {"listen", {EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP}},
      {"accept4",
       {EAGAIN,    EBADF,      ECONNABORTED, EFAULT,      EINTR,
        EINVAL,    EMFILE,     ENFILE,       ENOBUFS,     ENOMEM,
        ENOTSOCK,  EOPNOTSUPP, EPERM,        EPROTO,      ENETDOWN,
        EHOSTDOWN, ENONET,     EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT}},
      {"connect",
       {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN,
        EALREADY, EBADF, ECONNREFUSED, EFAULT, EINTR, EISCONN, ENETUNREACH,
        ENOTSOCK, EPROTOTYPE, ETIMEDOUT}},
      {"getsockopt", {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK}},
      {"getsockname", {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK}},
      {"getpeername", {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTCONN, ENOTSOCK}},
      {"recv",
       {EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EFAULT, EINTR, EINVAL, ENOMEM,
        ENOTCONN, ENOTSOCK, ETIMEDOUT}},
      {"send",
       {EACCES, EAGAIN, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT,
        EINTR, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK,
        EOPNOTSUPP, EPIPE}},
      {"shutdown", {EBADF, EINVAL, ENOTCONN, ENOTSOCK}},
      {"fcntl", {EACCES, EBADF, EBUSY, EINVAL, EPERM}},
      {"fstat", {EBADF, EFAULT, ENOMEM, EOVERFLOW}},
      {"lstat", {EACCES, ELOOP, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW}},
      {"unlink", {EACCES, EBUSY, ENOENT, ENOMEM, EPERM, EROFS}},
  };
}

// Those that are the kernel's way of saying "again".
bool IsTransient(int error) { return error == EINTR || error == EAGAIN; }
// That there are no threads, and that a unix socket's backlog is full, are
// final all the same; and so is a lack of memory.
bool MaySurface(std::string_view call, int error) {
  return error == EAGAIN && (call == "pthread_create" || call == "connect");
}

// What a scenario has started, and what was said.
struct Outcome {
  void Add(const absl::Status& status) {
    if (!status.ok()) failures.push_back(status);
  }
  template <class T>
  void Add(const absl::StatusOr<T>& result) {
    Add(result.status());
  }

  // An operation begins; its completion holds the item and ends it.
  Traced Begin() {
    ++started;
    log.Add(LoopLog::What::kPosting, started);
    return Traced(log, started);
  }
  void End(const Traced& item, const absl::Status& status) {
    ++ended;
    item.Run();
    Add(status);
  }

  // All that was reported, but for the one watch that is disarmed each time.
  std::string reported() const {
    std::string text;
    int disarmed = 0;
    for (const std::string& sentence : reports.sentences()) {
      const bool is_expected =
          sentence.find("disarmed a watch") != sentence.npos && ++disarmed == 1;
      if (!is_expected) text += sentence;
    }
    return text;
  }
  bool told() const { return !failures.empty() || !reported().empty(); }

  LoopLog log;
  int started = 0;
  int ended = 0;
  std::vector<absl::Status> failures;
  support::CapturedDiagnostics reports;
  support::CapturedDiagnostics at_the_end;
};

using Loop = EpollExecutor;
using On = OnLoop<Loop>;
using Channel = SocketChannel<Loop>;

// Everything that qio does, once: two listeners, two connections and their
// bytes each way, workers, timers, watches, posts from elsewhere.
class Scenario {
 public:
  explicit Scenario(Outcome& outcome) : o_(outcome) {}

  void Run() {
    absl::StatusOr<std::unique_ptr<Loop>> made = Loop::Create();
    if (!made.ok()) return o_.Add(made);
    loop_ = *std::move(made);
    o_.Add(loop_->Enter([this](On& on) {
      on.executor().SetDiagnostics(on, o_.reports.diagnostics());
      // So that everybody sleeps and is woken.
      on.executor().SetSpinLimit(on, 0);
      WorkerPool::Options options;
      options.spin_limit = 0;
      on.executor().UseWorkers(on, std::make_shared<WorkerPool>(options));
      Start(on);
    }));
    if (Turn()) {
      o_.Add(loop_->Enter([this](On& on) { End(on); }));
      Turn();
    }
    o_.Add(loop_->Enter([this](On& on) {
      // What is lost from here on was told before.
      on.executor().SetDiagnostics(on, o_.at_the_end.diagnostics());
      clients_.clear();
      served_.clear();
      listener_ = {};
      timer_.Stop(on);
      watch_.Stop(on);
      hung_up_.Stop(on);
    }));
    loop_.reset();
  }

 private:
  // Until all that was started has ended; or, if somebody was told that it may
  // not, until nothing happens for a while: false.
  bool Turn() {
    int ended = -1, turns = 0;
    auto since = Clock::now();
    // And until the hang-up has been looked at.
    while (o_.ended < o_.started || (hung_up_.armed() && ++turns < 100)) {
      o_.Add(loop_->RunOnce(std::chrono::milliseconds(5)));
      if (ended != o_.ended) {
        ended = o_.ended;
        since = Clock::now();
      }
      const std::chrono::milliseconds patience(o_.told() ? 8 : 10'000);
      if (Clock::now() - since > patience) return false;
    }
    return true;
  }

  template <class Task>
  void Then(Task task) {
    std::move(task).Then([this, item = o_.Begin()](On&, auto result) {
      if constexpr (std::is_same_v<decltype(result), absl::Status>) {
        o_.End(item, result);
      } else {
        o_.End(item, result.status());
      }
    });
  }

  void Start(On& on) {
    timer_.StartAfter(
        on, std::chrono::milliseconds(1),
        [this, item = o_.Begin()](On&) { o_.End(item, absl::OkStatus()); });
    Then(RunInThread(on, [] { return 1; }));
    // Its bytes are written by a worker.
    const absl::Status started =
        watch_.Start(on, pipe_.reader.get(), Condition::kIn,
                     [this, item = o_.Begin()](On& on, Condition) {
                       o_.End(item, absl::OkStatus());
                       watch_.Stop(on);
                     });
    if (!started.ok()) Unstarted(started);
    Then(RunInThread(
        on, [](int fd) { (void)::syscall(SYS_write, fd, "x", 1); },
        pipe_.writer.get()));
    // A hang-up that nobody looks at.
    o_.Add(hung_up_.Start(on, hung_up_pipe_.reader.get(), Condition::kIn,
                          [](On&, Condition) {}));
    o_.Add(RunInThread(on, [] { return 2; }).Wait(on));
    PostFromElsewhere(on);
    Adopt(on);
    Listen(on, SocketAddress::Inet("127.0.0.1", 0));
    Listen(on, SocketAddress::Unix(directory_ / "socket"));
    listener_.SetClientFunc(
        on, [this](On& on, Channel client) { Serve(on, std::move(client)); });
    for (const ResolvedAddress& address : listener_.addresses()) {
      Channel::Connect(on, address)
          .Then([this, item = o_.Begin()](On& on,
                                          absl::StatusOr<Channel> connected) {
            o_.End(item, connected.status());
            if (connected.ok()) Talk(on, *std::move(connected));
          });
    }
  }

  // What was begun for it is over; it is gone already.
  void Unstarted(const absl::Status& why) {
    ++o_.ended;
    o_.Add(why);
  }

  void PostFromElsewhere(On& on) {
    absl::Status posted;
    std::thread([&, ref = LoopRef<Loop>(on)] {
      posted = ref.Post(
          [](On&, Traced item, Outcome* outcome) {
            outcome->End(item, absl::OkStatus());
          },
          o_.Begin(), AssumeSendable(&o_));
    }).join();
    if (!posted.ok()) Unstarted(posted);
  }

  void Adopt(On& on) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
    for (const int end : ends) {
      auto adopted = Channel::Adopt(on, OwnedFd(end));
      o_.Add(adopted);
      if (!adopted.ok()) continue;
      o_.Add(adopted->local_address(on));
      o_.Add(adopted->remote_address(on));
      clients_.push_back(std::make_unique<Channel>(*std::move(adopted)));
    }
    const int again = ::dup(listening_.get());
    o_.Add(listener_.Add(on, OwnedFd(again)));
  }

  void Listen(On& on, const SocketAddress& address) {
    auto opened = listener_.Open(on, address);
    o_.Add(opened);
    if (opened.ok()) {
      for (const auto& attempt : *opened) o_.Add(attempt.status);
    }
  }

  // Sends more than the kernel takes, and all of it comes back.
  void Talk(On& on, Channel connected) {
    Channel& channel =
        *clients_.emplace_back(std::make_unique<Channel>(std::move(connected)));
    std::move(channel.WriteAll(on, std::string(kSize, 'x')))
        .Then([this, &channel, item = o_.Begin()](On& on, absl::Status status) {
          o_.End(item, status);
          o_.Add(channel.ShutdownWrite(on));
        });
    std::move(channel.ReadAll(on, kSize))
        .Then([this, item = o_.Begin()](On&, absl::StatusOr<std::string> all) {
          o_.End(item, all.status());
          // Less is an end that the other side has told us of.
          if (all.ok() && all->size() != kSize) {
            o_.Add(absl::DataLossError("what came back is too short"));
          }
        });
  }

  // Sends back what it gets; by tasks on one connection, else the fast way.
  void Serve(On& on, Channel client) {
    Channel& channel =
        *served_.emplace_back(std::make_unique<Channel>(std::move(client)));
    if (served_.size() == 1) return Echo(on, channel);
    Answer& answer = *answers_.emplace_back(std::make_unique<Answer>());
    const auto send = [this, &channel, &answer](On& on) {
      while (!answer.unsent.empty()) {
        const auto sent = channel.TryWrite(on, answer.unsent);
        if (!sent.ok()) {
          // That it would block is the one EAGAIN that is told.
          if (Errno(sent.status()) != EAGAIN) o_.Add(sent);
          return;
        }
        answer.unsent.erase(0, *sent);
      }
      if (std::exchange(answer.is_complete, false)) {
        o_.Add(channel.ShutdownWrite(on));
      }
    };
    o_.Add(channel.OnWritable(on, send));
    o_.Add(channel.OnData(on, [this, send, &answer](On& on, Received received) {
      o_.Add(received.status());
      answer.unsent.append(received.text());
      answer.is_complete = received.end() || !received.ok();
      send(on);
    }));
  }

  void Echo(On& on, Channel& channel) {
    std::move(channel.Read(on, 100'000))
        .Then([this, &channel, item = o_.Begin()](
                  On& on, absl::StatusOr<std::string> data) {
          o_.End(item, data.status());
          if (!data.ok()) return;
          if (data->empty()) return o_.Add(channel.ShutdownWrite(on));
          std::move(channel.WriteAll(on, *std::move(data)))
              .Then([this, &channel, item = o_.Begin()](On& on,
                                                        absl::Status status) {
                o_.End(item, status);
                if (status.ok()) Echo(on, channel);
              });
        });
  }

  void End(On& on) {
    for (const auto& socket : listener_.sockets()) o_.Add(socket.status);
    for (auto& channel : clients_) channel->Close(on);
    listener_.Disconnect(on);
    Then(RunInThread(on, [] { return 3; }));
  }

  static OwnedFd ListeningSocket() {
    OwnedFd fd(static_cast<int>(
        ::syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    ::syscall(SYS_listen, fd.get(), 4);
    return fd;
  }

  static constexpr std::size_t kSize = 260'000;

  struct Answer {
    std::string unsent;
    bool is_complete = false;
  };

  Outcome& o_;
  support::TemporaryDirectory directory_;
  support::Pipe pipe_, hung_up_pipe_ = HungUp();
  OwnedFd listening_ = ListeningSocket();
  std::unique_ptr<Loop> loop_;
  Timer<Loop> timer_;
  Watch<Loop> watch_, hung_up_;
  NetListener<Loop> listener_;
  std::vector<std::unique_ptr<Channel>> clients_, served_;
  std::vector<std::unique_ptr<Answer>> answers_;

  static support::Pipe HungUp() {
    support::Pipe pipe;
    pipe.writer.reset();
    return pipe;
  }
};

// Some of it under a sanitizer, which is slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kStride = 7;
#else
constexpr int kStride = 1;
#endif

// With the first thread a sanitizer starts one of its own, which stays. One
// that was joined may stand in /proc a little longer.
struct StartsTheFirstThread {
  StartsTheFirstThread() {
    pid_t thread = 0;
    std::thread([&] { thread = ::gettid(); }).join();
    const std::string path = "/proc/self/task/" + std::to_string(thread);
    while (::access(path.c_str(), F_OK) == 0) std::this_thread::yield();
  }
};
BOOST_TEST_GLOBAL_FIXTURE(StartsTheFirstThread);

// The scenario with one fault. Returns whether it was met.
bool RunWith(const char* call, int kth, int error, int times) {
  const support::Baseline before;
  bool met = false;
  Outcome o;
  {
    Scenario scenario(o);
    SystemCallFaults faults(call, kth, error, times);
    scenario.Run();
    met = faults.calls() > kth;
  }
  const std::string what = std::string(call) + " " + std::to_string(kth) +
                           " errno " + std::to_string(error) + " times " +
                           std::to_string(times) + ": ";
  std::string all = o.reported();
  for (const absl::Status& failure : o.failures) {
    all += "\n  " + failure.ToString();
    BOOST_TEST((Errno(failure) == 0 || !IsTransient(Errno(failure)) ||
                MaySurface(call, error)),
               what << "it surfaced: " << failure.ToString());
  }
  const std::string left = before.Difference();
  BOOST_TEST(left == "", what << left);
  const std::string once = o.log.OnceEach();
  BOOST_TEST(once == "", what << once);
  const bool settled = o.started == o.ended;
  BOOST_TEST((settled || o.told()),
             what << o.ended << " of " << o.started << " ended, silently");
  if (!met || (IsTransient(error) && !MaySurface(call, error))) {
    BOOST_TEST((settled && !o.told()),
               what << o.ended << " of " << o.started << " ended: " << all);
  }
  return met;
}

void RunAll(const std::vector<Call>& calls) {
  int runs = 0, offset = 0;
  for (const Call& call : calls) {
    int most = 0;
    for (const int error : call.errors) {
      // A call that is always interrupted is none that the kernel knows.
      const int in_a_row = IsTransient(error) ? 10 : SystemCallFaults::kForEver;
      for (const int times : {1, in_a_row}) {
        support::Watchdog watchdog(call.name, 60);
        int kth = offset++ % kStride;
        for (; RunWith(call.name, kth, error, times); ++runs) kth += kStride;
        most = std::max(most, kth);
      }
    }
    BOOST_TEST(most > 0, call.name << " is never called");
    BOOST_TEST_MESSAGE(call.name << ": " << most);
  }
  BOOST_TEST_MESSAGE(runs << " runs");
}

BOOST_AUTO_TEST_SUITE(SystemCallFaultsTest)

BOOST_AUTO_TEST_CASE(Rs06_WithoutFaultsAllSucceeds) {
  BOOST_TEST(!RunWith("no call", 0, EIO, 1));
}

BOOST_AUTO_TEST_CASE(Rs06_EveryCallOfTheLoopFails) { RunAll(LoopCalls()); }

BOOST_AUTO_TEST_CASE(Rs06_EveryCallOnASocketFails) { RunAll(SocketCalls()); }

// A loop that is woken by a timerfd, as Asio's is.
BOOST_AUTO_TEST_CASE(Rs06_EveryCallOfATimerFdFails) {
  using AsioOn = OnLoop<AsioExecutor>;
  for (const Call& call : std::vector<Call>{
           {"timerfd_create", {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, EPERM}},
           {"timerfd_settime", {EBADF, ECANCELED, EFAULT, EINVAL}}}) {
    for (const int error : call.errors) {
      for (const int times : {1, SystemCallFaults::kForEver}) {
        const support::Baseline before;
        {
          support::CapturedDiagnostics reports;
          asio::io_context io;
          {
            (void)AsioExecutor::Create(io);
          }  // Asio has all of its own now.
          SystemCallFaults faults(call.name, 0, error, times);
          auto loop = AsioExecutor::Create(io);
          if (loop.ok()) {
            Timer<AsioExecutor> timer;
            bool fired = false;
            const absl::Status entered = (*loop)->Enter([&](AsioOn& on) {
              on.executor().SetDiagnostics(on, reports.diagnostics());
              timer.StartAfter(on, std::chrono::milliseconds(1),
                               [&](AsioOn&) { fired = true; });
            });
            BOOST_TEST(entered.ok());
            io.run_for(std::chrono::milliseconds(50));
            BOOST_TEST((fired || reports.text() != ""));
          } else {
            BOOST_TEST(Errno(loop.status()) == error);
          }
          BOOST_TEST(faults.calls() > 0);
        }
        BOOST_TEST(before.Difference() == "");
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
