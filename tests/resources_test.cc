// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the whole of qio keeps of a process' resources: descriptors across exec,
// and bytes against its limits.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/conformance/channel_cases.h"
#include "qio/conformance/epoll_harness.h"
#include "qio/conformance/loop.h"
#include "qio/executors/epoll.h"
#include "qio/net/net_listener.h"
#include "qio/net/socket_address.h"
#include "qio/net/socket_channel.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/support/allocations.h"
#include "qio/support/in_child.h"
#include "qio/support/proc.h"
#include "qio/support/raw_socket.h"
#include "qio/support/temporary_directory.h"
#include "qio/task.h"
#include "qio/worker_pool.h"

namespace qio {
namespace {

using conformance::Adopted;
using conformance::EpollHarness;
using conformance::Must;
using support::RawSocket;
using Loop = conformance::Loop<EpollHarness>;
using On = OnLoop<EpollExecutor>;
using Channel = SocketChannel<EpollExecutor>;

// The descriptors of a program that this one starts.
std::set<int> DescriptorsAfterExec() {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    // The listing has a descriptor of its own for the directory.
    ::execl("/bin/ls", "ls", "/proc/self/fd", nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t size; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = -1;
  ::waitpid(child, &status, 0);
  BOOST_REQUIRE(status == 0);
  std::istringstream numbers(text);
  std::set<int> open;
  for (int number; numbers >> number;) open.insert(number);
  return open;
}

BOOST_AUTO_TEST_SUITE(ResourcesTest)

BOOST_AUTO_TEST_CASE(Rs10_AProgramThatIsStartedHasNoDescriptorOfQios) {
  constexpr std::size_t kChannels = 1000;
  rlimit before;
  BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit more{std::max<rlim_t>(before.rlim_cur, kChannels + 200),
                    before.rlim_max};
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &more) == 0);
  const std::size_t without = DescriptorsAfterExec().size();
  {
    Loop loop;
    NetListener<EpollExecutor> listener;
    std::vector<Channel> channels;
    bool worker_ran = false;
    loop.Enter([&](On& on) {
      Must(listener.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
      listener.SetClientFunc(on, [&](On&, Channel client) {
        channels.push_back(std::move(client));
      });
      RunInThread(on, [] {}).Then(
          [&](On&, absl::Status) { worker_ran = true; });
    });
    // Accepted, connected, and adopted from descriptors that survive exec.
    for (int i = 0; i < 10; ++i) {
      loop.Enter([&](On& on) {
        Channel::Connect(on, listener.addresses().front())
            .Then([&](On&, absl::StatusOr<Channel> channel) {
              channels.push_back(Must(std::move(channel)));
            });
      });
    }
    loop.TurnUntil([&] { return channels.size() == 20 && worker_ran; });
    while (channels.size() < kChannels) {
      int ends[2];
      BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
      for (const int end : ends) {
        channels.push_back(Adopted(loop, RawSocket(OwnedFd(end))));
      }
    }
    BOOST_TEST(support::OpenDescriptors().size() > kChannels);
    BOOST_TEST(DescriptorsAfterExec().size() == without);
    for (Channel& channel : channels) BOOST_TEST(channel.is_open());
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

// Runs f(begin, end) with each allocation failing in turn, once and from then
// on, until none was met: f calls begin() when they are to, and end() after it.
template <class F>
void WithEachAllocationFailing(F f) {
  for (const int times : {1, support::FailingAllocations::kForEver}) {
    for (int nth = 0;; ++nth) {
      std::optional<support::FailingAllocations> failing;
      f([&] { failing.emplace(nth, times); },
        [&] {
          const bool bit = failing->bit();
          failing.reset();
          return bit;
        });
      if (!f.bit) break;
      BOOST_REQUIRE(nth < 1000);
    }
  }
}

// Opening either succeeds or leaves nothing open, and can be tried again.
struct OpenFailing {
  template <class Begin, class End>
  void operator()(Begin begin, End end) {
    Loop loop;
    NetListener<EpollExecutor> listener;
    loop.Enter([&](On& on) {
      bool opened = false;
      const auto address = SocketAddress::Inet("127.0.0.1", 0);
      begin();
      try {
        opened = listener.Open(on, address).ok();
      } catch (const std::bad_alloc&) {
      }
      bit = end();
      BOOST_TEST(listener.size() == (opened ? 1u : 0u));
      if (!opened) Must(listener.Open(on, address));
      BOOST_TEST(listener.is_connected());
    });
  }
  inline static bool bit = false;
};

// A client that there is no memory for is accepted later, or was closed.
struct AcceptFailing {
  template <class Begin, class End>
  void operator()(Begin begin, End end) {
    Loop loop;
    NetListener<EpollExecutor> listener;
    int accepted = 0;
    loop.Enter([&](On& on) {
      Must(listener.Open(on, SocketAddress::Inet("127.0.0.1", 0)));
      listener.SetClientFunc(on, [&](On&, const Channel&) { ++accepted; });
    });
    const ResolvedAddress address = listener.addresses().front();
    const RawSocket first = RawSocket::ConnectedTo(address);
    begin();
    for (int i = 0; i < 3; ++i) {
      try {
        loop.harness().RunOnce();
      } catch (const std::bad_alloc&) {
      }
    }
    bit = end();
    const int before = accepted;
    const RawSocket second = RawSocket::ConnectedTo(address);
    loop.TurnUntil([&] { return accepted > before; });
    loop.TurnUntil([&] { return accepted == 2 || first.IsAtEnd(); });
  }
  inline static bool bit = false;
};

// A channel is made or not, and a read ends with all that came or an error:
// never with a hole in it.
struct ReadFailing {
  template <class Begin, class End>
  void operator()(Begin begin, End end) {
    const std::string text(30'000, 't');
    Loop loop;
    auto [ours, theirs] = RawSocket::Pair();
    OwnedFd fd = ours.Release();
    std::optional<Channel> channel;
    std::optional<absl::StatusOr<std::string>> read;
    bool has_started = false;
    (void)theirs.SendSome(text);
    (void)loop.executor().Enter([&](On& on) {
      begin();
      try {
        auto adopted = Channel::Adopt(on, std::move(fd));
        if (!adopted.ok()) return;
        channel.emplace(*std::move(adopted));
        channel->ReadExactly(on, text.size())
            .Then([&](On&, absl::StatusOr<std::string> result) {
              read.emplace(std::move(result));
            });
        has_started = true;
      } catch (const std::bad_alloc&) {
      }
    });
    for (int i = 0; i < 5; ++i) {
      try {
        loop.harness().RunOnce();
      } catch (const std::bad_alloc&) {
      }
    }
    bit = end();
    if (has_started) {
      loop.TurnUntil([&] { return read.has_value(); });
      if (read->ok()) {
        BOOST_TEST((**read == text));
      } else {
        BOOST_TEST(absl::IsResourceExhausted(read->status()));
      }
    }
    loop.Enter([&](On&) { channel.reset(); });
    BOOST_TEST(theirs.IsAtEnd());
  }
  inline static bool bit = false;
};

BOOST_AUTO_TEST_CASE(Rs06_AnyAllocationOfTheNetworkMayFail) {
  WithEachAllocationFailing(OpenFailing());
  WithEachAllocationFailing(AcceptFailing());
  WithEachAllocationFailing(ReadFailing());
}

BOOST_AUTO_TEST_CASE(Ex17_AForkedChildLeavesItsParentsSocketsAlone) {
  const support::TemporaryDirectory directory;
  const std::string path = directory / "socket";
  Loop loop;
  NetListener<EpollExecutor> listener;
  std::vector<Channel> clients;
  loop.Enter([&](On& on) {
    Must(listener.Open(on, SocketAddress::Unix(path)));
    listener.SetClientFunc(
        on, [&](On&, Channel client) { clients.push_back(std::move(client)); });
  });
  const support::ChildEnd end =
      support::RunInChild([&] { loop.DestroyExecutor(); });
  BOOST_TEST(end.signal == 0);
  BOOST_TEST(end.errors == "");
  BOOST_TEST(::access(path.c_str(), F_OK) == 0);
  const ResolvedAddress address = listener.addresses().front();
  const RawSocket client = RawSocket::ConnectedTo(address);
  loop.TurnUntil([&] { return clients.size() == 1; });
  BOOST_TEST(loop.diagnostics().text() == "");
}

BOOST_AUTO_TEST_CASE(Rs11_TheLimitOfMailIsThatOfItsMemory) {
  constexpr std::size_t kLimit = 4 << 20;
  Loop loop;
  const auto ref = loop.Ref();
  loop.Enter([](On& on) { on.executor().SetMailLimit(on, kLimit); });
  const std::int64_t before = support::BytesAlive();
  while (ref.Post([](On&, int, int) {}, 1, 2).ok()) {
  }
  const std::int64_t taken = support::BytesAlive() - before;
  // The allocator adds some bytes to each block.
  BOOST_TEST(taken > static_cast<std::int64_t>(kLimit / 2));
  BOOST_TEST(taken < static_cast<std::int64_t>(kLimit * 2));
  // A MiB of blocks is kept for the next posts.
  loop.TurnUntil([&] {
    return support::BytesAlive() - before < std::int64_t{kLimit / 2};
  });
}

// What one channel may make the loop keep for it while its peer floods it.
std::int64_t MostBytesOf(Loop& loop, RawSocket& peer, bool& done) {
  const std::string chunk(65536, 'x');
  const std::int64_t before = support::BytesAlive();
  std::int64_t most = 0;
  for (int i = 0; i < 300 && !done; ++i) {
    (void)peer.SendSome(chunk);
    loop.harness().RunOnce();
    most = std::max(most, support::BytesAlive() - before);
  }
  return most;
}

BOOST_AUTO_TEST_CASE(Rs11_AFloodOfOneChannelTakesNoMoreThanIsRead) {
  for (const std::size_t size_max : {std::size_t{10}, std::size_t{100'000}}) {
    Loop loop;
    conformance::ChannelAndPeer<EpollHarness> pair(loop);
    bool done = false;
    absl::StatusOr<std::string> read;
    loop.Enter([&](On& on) {
      pair.channel.ReadAll(on, size_max)
          .Then([&](On&, absl::StatusOr<std::string> result) {
            read = std::move(result);
            done = true;
          });
    });
    // One lease of 64 KiB, and twice what it may have, since a string doubles.
    const std::int64_t most = MostBytesOf(loop, pair.peer, done);
    BOOST_TEST(done);
    BOOST_TEST(absl::IsResourceExhausted(read.status()));
    BOOST_TEST(most < static_cast<std::int64_t>(4 * 65536 + 3 * size_max));
    // Nobody reads on: it all stays in the kernel.
    bool never = false;
    BOOST_TEST(MostBytesOf(loop, pair.peer, never) < 65536);
  }
}

BOOST_AUTO_TEST_CASE(Rs11_TryWriteKeepsNothing) {
  Loop loop;
  conformance::ChannelAndPeer<EpollHarness> pair(loop);
  const std::string chunk(65536, 'x');
  Fill(loop, pair.channel);
  const std::int64_t before = support::BytesAlive();
  std::size_t refused = 0;
  loop.Enter([&](On& on) {
    for (int i = 0; i < 100; ++i) {
      refused += pair.channel.TryWrite(on, chunk).ok() ? 0 : 1;
    }
  });
  BOOST_TEST(refused == 100u);
  BOOST_TEST(support::BytesAlive() - before < 4096);
}

BOOST_AUTO_TEST_CASE(Rs11_TheQueueOfAPoolHoldsWhatItMay) {
  constexpr int kQueue = 100, kTasks = 1000;
  Loop loop;
  WorkerPool::Options options;
  options.threads_max = 1;
  options.queue_max = kQueue;
  int refused = 0, done = 0;
  loop.Enter([&](On& on) {
    on.executor().UseWorkers(on, std::make_shared<WorkerPool>(options));
    for (int i = 0; i < kTasks; ++i) {
      RunInThread(on, [] {
        ::usleep(1000);
      }).Then([&](On&, const absl::Status& status) {
        ++done;
        refused += absl::IsResourceExhausted(status) ? 1 : 0;
      });
    }
  });
  loop.TurnUntil([&] { return done == kTasks; });
  // Beyond the queue are only those that threads had taken from it meanwhile.
  BOOST_TEST(refused > kTasks - 3 * kQueue);
  BOOST_TEST(refused <= kTasks - kQueue);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
