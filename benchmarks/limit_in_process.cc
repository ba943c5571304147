// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/limit_in_process.cc
//
// What the machine can do, for in_process.h: no library, just what an operation
// cannot do without. Nodes belong to their users and are never allocated;
// workers and loop hand each other whole chains; one wake-up a sleeper, by one
// futex or one eventfd that is never read; timers stand in a wheel. Nothing is
// safe, nothing ends early, nobody is told when something fails.

#include <linux/futex.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "qio/benchmarks/in_process.h"

namespace {

struct Node {
  Node* next = nullptr;
  void (*run)(Node*) = nullptr;
};

// From the first to the last, in the order in which they came.
struct Chain {
  void Append(Node* node) {
    node->next = nullptr;
    (last == nullptr ? first : last->next) = node;
    last = node;
    ++size;
  }
  Node* first = nullptr;
  Node* last = nullptr;
  int size = 0;
};

// From any number of threads to one. Its one word is null, or the newest node,
// or says that the reader sleeps.
class Mailbox {
 public:
  // Whether the reader has to be woken. `newest` is linked back to `oldest`.
  bool Push(Node* newest, Node* oldest) {
    Node* seen = head_.load(std::memory_order_relaxed);
    do {
      oldest->next = seen == Asleep() ? nullptr : seen;
    } while (!head_.compare_exchange_weak(
        seen, newest, std::memory_order_release, std::memory_order_relaxed));
    return seen == Asleep();
  }

  bool empty() const {
    return head_.load(std::memory_order_relaxed) == nullptr;
  }

  // The oldest first.
  Node* Take() {
    if (empty()) return nullptr;
    Node* newest = head_.exchange(nullptr, std::memory_order_acquire);
    Node* oldest = nullptr;
    while (newest != nullptr) {
      Node* older = newest->next;
      newest->next = oldest;
      oldest = std::exchange(newest, older);
    }
    return oldest;
  }

  // False: something has come.
  bool FallAsleep() {
    Node* nothing = nullptr;
    return head_.compare_exchange_strong(nothing, Asleep(),
                                         std::memory_order_acq_rel);
  }
  void WakeUp() {
    Node* asleep = Asleep();
    head_.compare_exchange_strong(asleep, nullptr, std::memory_order_acq_rel);
  }

 private:
  static Node* Asleep() { return reinterpret_cast<Node*>(std::uintptr_t{1}); }

  alignas(64) std::atomic<Node*> head_{nullptr};
};

// Looks for mail a while before sleeping, as long as that has paid, and not if
// the other side would need this processor for it.
class Spin {
 public:
  explicit Spin(int limit_max) : limit_max_(limit_max), limit_(limit_max) {}

  // `here` is where this side runs, `there` the other one.
  bool For(const Mailbox& mailbox, std::atomic<int>& here,
           const std::atomic<int>& there) {
    if (!is_on_) return false;
    const int cpu = ::sched_getcpu();
    here.store(cpu, std::memory_order_relaxed);
    if (cpu == there.load(std::memory_order_relaxed)) return false;
    int limit = limit_;
    if (limit < kLimitMin) {
      if (++given_up_ % 8 != 0) return false;
      limit = limit_max_;
    }
    for (int i = 0; i < limit; ++i) {
      if (!mailbox.empty()) {
        limit_ = std::min(limit_max_, 2 * std::max(limit_, kLimitMin));
        return true;
      }
      __builtin_ia32_pause();
    }
    limit_ /= 2;
    return false;
  }

 private:
  static constexpr int kLimitMin = 16;

  const bool is_on_ = absl::GetFlag(FLAGS_spin);
  const int limit_max_;
  int limit_;
  unsigned given_up_ = 0;
};

// Where the two sides have run last.
std::atomic<int> loop_cpu{-1};
std::atomic<int> worker_cpu{-2};

class Loop {
 public:
  Loop() {
    epoll_event event{};
    // Edge-triggered: its count need not be read.
    event.events = EPOLLIN | EPOLLET;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    ::close(epoll_);
    ::close(wake_);
  }

  // Any thread.
  void Post(Node* newest, Node* oldest) {
    if (!mailbox_.Push(newest, oldest)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(wake_, &one, sizeof one);
  }

  // The loop's thread.
  void Defer(Node* node) { deferred_.Append(node); }
  void Stop() { stopped_ = true; }

  // Calls flush() whenever what had come has been run.
  template <class Flush>
  void Run(Flush flush) {
    Spin spin(400);
    std::array<epoll_event, 64> events;
    stopped_ = false;
    for (;;) {
      // So many between two looks at the descriptors.
      int budget = 256;
      for (; budget > 0; --budget) {
        if (taken_ == nullptr) {
          flush();
          taken_ = mailbox_.Take();
        }
        if (taken_ == nullptr) {
          taken_ = std::exchange(deferred_, {}).first;
          if (taken_ == nullptr) break;
        }
        Node* node = taken_;
        taken_ = node->next;
        node->run(node);
        if (stopped_) return;
      }
      if (budget == 0 || !mailbox_.empty()) {
        ::epoll_wait(epoll_, events.data(), 64, 0);
      } else if (!spin.For(mailbox_, loop_cpu, worker_cpu) &&
                 mailbox_.FallAsleep()) {
        ::epoll_wait(epoll_, events.data(), 64, -1);
        mailbox_.WakeUp();
      }
    }
  }

 private:
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Mailbox mailbox_;
  Chain deferred_;
  Node* taken_ = nullptr;
  bool stopped_ = false;
};

struct Task : Node {
  std::uint64_t value = 0;
};

// A thread with a mailbox of its own. What blocks in it holds up what stands
// behind: this is a limit, not a library.
class Worker {
 public:
  explicit Worker(Loop& loop) : loop_(loop), thread_([this] { Main(); }) {}
  ~Worker() {
    Node end;
    Add(&end);
    Flush();
    thread_.join();
  }

  void Add(Node* node) {
    node->next = newest_;
    if (newest_ == nullptr) oldest_ = node;
    newest_ = node;
  }

  void Flush() {
    if (newest_ == nullptr) return;
    if (!mailbox_.Push(std::exchange(newest_, nullptr), oldest_)) return;
    woken_.store(1, std::memory_order_release);
    Futex(FUTEX_WAKE_PRIVATE, 1);
  }

 private:
  // So many results before the loop gets them.
  static constexpr int kResultsMax = 64;

  void Futex(int operation, std::uint32_t value) {
    ::syscall(SYS_futex, &woken_, operation, value, nullptr, nullptr, 0);
  }

  void Main() {
    // As long as the loop takes to wake up: what that one sends finds it
    // looking.
    Spin spin(1600);
    for (;;) {
      Node* taken = mailbox_.Take();
      if (taken == nullptr) {
        if (spin.For(mailbox_, worker_cpu, loop_cpu)) continue;
        woken_.store(0, std::memory_order_relaxed);
        if (!mailbox_.FallAsleep()) continue;
        while (woken_.load(std::memory_order_acquire) == 0) {
          Futex(FUTEX_WAIT_PRIVATE, 0);
        }
        mailbox_.WakeUp();
        continue;
      }
      while (taken != nullptr) {
        Node* const oldest = taken;
        Node* newest = nullptr;
        for (int i = 0; i < kResultsMax && taken != nullptr; ++i) {
          Node* const node = taken;
          taken = node->next;
          if (node->run == nullptr) return;
          auto& task = *static_cast<Task*>(node);
          task.value = bench::Work(task.value);
          task.next = newest;
          newest = node;
        }
        loop_.Post(newest, oldest);
      }
    }
  }

  Loop& loop_;
  Node* newest_ = nullptr;
  Node* oldest_ = nullptr;
  Mailbox mailbox_;
  alignas(64) std::atomic<std::uint32_t> woken_{0};
  std::thread thread_;
};

struct TimerNode {
  TimerNode() = default;
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;

  void Unlink() {
    prev->next = next;
    next->prev = prev;
  }
  TimerNode* prev = this;
  TimerNode* next = this;
  std::uint64_t tick = 0;
  void (*fire)(TimerNode*) = nullptr;
};

// Four levels of 64 slots: one tick each in the first, 64 times as many in each
// further one.
class Wheel {
 public:
  void Arm(TimerNode* node, std::uint64_t tick) {
    node->tick = tick;
    const std::uint64_t distance = tick - now_;
    const std::size_t level = distance < 64       ? 0
                              : distance < 4096   ? 1
                              : distance < 262144 ? 2
                                                  : 3;
    TimerNode& slot = slots_[level][tick >> 6 * level & 63];
    node->prev = slot.prev;
    node->next = &slot;
    slot.prev->next = node;
    slot.prev = node;
  }

  // Calls f(node) for each that is due.
  template <class F>
  void Advance(std::uint64_t tick, F f) {
    for (; now_ <= tick; ++now_) {
      for (std::size_t level = 1; level < 4; ++level) {
        if ((now_ & ((std::uint64_t{1} << 6 * level) - 1)) != 0) break;
        Empty(slots_[level][now_ >> 6 * level & 63],
              [this](TimerNode* node) { Arm(node, node->tick); });
      }
      Empty(slots_[0][now_ & 63], f);
    }
  }

 private:
  template <class F>
  static void Empty(TimerNode& slot, F f) {
    while (slot.next != &slot) {
      TimerNode* node = slot.next;
      node->Unlink();
      f(node);
    }
  }

  std::array<std::array<TimerNode, 64>, 4> slots_;
  std::uint64_t now_ = 0;
};

class Limit {
 public:
  class Tasks {
   public:
    explicit Tasks(const bench::Size& size)
        : count_(size.count), tasks_(static_cast<std::size_t>(size.in_flight)) {
      for (int i = 0; i < absl::GetFlag(FLAGS_workers); ++i) {
        workers_.push_back(std::make_unique<Worker>(loop_));
      }
      current = this;
      Run(10 * size.in_flight);
    }
    void Run() { Run(count_); }

   private:
    // Nodes have no room for a way back.
    static inline Tasks* current = nullptr;

    void Run(std::int64_t count) {
      bench::Progress progress(count);
      progress_ = &progress;
      for (Task& task : tasks_) {
        task.run = [](Node* node) { current->Done(static_cast<Task*>(node)); };
        Start(&task);
      }
      loop_.Run([this] {
        for (auto& worker : workers_) worker->Flush();
      });
    }
    void Start(Task* task) {
      if (!progress_->Start()) return;
      task->value = progress_->input();
      workers_[next_]->Add(task);
      if (++next_ == workers_.size()) next_ = 0;
    }
    void Done(Task* task) {
      if (progress_->End(task->value)) {
        loop_.Stop();
      } else {
        Start(task);
      }
    }

    const std::int64_t count_;
    Loop loop_;
    std::vector<Task> tasks_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::size_t next_ = 0;
    bench::Progress* progress_ = nullptr;
  };

  class Posts {
   public:
    explicit Posts(const bench::Size& size)
        : nodes_(static_cast<std::size_t>(size.count)),
          producers_(size, Post{this}) {
      current = this;
      left_ = size.count;
    }
    void Run() {
      producers_.Go();
      loop_.Run([] {});
    }

   private:
    struct Post {
      void operator()(std::int64_t n) {
        Task& node = self->nodes_[static_cast<std::size_t>(n)];
        node.value = static_cast<std::uint64_t>(n);
        node.run = [](Node* node) {
          bench::sum += static_cast<Task*>(node)->value;
          if (--current->left_ == 0) current->loop_.Stop();
        };
        self->loop_.Post(&node, &node);
      }
      Posts* self;
    };
    static inline Posts* current = nullptr;

    std::int64_t left_ = 0;
    Loop loop_;
    std::vector<Task> nodes_;
    bench::Producers<Post> producers_;
  };

  class Chain {
   public:
    explicit Chain(const bench::Size& size) : left_(size.count) {
      current = this;
    }
    void Run() {
      node_.run = [](Node* node) {
        ++bench::sum;
        if (--current->left_ == 0) {
          current->loop_.Stop();
        } else {
          current->loop_.Defer(node);
        }
      };
      loop_.Defer(&node_);
      loop_.Run([] {});
    }

   private:
    static inline Chain* current = nullptr;

    std::int64_t left_;
    Loop loop_;
    Node node_;
  };

  class Batch {
   public:
    explicit Batch(const bench::Size& size) : left_(size.count) {
      current = this;
    }
    void Run() {
      Next();
      loop_.Run([] {});
    }

   private:
    static inline Batch* current = nullptr;

    void Next() {
      in_batch_ = std::min<std::int64_t>(left_, std::ssize(nodes_));
      left_ -= in_batch_;
      for (std::int64_t i = 0; i < in_batch_; ++i) {
        Node& node = nodes_[static_cast<std::size_t>(i)];
        node.run = [](Node*) {
          ++bench::sum;
          if (--current->in_batch_ == 0) current->Last();
        };
        loop_.Defer(&node);
      }
    }
    void Last() {
      if (left_ == 0) {
        loop_.Stop();
      } else {
        Next();
      }
    }

    std::int64_t left_;
    std::int64_t in_batch_ = 0;
    Loop loop_;
    std::array<Node, 1000> nodes_;
  };

  class ArmAndCancel {
   public:
    explicit ArmAndCancel(const bench::Size& size)
        : count_(size.count),
          standing_(static_cast<std::size_t>(size.standing)) {
      for (TimerNode& node : standing_) wheel_.Arm(&node, Next());
    }
    void Run() {
      for (std::int64_t i = 0; i < count_; ++i) {
        wheel_.Arm(&node_, Next());
        node_.Unlink();
      }
    }

   private:
    std::uint64_t Next() {
      return static_cast<std::uint64_t>(delays_.NextMs());
    }

    const std::int64_t count_;
    bench::Delays delays_;
    Wheel wheel_;
    std::vector<TimerNode> standing_;
    TimerNode node_;
  };

  class Fire {
   public:
    explicit Fire(const bench::Size& size)
        : left_(size.count), timers_(bench::kFireAtOnce) {}
    double RunSeconds() {
      double seconds = 0;
      while (left_ != 0) {
        const std::int64_t due =
            std::min<std::int64_t>(left_, bench::kFireAtOnce);
        left_ -= due;
        for (std::int64_t i = 0; i < due; ++i) {
          TimerNode& node = timers_[static_cast<std::size_t>(i)];
          node.fire = [](TimerNode*) { ++bench::sum; };
          wheel_.Arm(
              &node,
              tick_ + 1 + static_cast<std::uint64_t>(i % bench::kFireSpreadMs));
        }
        tick_ += bench::kFireSpreadMs;
        // As all others have to: nothing is in the caches then.
        bench::AwaitFire();
        const double begin = bench::NowSeconds();
        wheel_.Advance(tick_, [](TimerNode* node) { node->fire(node); });
        seconds += bench::NowSeconds() - begin;
      }
      return seconds;
    }

   private:
    std::int64_t left_;
    std::uint64_t tick_ = 0;
    Wheel wheel_;
    std::vector<TimerNode> timers_;
  };
};

}  // namespace

int main(int argc, char** argv) {
  bench::Initialize(argc, argv);
  bench::RegisterWorkloads<Limit>("limit");
  benchmark::RunSpecifiedBenchmarks();
}
