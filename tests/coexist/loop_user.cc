// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled twice, with QIO_CHECKED=1 and QIO_CHECKED=0; and once more in a
// program without exceptions.

#include "qio/coexist/loop_user.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/executors/epoll.h"
#include "qio/loop_ref.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/retry.h"
#include "qio/sendable.h"
#include "qio/sleep.h"
#include "qio/task.h"
#include "qio/task_group.h"
#include "qio/timer.h"
#include "qio/when.h"

namespace {

using Loop = qio::EpollExecutor;
using On = qio::OnLoop<Loop>;
using Channel = qio::SocketChannel<Loop>;

bool UseLoop() {
  auto loop = Loop::Create();
  if (!loop.ok()) return false;
  bool has_worked = false, has_waited = false, has_come = false;
  bool has_joined = false;
  std::string heard;
  qio::Timer<Loop> timer;
  qio::NetListener<Loop> listener;
  Channel server, client;
  std::optional<qio::TaskGroup<Loop>> group;
  const absl::Status status = (*loop)->Run([&](On& on) {
    const auto stop_if_all = [&](On& on) {
      if (has_worked && has_waited && has_come && has_joined &&
          heard == "hello") {
        on.executor().Stop(on);
      }
    };
    qio::RunInThread(
        on, [](int x) { return 2 * x; }, 21)
        .Then([&, stop_if_all](On& on, absl::StatusOr<int> result) {
          has_worked = result.ok() && *result == 42;
          stop_if_all(on);
        });
    timer.StartAfter(on, std::chrono::milliseconds(1),
                     [&, stop_if_all](On& on) {
                       has_waited = true;
                       stop_if_all(on);
                     });
    (void)qio::LoopRef<Loop>(on).Post([](On&, bool* came) { *came = true; },
                                      qio::AssumeSendable(&has_come));
    group.emplace(on, 1);
    group->Add(on, qio::SleepFor(on, std::chrono::milliseconds(1)));
    group->Add(on, qio::Retry(on, {}, [](On& on) {
                 constexpr std::chrono::milliseconds kSoon(1);
                 return qio::WhenAny(on, qio::SleepFor(on, kSoon),
                                     qio::SleepFor(on, kSoon * 1000));
               }));
    qio::WhenAll(on, group->Join(on))
        .Then([&, stop_if_all](On& on, const auto& joined) {
          has_joined = joined.ok();
          stop_if_all(on);
        });
    if (!listener.Open(on, qio::SocketAddress::Inet("127.0.0.1", 0)).ok()) {
      return on.executor().Stop(on);
    }
    listener.SetClientFunc(on, [&, stop_if_all](On& on, Channel accepted) {
      server = std::move(accepted);
      server.ReadExactly(on, 5).Then(
          [&, stop_if_all](On& on, absl::StatusOr<std::string> text) {
            heard = text.ok() ? *text : "nothing";
            stop_if_all(on);
          });
    });
    Channel::Connect(on, listener.addresses().front())
        .Then([&](On& on, absl::StatusOr<Channel> connected) {
          if (!connected.ok()) return;
          client = *std::move(connected);
          client.WriteAll(on, "hello").Then([](On&, absl::Status) {});
        });
  });
  return status.ok() && has_worked && has_waited && has_come && has_joined &&
         heard == "hello";
}

}  // namespace

#if QIO_CHECKED
bool UseCheckedLoop() { return UseLoop(); }
#else
bool UseUncheckedLoop() { return UseLoop(); }
#endif
