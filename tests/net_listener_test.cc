// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the clauses in conformance/listener_cases.h do not say.

#include "qio/net/net_listener.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "qio/conformance/channel_cases.h"
#include "qio/conformance/epoll_harness.h"
#include "qio/conformance/listener_cases.h"
#include "qio/conformance/loop.h"
#include "qio/executors/manual.h"
#include "qio/net/socket_address.h"
#include "qio/status.h"
#include "qio/support/allocations.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/proc.h"
#include "qio/support/raw_socket.h"
#include "qio/support/socket_faults.h"

namespace qio {
namespace {

using Harness = conformance::EpollHarness;
using E = EpollExecutor;
using On = OnLoop<E>;
using Loop = conformance::Loop<Harness>;
using Server = conformance::Server<Harness>;
using Channel = SocketChannel<E>;
using Listener = NetListener<E>;
using conformance::Must;
using conformance::ResultOf;
using support::RawSocket;
using support::SocketFaults;

static_assert(std::is_nothrow_move_constructible_v<Listener>);
static_assert(!std::is_copy_constructible_v<Listener>);
static_assert(!Sendable<Listener>);

BOOST_AUTO_TEST_SUITE(NetListenerTest)

BOOST_AUTO_TEST_CASE(TellsItsNameSizeAndAddresses) {
  Loop loop;
  Listener listener;
  BOOST_TEST(listener.name() == "");
  BOOST_TEST(!listener.is_connected());
  listener.set_name("vnc");
  loop.Enter([&](On& on) {
    Must(listener.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
    Must(listener.Open(
        on, SocketAddress::Abstract("qio-" + std::to_string(::getpid()))));
    BOOST_TEST(listener.size() == 2);
    BOOST_TEST(listener.is_connected());
    BOOST_TEST(listener.addresses()[0].port() != 0);
    BOOST_TEST(listener.addresses()[1].is_abstract());
    Listener moved = std::move(listener);
    BOOST_TEST(listener.size() == 0);
    BOOST_TEST(moved.name() == "vnc");
    moved.Disconnect(on);
    BOOST_TEST(!moved.is_connected());
    BOOST_TEST(moved.addresses().empty());
    // It can be opened again.
    Must(moved.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
    BOOST_TEST(moved.size() == 1);
  });
}

BOOST_AUTO_TEST_CASE(OpensByNameOnAWorker) {
  Loop loop;
  Server server(loop);
  const SocketAddress name = SocketAddress::Inet("localhost", 0);
  loop.Enter([&](On& on) {
    BOOST_TEST((server.listener.Open(on, name).status().code() ==
                absl::StatusCode::kFailedPrecondition));
  });
  const auto opened = Must(ResultOf(
      loop, [&](On& on) { return server.listener.OpenByName(on, name); }));
  BOOST_TEST(!opened.empty());
  BOOST_TEST(server.listener.size() == 1 + opened.size());
  server.Serve();
  const RawSocket client = RawSocket::ConnectedTo(opened.front().address);
  loop.TurnUntil([&] { return server.clients.size() == 1; });
  // What is not wanted any more opens nothing; nor does one that has ended.
  std::vector<absl::StatusCode> codes;
  loop.Enter([&](On& on) {
    const auto note = [&](On&, absl::StatusOr<Listener::Attempts> result) {
      codes.push_back(result.status().code());
    };
    Listener other;
    auto handle = server.listener.OpenByName(on, name).Then(note);
    BOOST_TEST(handle.Cancel(on));
    other.OpenByName(on, name).Then(note);
  });
  loop.TurnUntil([&] { return codes.size() == 2; });
  BOOST_TEST((codes == std::vector{absl::StatusCode::kCancelled,
                                   absl::StatusCode::kCancelled}));
  loop.TurnALot();
  BOOST_TEST(server.listener.size() == 1 + opened.size());
}

BOOST_AUTO_TEST_CASE(AFailureNamesEveryAddress) {
  Loop loop;
  const RawSocket taken6 = RawSocket::ListeningOn(
      ResolveWithoutLookup(SocketAddress::Inet("::", 0), AddressUse::kListen)
          ->front());
  const int port = taken6.address().port();
  const RawSocket taken4 = RawSocket::ListeningOn(
      ResolveWithoutLookup(SocketAddress::Inet("0.0.0.0", port),
                           AddressUse::kListen)
          ->front());
  loop.Enter([&](On& on) {
    Listener listener;
    const absl::Status status =
        listener.Open(on, SocketAddress::Inet("", port)).status();
    BOOST_TEST(Errno(status) == EADDRINUSE);
    const std::string number = std::to_string(port);
    BOOST_TEST(std::string(status.message()) ==
               ":" + number + ": listen on [::]:" + number +
                   ": Address already in use; listen on 0.0.0.0:" + number +
                   ": Address already in use");
  });
}

BOOST_AUTO_TEST_CASE(ThePauseDoublesUpToASecondAndBeginsAnew) {
  using Manual = ManualExecutor;
  support::CapturedDiagnostics reports;
  auto loop = Manual::Create().value();
  NetListener<Manual> listener;
  listener.set_name("busy");
  std::vector<SocketChannel<Manual>> clients;
  ResolvedAddress address = support::Loopback();
  Must(loop->Enter([&](OnLoop<Manual>& on) {
    on.executor().SetDiagnostics(on, reports.diagnostics());
    Must(listener.Open(on, address.ToSocketAddress()));
    address = listener.addresses().front();
    listener.SetClientFunc(on,
                           [&](OnLoop<Manual>&, SocketChannel<Manual> client) {
                             clients.push_back(std::move(client));
                           });
  }));
  const RawSocket client = RawSocket::ConnectedTo(address);
  SocketFaults faults;
  faults.errors["accept4"].assign(12, EMFILE);
  const auto turn = [&] {
    for (int i = 0; i < 3; ++i) Must(loop->RunOnce());
  };
  turn();
  for (const int ms : {10, 20, 40, 80, 160, 320, 640, 1000, 1000}) {
    const int calls = faults.calls["accept4"];
    Must(loop->Advance(std::chrono::milliseconds(ms - 1)));
    turn();
    BOOST_TEST(faults.calls["accept4"] == calls);
    // A timer is a millisecond late at most.
    Must(loop->Advance(std::chrono::milliseconds(2)));
    turn();
    BOOST_TEST(faults.calls["accept4"] == calls + 1);
  }
  BOOST_TEST(reports.text() ==
             "qio: listener 'busy' on " + address.ToString() +
                 " accepts no client for now: accept: Too many open files\n");
  faults.errors["accept4"].clear();
  Must(loop->Advance(std::chrono::milliseconds(1001)));
  turn();
  BOOST_TEST(clients.size() == 1u);
  // Much later it is another episode.
  Must(loop->Advance(std::chrono::hours(1)));
  faults.errors["accept4"] = {ENFILE};
  const RawSocket another = RawSocket::ConnectedTo(address);
  turn();
  BOOST_TEST(reports.sentences().size() == 2u);
  Must(loop->Advance(std::chrono::milliseconds(11)));
  turn();
  BOOST_TEST(clients.size() == 2u);
}

// It looked for the next one for ever, at full speed.
BOOST_AUTO_TEST_CASE(Rs06_ClientsThatAreAllGoneMakeItPause) {
  Loop loop;
  Server server(loop);
  server.Serve();
  SocketFaults faults;
  faults.errors["accept4"].assign(100, EPERM);
  const RawSocket client = server.Connect();
  loop.TurnUntil([&] { return server.clients.size() == 1; });
  BOOST_TEST(loop.diagnostics().sentences().size() == 1u);
}

// It took EPERM of epoll_ctl for one of accept4, and never accepted.
BOOST_AUTO_TEST_CASE(Rs06_AnErrorOfEpollIsNoneOfAClient) {
  Loop loop;
  Server server(loop);
  SocketFaults faults;
  faults.errors["epoll_ctl"] = {EPERM};
  server.Serve();
  const RawSocket client = server.Connect();
  loop.TurnUntil([&] { return server.clients.size() == 1; });
  BOOST_TEST(loop.diagnostics().sentences().size() == 1u);
}

BOOST_AUTO_TEST_CASE(AcceptingCostsTwoSystemCallsAndNoAllocation) {
  Loop loop;
  Server server(loop);
  int calls = 0;
  loop.Enter([&](On& on) {
    server.listener.SetClientFunc(on, [&](On&, Channel) { ++calls; });
  });
  const auto serve = [&] {
    std::vector<RawSocket> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(server.Connect());
    calls = 0;
    const auto before = support::AllocationsSoFar();
    loop.TurnUntil([&] { return calls == 16; });
    return support::AllocationsSoFar() - before;
  };
  serve();
  BOOST_TEST(serve() == 0u);
  SocketFaults counted;
  std::vector<RawSocket> clients;
  for (int i = 0; i < 16; ++i) clients.push_back(server.Connect());
  calls = 0;
  counted.calls.clear();
  loop.TurnUntil([&] { return calls == 16; });
  int sum = static_cast<int>(counted.closed.size());
  for (const auto& [call, n] : counted.calls) sum += n;
  BOOST_TEST(sum == 2 * 16);
}

// Hands a channel on when it is told to, or never.
class LateUpgrade final : public internal_net_listener::Upgrade<E> {
 public:
  struct Pending {
    Channel channel;
    Completer<E, Channel> task;
  };

  explicit LateUpgrade(std::vector<Pending>& pending) : pending_(pending) {}

  QIOTask<E, Channel> Start(On& on, Channel accepted) override {
    return MakeTask<Channel>(on, [this, channel = std::move(accepted)](
                                     On&, Completer<E, Channel> task) mutable {
      pending_.push_back({std::move(channel), std::move(task)});
    });
  }

 private:
  std::vector<Pending>& pending_;
};

BOOST_AUTO_TEST_CASE(AHandshakeFitsBetweenAcceptAndClientFunction) {
  Loop loop;
  std::vector<LateUpgrade::Pending> pending;
  Server server(loop);
  loop.Enter([&](On& on) {
    internal_net_listener::Access::SetUpgrade(
        server.listener, on,
        std::unique_ptr<internal_net_listener::Upgrade<E>>(
            std::make_unique<LateUpgrade>(pending)));
  });
  server.Serve();
  std::vector<RawSocket> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server.Connect());
  // All at once: one that is slow does not hold up the others.
  loop.TurnUntil([&] { return pending.size() == 4; });
  BOOST_TEST(server.clients.empty());
  const auto finish = [&](std::size_t i, bool well) {
    loop.Enter([&](On& on) {
      auto one = std::move(pending[i]);
      if (well) {
        std::move(one.task).Complete(on, std::move(one.channel));
      } else {
        std::move(one.task).Complete(on, absl::UnavailableError("no TLS"));
      }
    });
    loop.TurnALot();
  };
  finish(2, true);
  BOOST_TEST(server.clients.size() == 1u);
  finish(0, false);
  BOOST_TEST(server.clients.size() == 1u);
  BOOST_TEST(clients[0].IsAtEnd());
  // Nobody wants it when it is ready: it is kept.
  loop.Enter([&](On& on) { server.listener.RemoveClientFunc(on); });
  finish(1, true);
  BOOST_TEST(!clients[1].IsAtEnd());
  server.Serve();
  loop.TurnUntil([&] { return server.clients.size() == 2; });
  // Whoever waits for one client gets one, though a handshake failed.
  loop.Enter([&](On& on) { server.listener.RemoveClientFunc(on); });
  finish(3, false);
  pending.clear();
  clients.push_back(server.Connect());
  clients.push_back(server.Connect());
  std::optional<Channel> got;
  loop.Enter([&](On& on) {
    server.listener.WaitClient(on).Then(
        [&](On&, absl::StatusOr<Channel> client) { got = *std::move(client); });
  });
  loop.TurnUntil([&] { return pending.size() == 1; });
  loop.TurnALot();
  BOOST_TEST(pending.size() == 1u);
  finish(0, false);
  loop.TurnUntil([&] { return pending.size() == 2; });
  finish(1, true);
  loop.TurnUntil([&] { return got.has_value(); });
  // The listener ends in the middle of one.
  server.Serve();
  clients.push_back(server.Connect());
  loop.TurnUntil([&] { return pending.size() == 3; });
  server.listener = {};
  finish(2, true);
  BOOST_TEST(clients.back().IsAtEnd());
}

BOOST_AUTO_TEST_CASE(TasksMayOutliveTheListenerAndTheExecutor) {
  const support::Baseline baseline;
  {
    std::optional<Loop> loop(std::in_place);
    Listener listener;
    std::vector<QIOTask<E, Channel>> lazy;
    std::optional<absl::Status> status;
    loop->Enter([&](On& on) {
      {
        Listener brief;
        Must(brief.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
        auto task = brief.WaitClient(on);
        lazy.push_back(brief.WaitClient(on));
        brief = {};
        std::move(task).Then([&](On&, absl::StatusOr<Channel> client) {
          status = client.status();
        });
      }
      Must(listener.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
      listener.SetClientFunc(on, [](On&, Channel) {});
      listener.WaitClient(on).Then([](On&, absl::StatusOr<Channel>) {});
      lazy.push_back(listener.WaitClient(on));
    });
    loop->TurnUntil([&] { return status.has_value(); });
    BOOST_TEST((status->code() == absl::StatusCode::kFailedPrecondition));
    loop->DestroyExecutor();
    loop.reset();
    lazy.clear();
  }
  BOOST_TEST(baseline.Difference() == "");
}

BOOST_AUTO_TEST_CASE(AListenerMayBeOwnedByAWatchOfItsLoop) {
  // It ends after the Io did, and before the executor is gone.
  Loop loop;
  Watch<E> watch;
  const RawSocket readable = RawSocket::ListeningOn(support::Loopback());
  loop.Enter([&](On& on) {
    Listener listener;
    Must(listener.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
    listener.SetClientFunc(on, [](On&, Channel) {});
    auto [ours, theirs] = RawSocket::Pair();
    Channel channel = Must(Channel::Adopt(on, ours.Release()));
    Must(watch.Start(on, readable.fd(), Condition::kIn,
                     [listener = std::move(listener),
                      channel = std::move(channel)](On&, Condition) {}));
  });
  loop.DestroyExecutor();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
