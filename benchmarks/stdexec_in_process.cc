// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/stdexec_in_process.cc
//
// NVIDIA's stdexec as its users use it, for in_process.h: schedule() on a
// static_thread_pool, then continues_on() a run_loop. Where the state of an
// operation is kept is up to its user: here, in memory that is there already,
// so nothing is allocated.
//
// A run_loop is a queue and a thread that waits for it. It has neither timers
// nor descriptors: this tells what tasks and posts cost on it, but it is no
// loop that could serve a socket.

#include <cstdint>
#include <exec/static_thread_pool.hpp>
#include <optional>
#include <stdexec/execution.hpp>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "qio/benchmarks/in_process.h"

namespace {

using Loop = stdexec::run_loop;
using LoopScheduler = decltype(std::declval<Loop&>().get_scheduler());
using PoolScheduler =
    decltype(std::declval<exec::static_thread_pool&>().get_scheduler());

// Memory for the state of one operation at a time.
template <class Sender, class Receiver>
class Operation {
 public:
  // What was there has completed, or is completing: a receiver may do this.
  void Start(Sender sender, Receiver receiver) {
    stdexec::start(
        state_.emplace(Connect{std::move(sender), std::move(receiver)}));
  }

 private:
  using State = stdexec::connect_result_t<Sender, Receiver>;

  // A state cannot be moved: it is made in its place, out of this.
  struct Connect {
    operator State() && {
      return stdexec::connect(std::move(sender), std::move(receiver));
    }
    Sender sender;
    Receiver receiver;
  };

  std::optional<State> state_;
};

// On a worker; then on the loop.
auto MakeTask(PoolScheduler workers, LoopScheduler loop, std::uint64_t input) {
  return stdexec::schedule(workers) |
         stdexec::then([input]() noexcept { return bench::Work(input); }) |
         stdexec::continues_on(loop);
}

class Stdexec {
 public:
  class Tasks {
   public:
    explicit Tasks(const bench::Size& size)
        : count_(size.count), jobs_(static_cast<std::size_t>(size.in_flight)) {
      Run(warm_up_loop_, 10 * size.in_flight);
    }
    void Run() { Run(loop_, count_); }

   private:
    struct Job;
    struct Done {
      using receiver_concept = stdexec::receiver_t;
      void set_value(std::uint64_t result) noexcept {
        job->tasks->End(*job, result);
      }
      Job* job;
    };
    struct Job {
      Tasks* tasks;
      Operation<decltype(MakeTask(std::declval<PoolScheduler>(),
                                  std::declval<LoopScheduler>(), 0)),
                Done>
          operation;
    };

    void Run(Loop& loop, std::int64_t count) {
      bench::Progress progress(count);
      progress_ = &progress;
      running_ = &loop;
      for (Job& job : jobs_) Start(job);
      loop.run();
    }
    void Start(Job& job) {
      if (!progress_->Start()) return;
      job.tasks = this;
      job.operation.Start(
          MakeTask(workers_, running_->get_scheduler(), progress_->input()),
          Done{&job});
    }
    void End(Job& job, std::uint64_t result) {
      if (progress_->End(result)) {
        running_->finish();
      } else {
        Start(job);
      }
    }

    const std::int64_t count_;
    // One that has finished cannot run again. They outlive the workers, one of
    // whom may still be about to wake what has taken its result.
    Loop warm_up_loop_, loop_;
    std::vector<Job> jobs_;
    exec::static_thread_pool pool_{
        static_cast<std::uint32_t>(absl::GetFlag(FLAGS_workers))};
    const PoolScheduler workers_ = pool_.get_scheduler();
    bench::Progress* progress_ = nullptr;
    Loop* running_ = nullptr;
  };

  class Posts {
   public:
    explicit Posts(const bench::Size& size)
        : left_(size.count),
          operations_(static_cast<std::size_t>(size.count)),
          producers_(size, Post{this}) {}
    void Run() {
      producers_.Go();
      loop_.run();
    }

   private:
    struct Taken {
      using receiver_concept = stdexec::receiver_t;
      void set_value() noexcept {
        bench::sum += static_cast<std::uint64_t>(n);
        if (--self->left_ == 0) self->loop_.finish();
      }
      Posts* self;
      std::int64_t n;
    };
    struct Post {
      void operator()(std::int64_t n) {
        self->operations_[static_cast<std::size_t>(n)].Start(
            stdexec::schedule(self->loop_.get_scheduler()), Taken{self, n});
      }
      Posts* self;
    };

    std::int64_t left_;
    Loop loop_;
    std::vector<Operation<stdexec::schedule_result_t<LoopScheduler>, Taken>>
        operations_;
    bench::Producers<Post> producers_;
  };

  class Chain {
   public:
    explicit Chain(const bench::Size& size) : Chain(size, 1) {}
    void Run() {
      Next();
      loop_.run();
    }

   protected:
    Chain(const bench::Size& size, std::size_t at_once)
        : left_(size.count), operations_(at_once) {}

   private:
    struct Called {
      using receiver_concept = stdexec::receiver_t;
      void set_value() noexcept { self->Call(); }
      Chain* self;
    };

    void Next() {
      for (auto& operation : operations_) {
        if (left_ == queued_) break;
        ++queued_;
        operation.Start(stdexec::schedule(loop_.get_scheduler()), Called{this});
      }
    }
    void Call() {
      ++bench::sum;
      --left_;
      if (--queued_ != 0) return;
      if (left_ == 0) {
        loop_.finish();
      } else {
        Next();
      }
    }

    std::int64_t left_;
    std::int64_t queued_ = 0;
    Loop loop_;
    std::vector<Operation<stdexec::schedule_result_t<LoopScheduler>, Called>>
        operations_;
  };

  class Batch : public Chain {
   public:
    explicit Batch(const bench::Size& size) : Chain(size, 1000) {}
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  bench::RegisterWorkloads<Stdexec>("stdexec");
  benchmark::RunSpecifiedBenchmarks();
}
