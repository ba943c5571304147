// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/libevent_in_process.cc
//
// libevent as its users use it, for in_process.h: event_active() from any
// thread for mail, with the events kept; a queue behind a mutex for a worker of
// the program's own, as libevent has none; evtimer.

#include <event2/event.h>
#include <event2/thread.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "qio/benchmarks/in_process.h"

namespace {

struct EventDeleter {
  void operator()(event* e) const { event_free(e); }
};
using EventPtr = std::unique_ptr<event, EventDeleter>;

class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { event_base_free(base_); }

  EventPtr New(event_callback_fn function, void* data) {
    return EventPtr(event_new(base_, -1, 0, function, data));
  }
  void Run() { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); }
  void Stop() { event_base_loopbreak(base_); }

 private:
  event_base* const base_ = event_base_new();
};

timeval TimevalOf(int ms) { return {ms / 1000, ms % 1000 * 1000}; }

class Libevent {
 public:
  class Tasks {
   public:
    explicit Tasks(const bench::Size& size)
        : size_(size), jobs_(static_cast<std::size_t>(size.in_flight)) {
      for (Job& job : jobs_) {
        job.tasks = this;
        job.done = loop_.New(
            [](evutil_socket_t, short, void* job) {
              static_cast<Job*>(job)->tasks->Done(*static_cast<Job*>(job));
            },
            &job);
      }
      for (int i = 0; i < absl::GetFlag(FLAGS_workers); ++i) {
        workers_.emplace_back([this] { Work(); });
      }
      Run(10 * size_.in_flight);
    }
    Tasks(const Tasks&) = delete;
    Tasks& operator=(const Tasks&) = delete;
    ~Tasks() {
      for (std::size_t i = 0; i < workers_.size(); ++i) Submit(nullptr);
      for (auto& worker : workers_) worker.join();
    }
    void Run() { Run(size_.count); }

   private:
    struct Job {
      EventPtr done;
      Tasks* tasks = nullptr;
      std::uint64_t value = 0;
    };

    void Run(std::int64_t count) {
      bench::Progress progress(count);
      progress_ = &progress;
      for (Job& job : jobs_) Start(job);
      loop_.Run();
    }
    void Start(Job& job) {
      if (!progress_->Start()) return;
      job.value = progress_->input();
      Submit(&job);
    }
    void Done(Job& job) {
      if (progress_->End(job.value)) {
        loop_.Stop();
      } else {
        Start(job);
      }
    }
    void Submit(Job* job) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        queue_.push_back(job);
      }
      submitted_.notify_one();
    }
    void Work() {
      for (;;) {
        std::unique_lock<std::mutex> lock(mutex_);
        submitted_.wait(lock, [this] { return !queue_.empty(); });
        Job* job = queue_.front();
        queue_.pop_front();
        lock.unlock();
        if (job == nullptr) return;
        job->value = bench::Work(job->value);
        event_active(job->done.get(), EV_READ, 0);
      }
    }

    const bench::Size size_;
    Loop loop_;
    std::vector<Job> jobs_;
    std::mutex mutex_;
    std::condition_variable submitted_;
    std::deque<Job*> queue_;
    std::vector<std::thread> workers_;
    bench::Progress* progress_ = nullptr;
  };

  // A mutex and a vector, and one event to be activated.
  class Posts {
   public:
    explicit Posts(const bench::Size& size)
        : left_(size.count), producers_(size, Post{this}) {}
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
        event_active(self->woken_.get(), EV_READ, 0);
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
    EventPtr woken_ =
        loop_.New([](evutil_socket_t, short,
                     void* self) { static_cast<Posts*>(self)->Take(); },
                  this);
    std::mutex mutex_;
    std::vector<Mail> mail_, taken_;
    bench::Producers<Post> producers_;
  };

  class Chain {
   public:
    explicit Chain(const bench::Size& size) : Chain(size, 1) {}
    void Run() {
      Next();
      loop_.Run();
    }

   protected:
    Chain(const bench::Size& size, int at_once) : left_(size.count) {
      for (int i = 0; i < at_once; ++i) {
        events_.push_back(
            loop_.New([](evutil_socket_t, short,
                         void* self) { static_cast<Chain*>(self)->Called(); },
                      this));
      }
    }

   private:
    void Next() {
      for (const EventPtr& event : events_) {
        if (active_ == left_) return;
        ++active_;
        event_active(event.get(), EV_READ, 0);
      }
    }
    void Called() {
      ++bench::sum;
      --active_;
      if (--left_ == 0) {
        loop_.Stop();
      } else if (active_ == 0) {
        Next();
      }
    }

    std::int64_t left_;
    std::int64_t active_ = 0;
    Loop loop_;
    std::vector<EventPtr> events_;
  };

  class Batch : public Chain {
   public:
    explicit Batch(const bench::Size& size) : Chain(size, 1000) {}
  };

  class ArmAndCancel {
   public:
    explicit ArmAndCancel(const bench::Size& size) : count_(size.count) {
      for (int i = 0; i < size.standing; ++i) {
        standing_.push_back(New());
        Arm(standing_.back());
      }
      timer_ = New();
    }
    void Run() {
      for (std::int64_t i = 0; i < count_; ++i) {
        Arm(timer_);
        event_del(timer_.get());
      }
    }

   private:
    EventPtr New() {
      return loop_.New([](evutil_socket_t, short, void*) {}, nullptr);
    }
    void Arm(const EventPtr& timer) {
      const timeval delay = TimevalOf(delays_.NextMs());
      event_add(timer.get(), &delay);
    }

    const std::int64_t count_;
    bench::Delays delays_;
    Loop loop_;
    std::vector<EventPtr> standing_;
    EventPtr timer_;
  };

  class Fire {
   public:
    explicit Fire(const bench::Size& size) : left_(size.count) {
      for (int i = 0; i < bench::kFireAtOnce; ++i) {
        timers_.push_back(loop_.New(
            [](evutil_socket_t, short, void* data) {
              auto& self = *static_cast<Fire*>(data);
              ++bench::sum;
              if (--self.due_ == 0) self.loop_.Stop();
            },
            this));
      }
    }
    double RunSeconds() {
      double seconds = 0;
      while (left_ != 0) {
        due_ = left_ < bench::kFireAtOnce ? static_cast<int>(left_)
                                          : bench::kFireAtOnce;
        left_ -= due_;
        for (int i = 0; i < due_; ++i) {
          const timeval delay = TimevalOf(1 + i % bench::kFireSpreadMs);
          event_add(timers_[static_cast<std::size_t>(i)].get(), &delay);
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
    std::vector<EventPtr> timers_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  evthread_use_pthreads();
  bench::RegisterWorkloads<Libevent>("libevent");
  benchmark::RunSpecifiedBenchmarks();
}
