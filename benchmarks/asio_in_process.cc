// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/asio_in_process.cc
//
// Asio as its users use it, for in_process.h: a thread_pool and asio::post(),
// and steady_timer. Beside them the context waits for a descriptor, as one of a
// program with a network does.

#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>

#include "absl/flags/flag.h"
#include "qio/benchmarks/in_process.h"

namespace {

class Loop {
 public:
  Loop() {
    if (::pipe(pipe_.data()) != 0) std::abort();
    descriptor_.assign(pipe_[0]);
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [](const asio::error_code&) {});
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { ::close(pipe_[1]); }

  void Run() {
    context_.restart();
    context_.run();
  }
  void Stop() { context_.stop(); }
  asio::io_context& context() { return context_; }

 private:
  asio::io_context context_{1};
  std::array<int, 2> pipe_{};
  asio::posix::stream_descriptor descriptor_{context_};
};

class Asio {
 public:
  class Tasks {
   public:
    explicit Tasks(const bench::Size& size) : size_(size) {
      Run(10 * size_.in_flight);
    }
    Tasks(const Tasks&) = delete;
    Tasks& operator=(const Tasks&) = delete;
    ~Tasks() { pool_.join(); }
    void Run() { Run(size_.count); }

   private:
    void Run(std::int64_t count) {
      bench::Progress progress(count);
      progress_ = &progress;
      for (int i = 0; i < size_.in_flight; ++i) Next();
      loop_.Run();
    }
    void Next() {
      if (!progress_->Start()) return;
      asio::post(pool_, [this, input = progress_->input()] {
        asio::post(loop_.context(), [this, result = bench::Work(input)] {
          if (progress_->End(result)) {
            loop_.Stop();
          } else {
            Next();
          }
        });
      });
    }

    const bench::Size size_;
    Loop loop_;
    asio::thread_pool pool_{
        static_cast<std::size_t>(absl::GetFlag(FLAGS_workers))};
    bench::Progress* progress_ = nullptr;
  };

  class Posts {
   public:
    explicit Posts(const bench::Size& size)
        : left_(size.count), producers_(size, Post{this}) {}
    void Run() {
      producers_.Go();
      loop_.Run();
    }

   private:
    struct Post {
      void operator()(std::int64_t n) {
        asio::post(self->loop_.context(), [self = self, n] {
          bench::sum += static_cast<std::uint64_t>(n);
          if (--self->left_ == 0) self->loop_.Stop();
        });
      }
      Posts* self;
    };

    std::int64_t left_;
    Loop loop_;
    bench::Producers<Post> producers_;
  };

  class Chain {
   public:
    explicit Chain(const bench::Size& size) : left_(size.count) {}
    void Run() {
      Next();
      loop_.Run();
    }

   private:
    void Next() {
      asio::post(loop_.context(), [this] {
        ++bench::sum;
        if (--left_ == 0) {
          loop_.Stop();
        } else {
          Next();
        }
      });
    }

    std::int64_t left_;
    Loop loop_;
  };

  class Batch {
   public:
    explicit Batch(const bench::Size& size) : left_(size.count) {}
    void Run() {
      Next();
      loop_.Run();
    }

   private:
    void Next() {
      in_batch_ = left_ < 1000 ? static_cast<int>(left_) : 1000;
      left_ -= in_batch_;
      for (int i = in_batch_; i > 0; --i) {
        asio::post(loop_.context(), [this] {
          ++bench::sum;
          if (--in_batch_ != 0) return;
          if (left_ == 0) {
            loop_.Stop();
          } else {
            Next();
          }
        });
      }
    }

    std::int64_t left_;
    int in_batch_ = 0;
    Loop loop_;
  };

  class ArmAndCancel {
   public:
    explicit ArmAndCancel(const bench::Size& size) : count_(size.count) {
      for (int i = 0; i < size.standing; ++i) {
        Arm(standing_.emplace_back(loop_.context()));
      }
    }
    void Run() {
      asio::post(loop_.context(), [this] {
        for (std::int64_t i = 0; i < count_; ++i) {
          Arm(timer_);
          timer_.cancel();
          // So that its handler is called before there are too many.
          if (i % 1000 == 999) loop_.context().poll();
        }
        loop_.Stop();
      });
      loop_.Run();
    }

   private:
    void Arm(asio::steady_timer& timer) {
      timer.expires_after(std::chrono::milliseconds(delays_.NextMs()));
      timer.async_wait([](const asio::error_code&) { ++bench::sum; });
    }

    const std::int64_t count_;
    bench::Delays delays_;
    Loop loop_;
    std::deque<asio::steady_timer> standing_;
    asio::steady_timer timer_{loop_.context()};
  };

  class Fire {
   public:
    explicit Fire(const bench::Size& size) : left_(size.count) {
      for (int i = 0; i < bench::kFireAtOnce; ++i) {
        timers_.emplace_back(loop_.context());
      }
    }
    double RunSeconds() {
      double seconds = 0;
      while (left_ != 0) {
        due_ = left_ < bench::kFireAtOnce ? static_cast<int>(left_)
                                          : bench::kFireAtOnce;
        left_ -= due_;
        for (int i = 0; i < due_; ++i) {
          asio::steady_timer& timer = timers_[static_cast<std::size_t>(i)];
          timer.expires_after(
              std::chrono::milliseconds(1 + i % bench::kFireSpreadMs));
          timer.async_wait([this](const asio::error_code&) {
            ++bench::sum;
            if (--due_ == 0) loop_.Stop();
          });
        }
        bench::AwaitFire();
        const double begin = bench::NowSeconds();
        loop_.Run();
        seconds += bench::NowSeconds() - begin;
      }
      return seconds;
    }

   private:
    std::int64_t left_;
    int due_ = 0;
    Loop loop_;
    std::deque<asio::steady_timer> timers_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  bench::RegisterWorkloads<Asio>("asio_itself");
  benchmark::RunSpecifiedBenchmarks();
}
