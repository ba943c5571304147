// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/libuv_in_process.cc
//
// libuv as its users use it, for in_process.h: uv_queue_work(), with the
// requests kept; mail in a vector behind a mutex, with a uv_async_t; an idle
// handle for calls from the loop itself.

#include <uv.h>

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "qio/benchmarks/in_process.h"

namespace {

class Loop {
 public:
  Loop() { uv_loop_init(&loop_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    uv_walk(
        &loop_,
        [](uv_handle_t* handle, void*) {
          if (!uv_is_closing(handle)) uv_close(handle, nullptr);
        },
        nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }

  uv_loop_t* get() { return &loop_; }
  void Run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void Stop() { uv_stop(&loop_); }

 private:
  uv_loop_t loop_;
};

class Libuv {
 public:
  class Tasks {
   public:
    explicit Tasks(const bench::Size& size)
        : size_(size), jobs_(static_cast<std::size_t>(size.in_flight)) {
      Run(10 * size_.in_flight);
    }
    void Run() { Run(size_.count); }

   private:
    struct Job {
      uv_work_t request;
      Tasks* tasks;
      std::uint64_t value;
    };

    void Run(std::int64_t count) {
      bench::Progress progress(count);
      progress_ = &progress;
      for (Job& job : jobs_) Start(job);
      loop_.Run();  // Ends when there is nothing left to do.
    }
    void Start(Job& job) {
      if (!progress_->Start()) return;
      job.tasks = this;
      job.value = progress_->input();
      job.request.data = &job;
      uv_queue_work(
          loop_.get(), &job.request,
          [](uv_work_t* request) {
            auto& job = *static_cast<Job*>(request->data);
            job.value = bench::Work(job.value);
          },
          [](uv_work_t* request, int) {
            auto& job = *static_cast<Job*>(request->data);
            if (!job.tasks->progress_->End(job.value)) job.tasks->Start(job);
          });
    }

    const bench::Size size_;
    Loop loop_;
    std::vector<Job> jobs_;
    bench::Progress* progress_ = nullptr;
  };

  class Posts {
   public:
    explicit Posts(const bench::Size& size)
        : left_(size.count), producers_(size, Post{this}) {
      async_.data = this;
      uv_async_init(loop_.get(), &async_, [](uv_async_t* async) {
        static_cast<Posts*>(async->data)->Take();
      });
    }
    void Run() {
      producers_.Go();
      loop_.Run();
    }

   private:
    struct Mail {
      void (*function)(Posts*, std::int64_t);
      std::int64_t n;
    };
    struct Post {
      void operator()(std::int64_t n) {
        {
          std::lock_guard<std::mutex> lock(self->mutex_);
          self->mail_.push_back({[](Posts* self, std::int64_t n) {
                                   bench::sum += static_cast<std::uint64_t>(n);
                                   if (--self->left_ == 0) self->loop_.Stop();
                                 },
                                 n});
        }
        uv_async_send(&self->async_);
      }
      Posts* self;
    };
    void Take() {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        taken_.swap(mail_);
      }
      for (const Mail& mail : taken_) mail.function(this, mail.n);
      taken_.clear();
    }

    std::int64_t left_;
    Loop loop_;
    uv_async_t async_;
    std::mutex mutex_;
    std::vector<Mail> mail_, taken_;
    bench::Producers<Post> producers_;
  };

  // A vector of calls, and a handle that is called in each turn.
  class Chain {
   public:
    explicit Chain(const bench::Size& size) : Chain(size, 1) {}
    void Run() {
      Next();
      uv_idle_start(&idle_, [](uv_idle_t* idle) {
        static_cast<Chain*>(idle->data)->Turn();
      });
      loop_.Run();
    }

   protected:
    Chain(const bench::Size& size, int at_once)
        : at_once_(at_once), left_(size.count) {
      idle_.data = this;
      uv_idle_init(loop_.get(), &idle_);
    }

   private:
    using Call = void (*)(Chain*);

    void Next() {
      const int calls = left_ < at_once_ ? static_cast<int>(left_) : at_once_;
      for (int i = 0; i < calls; ++i) {
        calls_.push_back([](Chain* self) {
          ++bench::sum;
          --self->left_;
        });
      }
    }
    void Turn() {
      now_.swap(calls_);
      for (Call call : now_) call(this);
      now_.clear();
      if (left_ == 0) {
        loop_.Stop();
      } else {
        Next();
      }
    }

    const int at_once_;
    std::int64_t left_;
    Loop loop_;
    uv_idle_t idle_;
    std::vector<Call> calls_, now_;
  };

  class Batch : public Chain {
   public:
    explicit Batch(const bench::Size& size) : Chain(size, 1000) {}
  };

  class ArmAndCancel {
   public:
    explicit ArmAndCancel(const bench::Size& size)
        : count_(size.count),
          standing_(static_cast<std::size_t>(size.standing)) {
      for (uv_timer_t& timer : standing_) {
        uv_timer_init(loop_.get(), &timer);
        Arm(timer);
      }
      uv_timer_init(loop_.get(), &timer_);
    }
    void Run() {
      for (std::int64_t i = 0; i < count_; ++i) {
        Arm(timer_);
        uv_timer_stop(&timer_);
      }
    }

   private:
    void Arm(uv_timer_t& timer) {
      uv_timer_start(
          &timer, [](uv_timer_t*) {},
          static_cast<std::uint64_t>(delays_.NextMs()), 0);
    }

    const std::int64_t count_;
    bench::Delays delays_;
    std::vector<uv_timer_t> standing_;
    uv_timer_t timer_;
    Loop loop_;  // Last: it closes them.
  };

  class Fire {
   public:
    explicit Fire(const bench::Size& size)
        : left_(size.count), timers_(bench::kFireAtOnce) {
      for (uv_timer_t& timer : timers_) uv_timer_init(loop_.get(), &timer);
    }
    double RunSeconds() {
      double seconds = 0;
      while (left_ != 0) {
        int due = left_ < bench::kFireAtOnce ? static_cast<int>(left_)
                                             : bench::kFireAtOnce;
        left_ -= due;
        uv_update_time(loop_.get());
        for (int i = 0; i < due; ++i) {
          uv_timer_start(
              &timers_[static_cast<std::size_t>(i)],
              [](uv_timer_t*) { ++bench::sum; },
              static_cast<std::uint64_t>(1 + i % bench::kFireSpreadMs), 0);
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
    std::vector<uv_timer_t> timers_;
    Loop loop_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  setenv("UV_THREADPOOL_SIZE",
         std::to_string(absl::GetFlag(FLAGS_workers)).c_str(), 1);
  bench::RegisterWorkloads<Libuv>("libuv");
  benchmark::RunSpecifiedBenchmarks();
}
