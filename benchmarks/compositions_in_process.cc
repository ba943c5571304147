// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/compositions_in_process.cc
//
// What the ways cost in which the result of a task is come by, on each of qio's
// executors, for in_process.h. Apart from ours_in_process.cc, where one way
// alone is compiled as in most programs.

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/benchmarks/hosts.h"
#include "qio/benchmarks/in_process.h"
#include "qio/coro.h"
#include "qio/on_loop.h"
#include "qio/task.h"
#include "qio/worker_pool.h"

namespace {

using std::chrono::milliseconds;

// How a task's result is come by.
enum class By {
  kThen,
  kTimeout,    // .WithTimeout().Then()
  kAwait,      // In one coroutine for many,
  kCoroutine,  // ... or in a Coro for each.
  kWait,
};

template <class Host>
class Ours {
 public:
  using E = typename Host::E;
  using On = qio::OnLoop<E>;

  template <By by>
  class TasksBy {
   public:
    explicit TasksBy(const bench::Size& size) : size_(size) {
      host_.Run([this](On& on) {
        qio::WorkerPool::Options options;
        options.threads_max = absl::GetFlag(FLAGS_workers);
        if (!absl::GetFlag(FLAGS_spin)) {
          options.spin_limit = 0;
          on.executor().SetSpinLimit(on, 0);
        }
        on.executor().UseWorkers(on,
                                 std::make_shared<qio::WorkerPool>(options));
        host_.Stop(on);
      });
      Run(10 * size_.in_flight);
    }
    void Run() { Run(size_.count); }

   private:
    void Run(std::int64_t count) {
      bench::Progress progress(count);
      progress_ = &progress;
      host_.Run([this](On& on) {
        for (int i = 0; i < size_.in_flight; ++i) Begin(on);
      });
    }
    void Begin(On& on) {
      if constexpr (by == By::kAwait || by == By::kCoroutine) {
        Many(on, this).Then([](On&, absl::Status) {});
      } else if constexpr (by == By::kWait) {
        while (progress_->Start()) {
          if (progress_->End(*Work(on).Wait(on))) host_.Stop(on);
        }
      } else {
        Next(on);
      }
    }
    void Next(On& on) {
      if (!progress_->Start()) return;
      Work(on).Then([this](On& on, absl::StatusOr<std::uint64_t> result) {
        if (progress_->End(*result)) {
          host_.Stop(on);
        } else {
          Next(on);
        }
      });
    }
    qio::QIOTask<E, std::uint64_t> Work(On& on) {
      auto task = qio::RunInThread(on, &bench::Work, progress_->input());
      if constexpr (by == By::kTimeout) {
        return std::move(task).WithTimeout(milliseconds(60'000));
      } else {
        return task;
      }
    }
    static qio::Coro<E, std::uint64_t> One(On& on, TasksBy* self) {
      co_return co_await self->Work(on);
    }
    static qio::Coro<E, void> Many(On& on, TasksBy* self) {
      while (self->progress_->Start()) {
        absl::StatusOr<std::uint64_t> result;
        if constexpr (by == By::kCoroutine) {
          result = co_await One(on, self);
        } else {
          result = co_await self->Work(on);
        }
        if (self->progress_->End(*result)) self->host_.Stop(on);
      }
      co_return absl::OkStatus();
    }

    const bench::Size size_;
    Host host_;
    bench::Progress* progress_ = nullptr;
  };
  using Tasks = TasksBy<By::kThen>;
  using TasksWithTimeout = TasksBy<By::kTimeout>;
  using TasksAwaited = TasksBy<By::kAwait>;
  using TasksInCoroutines = TasksBy<By::kCoroutine>;
  using TasksWaitedFor = TasksBy<By::kWait>;
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  bench::RegisterWorkloads<Ours<bench::Epoll>>("epoll");
  bench::RegisterWorkloads<Ours<bench::Glib>>("glib");
  bench::RegisterWorkloads<Ours<bench::Asio>>("asio");
  benchmark::RunSpecifiedBenchmarks();
}
