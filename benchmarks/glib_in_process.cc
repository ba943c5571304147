// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/glib_in_process.cc
//
// GLib as its users use it, for in_process.h: GTask; a GThreadPool whose
// workers answer with idle sources; and a thread for each task, as QEMU's
// qio_task_run_in_thread() does it.

#include <gio/gio.h>
#include <glib.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "qio/benchmarks/in_process.h"

namespace {

class Loop {
 public:
  void Run() {
    stopped_ = false;
    while (!stopped_) g_main_context_iteration(nullptr, TRUE);
  }
  void Stop() { stopped_ = true; }

  // Any thread.
  static void Post(GSourceFunc function, gpointer data) {
    GSource* source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, function, data, nullptr);
    g_source_attach(source, nullptr);
    g_source_unref(source);
  }

 private:
  bool stopped_ = false;
};

// What the ways to run a task have in common: `How` starts one.
template <class How>
class TasksBy {
 public:
  explicit TasksBy(const bench::Size& size) : size_(size) {
    Run(2 * size_.in_flight);
  }
  void Run() { Run(size_.count); }

  void Done(std::uint64_t result) {
    if (progress_->End(result)) {
      loop_.Stop();
    } else {
      Next();
    }
  }

 private:
  void Run(std::int64_t count) {
    bench::Progress progress(count);
    progress_ = &progress;
    for (int i = 0; i < size_.in_flight; ++i) Next();
    loop_.Run();
  }
  void Next() {
    if (progress_->Start()) how_.Start(this, progress_->input());
  }

  const bench::Size size_;
  Loop loop_;
  How how_;
  bench::Progress* progress_ = nullptr;
};

class ByGTask {
 public:
  using Tasks = TasksBy<ByGTask>;

  static void Start(Tasks* tasks, std::uint64_t input) {
    GTask* task = g_task_new(nullptr, nullptr, &Done, tasks);
    g_task_set_task_data(task, new std::uint64_t(input), [](gpointer data) {
      delete static_cast<std::uint64_t*>(data);
    });
    g_task_run_in_thread(
        task, [](GTask* task, gpointer, gpointer data, GCancellable*) {
          const std::uint64_t result =
              bench::Work(*static_cast<std::uint64_t*>(data));
          g_task_return_int(task, static_cast<gssize>(result));
        });
    g_object_unref(task);
  }

 private:
  static void Done(GObject*, GAsyncResult* result, gpointer tasks) {
    static_cast<Tasks*>(tasks)->Done(static_cast<std::uint64_t>(
        g_task_propagate_int(G_TASK(result), nullptr)));
  }
};

// A task as a program of its own would have it: one allocation.
template <class How>
struct Job {
  TasksBy<How>* tasks;
  std::uint64_t value;

  void Work() {
    value = bench::Work(value);
    Loop::Post(
        [](gpointer data) -> gboolean {
          const std::unique_ptr<Job> job(static_cast<Job*>(data));
          job->tasks->Done(job->value);
          return G_SOURCE_REMOVE;
        },
        this);
  }
};

class ByThreadPool {
 public:
  using Tasks = TasksBy<ByThreadPool>;

  ByThreadPool() = default;
  ByThreadPool(const ByThreadPool&) = delete;
  ByThreadPool& operator=(const ByThreadPool&) = delete;
  ~ByThreadPool() { g_thread_pool_free(pool_, FALSE, TRUE); }

  void Start(Tasks* tasks, std::uint64_t input) {
    g_thread_pool_push(pool_, new Job<ByThreadPool>{tasks, input}, nullptr);
  }

 private:
  GThreadPool* const pool_ = g_thread_pool_new(
      [](gpointer job, gpointer) {
        static_cast<Job<ByThreadPool>*>(job)->Work();
      },
      nullptr, absl::GetFlag(FLAGS_workers), TRUE, nullptr);
};

class ByThread {
 public:
  using Tasks = TasksBy<ByThread>;

  static void Start(Tasks* tasks, std::uint64_t input) {
    // A thread that cannot be had ends the program, there too.
    g_thread_unref(g_thread_new(
        "task",
        [](gpointer job) -> gpointer {
          static_cast<Job<ByThread>*>(job)->Work();
          return nullptr;
        },
        new Job<ByThread>{tasks, input}));
  }
};

struct GTasks {
  using Tasks = TasksBy<ByGTask>;
};
struct Threads {
  using Tasks = TasksBy<ByThread>;
};

// The rest stands in this one.
class ThreadPool {
 public:
  using Tasks = TasksBy<ByThreadPool>;

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
        Loop::Post(
            [](gpointer data) -> gboolean {
              std::unique_ptr<Mail> mail(static_cast<Mail*>(data));
              bench::sum += static_cast<std::uint64_t>(mail->n);
              if (--mail->self->left_ == 0) mail->self->loop_.Stop();
              return G_SOURCE_REMOVE;
            },
            new Mail{self, n});
      }
      Posts* self;
    };
    struct Mail {
      Posts* self;
      std::int64_t n;
    };

    std::int64_t left_;
    Loop loop_;
    bench::Producers<Post> producers_;
  };

  class Chain {
   public:
    explicit Chain(const bench::Size& size) : left_(size.count) {}
    void Run() {
      Loop::Post(&Next, this);
      loop_.Run();
    }

   private:
    static gboolean Next(gpointer data) {
      auto& self = *static_cast<Chain*>(data);
      ++bench::sum;
      if (--self.left_ == 0) {
        self.loop_.Stop();
      } else {
        Loop::Post(&Next, data);
      }
      return G_SOURCE_REMOVE;
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
      for (int i = in_batch_; i > 0; --i) Loop::Post(&Called, this);
    }
    static gboolean Called(gpointer data) {
      auto& self = *static_cast<Batch*>(data);
      ++bench::sum;
      if (--self.in_batch_ == 0) {
        if (self.left_ == 0) {
          self.loop_.Stop();
        } else {
          self.Next();
        }
      }
      return G_SOURCE_REMOVE;
    }

    std::int64_t left_;
    int in_batch_ = 0;
    Loop loop_;
  };

  class ArmAndCancel {
   public:
    explicit ArmAndCancel(const bench::Size& size) : count_(size.count) {
      for (int i = 0; i < size.standing; ++i) standing_.push_back(Arm());
    }
    ArmAndCancel(const ArmAndCancel&) = delete;
    ArmAndCancel& operator=(const ArmAndCancel&) = delete;
    ~ArmAndCancel() {
      for (guint id : standing_) g_source_remove(id);
    }
    void Run() {
      for (std::int64_t i = 0; i < count_; ++i) g_source_remove(Arm());
    }

   private:
    guint Arm() {
      return g_timeout_add(
          static_cast<guint>(delays_.NextMs()),
          [](gpointer) -> gboolean { return G_SOURCE_REMOVE; }, nullptr);
    }

    const std::int64_t count_;
    bench::Delays delays_;
    std::vector<guint> standing_;
  };

  class Fire {
   public:
    explicit Fire(const bench::Size& size) : left_(size.count) {}
    double RunSeconds() {
      double seconds = 0;
      while (left_ != 0) {
        due_ = left_ < bench::kFireAtOnce ? static_cast<int>(left_)
                                          : bench::kFireAtOnce;
        left_ -= due_;
        for (int i = 0; i < due_; ++i) {
          g_timeout_add(static_cast<guint>(1 + i % bench::kFireSpreadMs),
                        &Called, this);
        }
        bench::AwaitFire();
        const double begin = bench::NowSeconds();
        loop_.Run();
        seconds += bench::NowSeconds() - begin;
      }
      return seconds;
    }

   private:
    static gboolean Called(gpointer data) {
      auto& self = *static_cast<Fire*>(data);
      ++bench::sum;
      if (--self.due_ == 0) self.loop_.Stop();
      return G_SOURCE_REMOVE;
    }

    std::int64_t left_;
    int due_ = 0;
    Loop loop_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  bench::RegisterWorkloads<GTasks>("gtask");
  bench::RegisterWorkloads<ThreadPool>("gthreadpool");
  bench::RegisterWorkloads<Threads>("threads");
  benchmark::RunSpecifiedBenchmarks();
}
