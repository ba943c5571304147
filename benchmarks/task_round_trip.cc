// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/task_round_trip.cc
//
// Runs --count trivial tasks, --in_flight at a time, and does nothing else, so
// that a profiler counts them: each calls a function on a worker thread and
// its completion on the loop starts the next. --loop=gtask is the peer, GLib's
// g_task_run_in_thread().

#include <gio/gio.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/statusor.h"
#include "qio/executors/asio.h"
#include "qio/executors/epoll.h"
#include "qio/executors/glib.h"
#include "qio/task.h"
#include "qio/worker_pool.h"

ABSL_FLAG(std::string, loop, "epoll", "epoll, glib, asio or gtask");
ABSL_FLAG(int, count, 100000, "how many tasks");
ABSL_FLAG(int, in_flight, 1, "how many at a time");
ABSL_FLAG(int, workers, 1, "how many worker threads");
ABSL_FLAG(int, spin, 400, "pauses before a thread sleeps, at most");

namespace {

// What a worker does: enough that the compiler cannot leave it out.
std::uint64_t Work(std::uint64_t x) {
  return x * 2862933555777941757u + 3037000493u;
}

struct Progress {
  int count = absl::GetFlag(FLAGS_count);
  int started = 0;
  int done = 0;
  std::uint64_t sum = 0;
};

template <class E>
class Tasks {
 public:
  // `stop` ends the loop; called on it.
  template <class Stop>
  void Start(qio::OnLoop<E>& on, Stop stop) {
    qio::WorkerPool::Options options;
    options.threads_max = absl::GetFlag(FLAGS_workers);
    options.spin_limit = static_cast<std::uint32_t>(absl::GetFlag(FLAGS_spin));
    on.executor().UseWorkers(on, std::make_shared<qio::WorkerPool>(options));
    on.executor().SetSpinLimit(on, options.spin_limit);
    for (int i = 0; i < absl::GetFlag(FLAGS_in_flight); ++i) Next(on, stop);
  }

 private:
  template <class Stop>
  void Next(qio::OnLoop<E>& on, Stop stop) {
    ++progress_.started;
    qio::RunInThread(on, &Work, static_cast<std::uint64_t>(progress_.started))
        .Then([this, stop](qio::OnLoop<E>& on,
                           absl::StatusOr<std::uint64_t> result) {
          progress_.sum += *result;
          ++progress_.done;
          if (progress_.started < progress_.count) {
            Next(on, stop);
          } else if (progress_.done == progress_.count) {
            stop(on);
          }
        });
  }

  Progress progress_;
};

void RunEpoll() {
  auto loop = *qio::EpollExecutor::Create();
  Tasks<qio::EpollExecutor> tasks;
  (void)loop->Run([&](auto& on) {
    tasks.Start(on, [](auto& on) { on.executor().Stop(on); });
  });
}

void RunGlib() {
  GMainLoop* main_loop = g_main_loop_new(nullptr, FALSE);
  auto loop = *qio::GlibExecutor::Create();
  Tasks<qio::GlibExecutor> tasks;
  (void)loop->Enter([&](auto& on) {
    tasks.Start(on, [main_loop](auto&) { g_main_loop_quit(main_loop); });
  });
  g_main_loop_run(main_loop);
  g_main_loop_unref(main_loop);
}

void RunAsio() {
  asio::io_context context;
  auto loop = *qio::AsioExecutor::Create(context);
  Tasks<qio::AsioExecutor> tasks;
  (void)loop->Enter([&](auto& on) {
    tasks.Start(on, [](auto&) {});  // run() ends when nothing is outstanding.
  });
  context.run();
}

class GTasks {
 public:
  void Run() {
    for (int i = 0; i < absl::GetFlag(FLAGS_in_flight); ++i) Next();
    g_main_loop_run(loop_);
    g_main_loop_unref(loop_);
  }

 private:
  void Next() {
    auto* input =
        new std::uint64_t(static_cast<std::uint64_t>(++progress_.started));
    GTask* task = g_task_new(nullptr, nullptr, &Done, this);
    g_task_set_task_data(task, input, [](gpointer data) {
      delete static_cast<std::uint64_t*>(data);
    });
    g_task_run_in_thread(
        task, [](GTask* task, gpointer, gpointer data, GCancellable*) {
          const std::uint64_t result = Work(*static_cast<std::uint64_t*>(data));
          g_task_return_int(task, static_cast<gssize>(result));
        });
    g_object_unref(task);
  }

  static void Done(GObject*, GAsyncResult* result, gpointer data) {
    auto& self = *static_cast<GTasks*>(data);
    Progress& progress = self.progress_;
    progress.sum += static_cast<std::uint64_t>(
        g_task_propagate_int(G_TASK(result), nullptr));
    ++progress.done;
    if (progress.started < progress.count) {
      self.Next();
    } else if (progress.done == progress.count) {
      g_main_loop_quit(self.loop_);
    }
  }

  GMainLoop* loop_ = g_main_loop_new(nullptr, FALSE);
  Progress progress_;
};

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string loop = absl::GetFlag(FLAGS_loop);
  const auto begin = std::chrono::steady_clock::now();
  if (loop == "epoll") {
    RunEpoll();
  } else if (loop == "glib") {
    RunGlib();
  } else if (loop == "asio") {
    RunAsio();
  } else if (loop == "gtask") {
    GTasks().Run();
  } else {
    std::fprintf(stderr, "--loop=%s: epoll, glib, asio or gtask\n",
                 loop.c_str());
    return 2;
  }
  const std::chrono::duration<double, std::nano> took =
      std::chrono::steady_clock::now() - begin;
  std::printf("%s: %.0f ns a task\n", loop.c_str(),
              took.count() / absl::GetFlag(FLAGS_count));
  return 0;
}
