// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/four_streams: the experiment that qio began with. As in a live
// migration, a source sends a file to a destination over several streams; each
// stream has a worker for what blocks, and completions on the loop for the
// rest. The workers print as many thread ids as there are streams, the
// completions one: the loop's.
//
//   four_streams                                both ends, on every executor
//   four_streams --listen=:7000 --output=copy   one end here,
//   four_streams --connect=host:7000 --file=original     and the other there
//
// The exit code tells: 0 if all arrived and the promise held, 1 if not, 2 for
// bad arguments.

#include <glib.h>

#include <asio/io_context.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/examples/transfer/part_file.h"
#include "qio/examples/transfer/report.h"
#include "qio/examples/transfer/transfer.h"
#include "qio/executors/asio.h"
#include "qio/executors/epoll.h"
#include "qio/executors/glib.h"
#include "qio/net/socket_address.h"
#include "qio/thread_per_task.h"

ABSL_FLAG(std::string, file, "", "what to send; a file made up, if empty");
ABSL_FLAG(std::uint64_t, size_mib, 256, "the size of the file made up");
ABSL_FLAG(std::uint64_t, streams, 4, "how many data streams, 1 to 256");
ABSL_FLAG(std::string, executor, "all", "epoll, glib, asio or all");
ABSL_FLAG(std::string, listen, "", "be the destination only, at this address");
ABSL_FLAG(std::string, connect, "", "be the source only, of this destination");
ABSL_FLAG(std::string, output, "", "where the destination keeps the file");

namespace four_streams {
namespace {

// What the arguments say.
struct Plan {
  std::vector<std::string> executors;
  std::uint64_t streams = 0;
  std::optional<qio::SocketAddress> listen;
  std::optional<qio::SocketAddress> connect;
  qio::OwnedFd file;  // Unless it is the destination only.
  std::uint64_t file_size = 0;
  std::string output;
};

absl::StatusOr<Plan> MakePlan() {
  Plan plan;
  plan.output = absl::GetFlag(FLAGS_output);
  plan.streams = absl::GetFlag(FLAGS_streams);
  if (plan.streams < 1 || plan.streams > kStreamsMax) {
    return absl::InvalidArgumentError("--streams is from 1 to 256");
  }
  const std::string executor = absl::GetFlag(FLAGS_executor);
  const std::string listen = absl::GetFlag(FLAGS_listen);
  const std::string connect = absl::GetFlag(FLAGS_connect);
  const bool is_split = !listen.empty() || !connect.empty();
  if (executor == "all" && is_split) {
    plan.executors = {"epoll"};
  } else if (executor == "all") {
    plan.executors = {"epoll", "glib", "asio"};
  } else if (executor == "epoll" || executor == "glib" || executor == "asio") {
    plan.executors = {executor};
  } else {
    return absl::InvalidArgumentError("--executor=" + executor +
                                      " is not epoll, glib, asio or all");
  }
  if (!listen.empty() && !connect.empty()) {
    return absl::InvalidArgumentError("--listen and --connect are two ends");
  }
  if (!listen.empty()) {
    absl::StatusOr<qio::SocketAddress> address =
        qio::SocketAddress::Parse(listen);
    if (!address.ok()) return address.status();
    plan.listen = *std::move(address);
    return plan;
  }
  if (!connect.empty()) {
    absl::StatusOr<qio::SocketAddress> address =
        qio::SocketAddress::Parse(connect);
    if (!address.ok()) return address.status();
    plan.connect = *std::move(address);
  }
  const std::string path = absl::GetFlag(FLAGS_file);
  absl::StatusOr<qio::OwnedFd> file =
      path.empty() ? MakeFile(absl::GetFlag(FLAGS_size_mib) << 20)
                   : OpenForReading(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::uint64_t> size = SizeOf(*file);
  if (!size.ok()) return size.status();
  plan.file = *std::move(file);
  plan.file_size = *size;
  return plan;
}

// ---- The three loops: each runs a program until it is stopped.

struct EpollHost {
  using Executor = qio::EpollExecutor;
  static constexpr char kName[] = "epoll";

  Executor& executor() { return *executor_; }
  absl::Status Run() { return executor_->Run(); }
  void Stop(qio::OnLoop<Executor>& on) { executor_->Stop(on); }

  std::unique_ptr<Executor> executor_ = Executor::Create().value();
};

struct GlibHost {
  using Executor = qio::GlibExecutor;
  static constexpr char kName[] = "glib";

  ~GlibHost() { g_main_loop_unref(loop_); }
  Executor& executor() { return *executor_; }
  absl::Status Run() {
    g_main_loop_run(loop_);
    return absl::OkStatus();
  }
  void Stop(qio::OnLoop<Executor>&) { g_main_loop_quit(loop_); }

  GMainLoop* const loop_ = g_main_loop_new(nullptr, FALSE);
  std::unique_ptr<Executor> executor_ = Executor::Create().value();
};

struct AsioHost {
  using Executor = qio::AsioExecutor;
  static constexpr char kName[] = "asio";

  Executor& executor() { return *executor_; }
  absl::Status Run() {
    context_.run();
    return absl::OkStatus();
  }
  void Stop(qio::OnLoop<Executor>&) { context_.stop(); }

  asio::io_context context_;
  std::unique_ptr<Executor> executor_ = Executor::Create(context_).value();
};

// One run of the experiment on one loop.
template <class Host>
class Experiment {
 public:
  using E = typename Host::Executor;
  using On = qio::OnLoop<E>;

  Experiment(const Plan& plan, Report& report) : plan_(plan), report_(report) {}

  absl::Status Run() {
    ignored_.is_told = false;
    report_.executor = Host::kName;
    report_.streams = plan_.streams;
    report_.loop_thread = ThreadId();
    std::printf("%s: the loop runs in thread id = %jd\n", Host::kName,
                static_cast<std::intmax_t>(report_.loop_thread));
    absl::Status entered = host_.executor().Enter([this](On& on) {
      // A thread for each worker, as QEMU has it.
      on.executor().UseWorkers(on, std::make_shared<qio::ThreadPerTask>());
      Start(on);
    });
    if (!entered.ok()) return entered;
    if (!is_over_) {
      absl::Status ran = host_.Run();
      if (!ran.ok()) return ran;
    }
    // What they own is the loop's: it ends there.
    entered = host_.executor().Enter([this](On&) {
      source_.reset();
      destination_.reset();
    });
    if (result_.ok()) result_ = std::move(entered);
    if (has_output_ && result_.ok()) result_ = Keep(plan_.output);
    if (has_output_ && !result_.ok()) Discard(plan_.output);
    return result_;
  }

 private:
  void Start(On& on) {
    if (plan_.connect) return StartSource(on, *plan_.connect);
    absl::StatusOr<qio::OwnedFd> output = CreateForWriting(plan_.output);
    if (!output.ok()) return Over(on, output.status());
    has_output_ = true;
    // In one process the source tells what happened, and this one helps.
    destination_.emplace(on, *std::move(output),
                         plan_.listen ? report_ : ignored_,
                         [this](On& on, absl::Status status) {
                           if (plan_.listen || !status.ok())
                             Over(on, std::move(status));
                         });
    destination_->Start(
        on,
        plan_.listen ? *plan_.listen
                     : *qio::SocketAddress::Parse("127.0.0.1:0"),
        [this](On& on, const qio::SocketAddress& at) {
          if (!plan_.listen) return StartSource(on, at);
          std::printf("listening at %s\n", at.ToString().c_str());
              });
  }

  void StartSource(On& on, const qio::SocketAddress& to) {
    absl::StatusOr<qio::OwnedFd> file = plan_.file.Duplicate();
    if (!file.ok()) return Over(on, file.status());
    report_.begin = Report::Clock::now();
    source_.emplace(
        on, *std::move(file), plan_.file_size, report_,
        [this](On& on, absl::Status status) { Over(on, std::move(status)); });
    source_->Start(on, to);
  }

  void Over(On& on, absl::Status status) {
    if (std::exchange(is_over_, true)) return;
    result_ = std::move(status);
    host_.Stop(on);
  }

  const Plan& plan_;
  Report& report_;
  Report ignored_;
  bool is_over_ = false;
  bool has_output_ = false;
  absl::Status result_;
  Host host_;
  std::optional<Destination<E>> destination_;
  std::optional<Source<E>> source_;
};

int Main() {
  absl::StatusOr<Plan> plan = MakePlan();
  if (!plan.ok()) {
    std::fprintf(stderr, "four_streams: %s\n",
                 std::string(plan.status().message()).c_str());
    return 2;
  }
  std::vector<Report> reports;
  for (const std::string& executor : plan->executors) {
    Report report;
    const absl::Status status =
        executor == "epoll"  ? Experiment<EpollHost>(*plan, report).Run()
        : executor == "glib" ? Experiment<GlibHost>(*plan, report).Run()
                             : Experiment<AsioHost>(*plan, report).Run();
    if (!status.ok()) {
      std::fprintf(stderr, "four_streams: %s\n",
                   std::string(status.message()).c_str());
      return 1;
    }
    reports.push_back(std::move(report));
  }
  std::printf("\n%s\n", Report::Header().c_str());
  bool holds = true;
  for (const Report& report : reports) {
    std::printf("%s\n", report.Row().c_str());
    holds =
        holds && report.Holds() && report.checksum == reports.front().checksum;
  }
  std::printf("%s\n", holds
                          ? "Every completion ran on its loop's thread, every "
                            "worker on one of its own."
                          : "THE PROMISE DOES NOT HOLD.");
  return holds ? 0 : 1;
}

}  // namespace
}  // namespace four_streams

int main(int argc, char** argv) {
  // Line by line, also into a pipe.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  if (rest.size() > 1) {
    std::fprintf(stderr, "four_streams: %s is no flag; --help lists them\n",
                 rest[1]);
    return 2;
  }
  return four_streams::Main();
}
