// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/ours_in_process.cc
//
// qio on each of its executors, for in_process.h.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/statusor.h"
#include "qio/benchmarks/hosts.h"
#include "qio/benchmarks/in_process.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/worker_pool.h"

namespace {

using std::chrono::milliseconds;

template <class Host>
class Ours {
 public:
  using E = typename Host::E;
  using On = qio::OnLoop<E>;

  class Tasks {
   public:
    explicit Tasks(const bench::Size& size) : size_(size) {
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
        for (int i = 0; i < size_.in_flight; ++i) Next(on);
      });
    }
    void Next(On& on) {
      if (!progress_->Start()) return;
      qio::RunInThread(on, &bench::Work, progress_->input())
          .Then([this](On& on, absl::StatusOr<std::uint64_t> result) {
            if (progress_->End(*result)) {
              host_.Stop(on);
            } else {
              Next(on);
            }
          });
    }

    const bench::Size size_;
    Host host_;
    bench::Progress* progress_ = nullptr;
  };

  class Posts {
   public:
    explicit Posts(const bench::Size& size) : left_(size.count) {
      host_.Run([&](On& on) {
        producers_.emplace(size, Post{qio::LoopRef<E>(on), this});
        host_.Stop(on);
      });
    }
    void Run() {
      host_.Run([this](On&) { producers_->Go(); });
    }

   private:
    // Captures nothing, so that it may travel; finds its way by an address.
    struct Post {
      void operator()(std::int64_t n) {
        (void)loop.Post(
            [](On& on, std::int64_t n, std::uintptr_t self) {
              reinterpret_cast<Posts*>(self)->Take(on, n);
            },
            n, reinterpret_cast<std::uintptr_t>(self));
      }
      qio::LoopRef<E> loop;
      Posts* self;
    };
    void Take(On& on, std::int64_t n) {
      bench::sum += static_cast<std::uint64_t>(n);
      if (--left_ == 0) host_.Stop(on);
    }

    std::int64_t left_;
    Host host_;
    std::optional<bench::Producers<Post>> producers_;
  };

  class Chain {
   public:
    explicit Chain(const bench::Size& size) : left_(size.count) {}
    void Run() {
      host_.Run([this](On& on) { Next(on); });
    }

   private:
    void Next(On& on) {
      qio::Post(on, [this](On& on) {
        ++bench::sum;
        if (--left_ == 0) {
          host_.Stop(on);
        } else {
          Next(on);
        }
      });
    }

    std::int64_t left_;
    Host host_;
  };

  class Batch {
   public:
    explicit Batch(const bench::Size& size) : left_(size.count) {}
    void Run() {
      host_.Run([this](On& on) { Next(on); });
    }

   private:
    void Next(On& on) {
      in_batch_ = left_ < 1000 ? static_cast<int>(left_) : 1000;
      left_ -= in_batch_;
      for (int i = in_batch_; i > 0; --i) {
        qio::Post(on, [this](On& on) {
          ++bench::sum;
          if (--in_batch_ != 0) return;
          if (left_ == 0) {
            host_.Stop(on);
          } else {
            Next(on);
          }
        });
      }
    }

    std::int64_t left_;
    int in_batch_ = 0;
    Host host_;
  };

  class ArmAndCancel {
   public:
    explicit ArmAndCancel(const bench::Size& size)
        : count_(size.count),
          standing_(static_cast<std::size_t>(size.standing)) {
      host_.Run([this](On& on) {
        for (qio::Timer<E>& timer : standing_) {
          timer.StartAfter(on, milliseconds(delays_.NextMs()), [](On&) {});
        }
        host_.Stop(on);
      });
    }
    void Run() {
      host_.Run([this](On& on) {
        for (std::int64_t i = 0; i < count_; ++i) {
          timer_.StartAfter(on, milliseconds(delays_.NextMs()), [](On&) {});
          timer_.Stop(on);
        }
        host_.Stop(on);
      });
    }

   private:
    const std::int64_t count_;
    bench::Delays delays_;
    Host host_;
    std::vector<qio::Timer<E>> standing_;
    qio::Timer<E> timer_;
  };

  class Fire {
   public:
    explicit Fire(const bench::Size& size)
        : left_(size.count), timers_(bench::kFireAtOnce) {}
    double RunSeconds() {
      double seconds = 0;
      while (left_ != 0) {
        due_ = left_ < bench::kFireAtOnce ? static_cast<int>(left_)
                                          : bench::kFireAtOnce;
        left_ -= due_;
        host_.Run([this](On& on) {
          for (int i = 0; i < due_; ++i) {
            timers_[static_cast<std::size_t>(i)].StartAfter(
                on, milliseconds(1 + i % bench::kFireSpreadMs), [this](On& on) {
                  ++bench::sum;
                  if (--due_ == 0) host_.Stop(on);
                });
          }
          host_.Stop(on);
        });
        bench::AwaitFire();
        const double begin = bench::NowSeconds();
        host_.Run([](On&) {});
        seconds += bench::NowSeconds() - begin;
      }
      return seconds;
    }

   private:
    std::int64_t left_;
    int due_ = 0;
    Host host_;
    std::vector<qio::Timer<E>> timers_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  bench::RegisterWorkloads<Ours<bench::Epoll>>("epoll");
  bench::RegisterWorkloads<Ours<bench::Glib>>("glib");
  bench::RegisterWorkloads<Ours<bench::Asio>>("asio");
  benchmark::RunSpecifiedBenchmarks();
}
