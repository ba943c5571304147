// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/in_process.h
//
// What the benchmarks that need no network have in common: each contestant, a
// loop or a library with one, is a program of its own with the same workloads
// by the same names, and RunInProcess() hands them to Google Benchmark.
//
// A contestant is a class whose members are its workloads. It lacks what its
// library cannot do. Each is constructed with its Size, which starts threads
// and warms up; then Run() makes size.count operations, and only that is
// measured.
//
//   Tasks         a function on a worker, its completion on the loop
//   Posts         closures to the loop from other threads
//   Chain, Batch  closures to the loop from itself: each queues the next, or
//                 a thousand at a time
//   ArmAndCancel  a timer, beside others that stand
//   Fire          timers that are due: RunSeconds() says how long their calls
//                 took, without what set them up

#ifndef QIO_BENCHMARKS_IN_PROCESS_H_
#define QIO_BENCHMARKS_IN_PROCESS_H_

#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(std::string, pin, "none",
          "one: all threads on one processor; two: the loop on one, all "
          "others on another; none: as it comes");
ABSL_FLAG(std::int64_t, count, 0,
          "how many operations; 0: as many as Google Benchmark likes");
ABSL_FLAG(int, workers, 1, "how many worker threads");
ABSL_FLAG(int, nap_us, 0, "how long a worker sleeps in each task");
ABSL_FLAG(bool, spin, true, "look a while before sleeping, where that exists");

namespace bench {

// How much of it. What a workload does not have is ignored.
struct Size {
  std::int64_t count = 0;  // 0, before it runs: what takes long enough.
  int in_flight = 1;
  int producers = 1;
  int standing = 0;
};

inline void SleepUs(int us) {
  const timespec time{us / 1'000'000, us % 1'000'000 * 1000L};
  nanosleep(&time, nullptr);
}

// What --nap_us says.
inline int nap_us = 0;

// What a worker does: enough that the compiler cannot leave it out.
inline std::uint64_t Work(std::uint64_t x) {
  if (nap_us != 0) [[unlikely]] {
    SleepUs(nap_us);
  }
  return x * 2862933555777941757u + 3037000493u;
}

// Takes results, so that they are needed.
inline std::uint64_t sum = 0;

// Delays of timers, from ten milliseconds to a minute, the same in each run.
class Delays {
 public:
  int NextMs() {
    state_ = Work(state_);
    return 10 + static_cast<int>((state_ >> 33) % 60'000);
  }

 private:
  std::uint64_t state_ = 12345;
};

// Of Fire: so many are armed at a time, for one to this many milliseconds on.
inline constexpr int kFireAtOnce = 10'000;
inline constexpr int kFireSpreadMs = 4;
inline void AwaitFire() { SleepUs((kFireSpreadMs + 2) * 1000); }

inline double NowSeconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

// `count` tasks, `in_flight` at a time: what remains to be started and done.
class Progress {
 public:
  explicit Progress(std::int64_t count) : to_start_(count), to_end_(count) {}

  // Whether there is one more to start.
  bool Start() { return to_start_ != 0 && to_start_-- != 0; }
  std::uint64_t input() const { return static_cast<std::uint64_t>(to_start_); }
  // Whether that was the last one.
  bool End(std::uint64_t result) {
    sum += result;
    return --to_end_ == 0;
  }

 private:
  std::int64_t to_start_, to_end_;
};

// Threads that wait, and then call post(n) for all n below `count`, each for a
// range of them.
template <class Post>
class Producers {
 public:
  Producers(const Size& size, Post post) {
    for (int i = 0; i < size.producers; ++i) {
      const std::int64_t begin = size.count * i / size.producers;
      const std::int64_t end = size.count * (i + 1) / size.producers;
      threads_.emplace_back([this, post, begin, end]() mutable {
        ready_.fetch_add(1);
        while (!go_.load(std::memory_order_acquire)) sched_yield();
        for (std::int64_t n = begin; n < end; ++n) post(n);
      });
    }
    while (ready_.load() != size.producers) sched_yield();
  }
  ~Producers() {
    Go();
    for (std::thread& thread : threads_) thread.join();
  }
  void Go() { go_.store(true, std::memory_order_release); }

 private:
  std::atomic<int> ready_{0};
  std::atomic<bool> go_{false};
  std::vector<std::thread> threads_;
};

// ---------------------------------------------------------------------------

namespace internal {

inline void PinTo(std::size_t nth) {
  static const cpu_set_t all = [] {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &all) || nth-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
  std::fprintf(stderr, "too few processors for --pin\n");
}

// Threads inherit it, so workers that are started between the two calls are
// on the second processor.
inline void PinForWorkers() {
  const std::string pin = absl::GetFlag(FLAGS_pin);
  if (pin != "none") PinTo(pin == "two" ? 1 : 0);
}
inline void PinForLoop() {
  if (absl::GetFlag(FLAGS_pin) == "two") PinTo(0);
}

template <class Workload>
void Measure(benchmark::State& state, Size size) {
  size.count = state.max_iterations;
  PinForWorkers();
  Workload workload(size);
  PinForLoop();
  while (state.KeepRunningBatch(size.count)) {
    if constexpr (requires { workload.RunSeconds(); }) {
      state.SetIterationTime(workload.RunSeconds());
    } else {
      workload.Run();
    }
  }
  benchmark::DoNotOptimize(sum);
}

template <class Workload>
void Register(const std::string& name, Size size = {}) {
  auto* made = benchmark::RegisterBenchmark(
      name.c_str(), [size](auto& state) { Measure<Workload>(state, size); });
  made->MeasureProcessCPUTime();
  if constexpr (requires(Workload& workload) { workload.RunSeconds(); }) {
    made->UseManualTime();
  } else {
    made->UseRealTime();
  }
  if (const std::int64_t count = absl::GetFlag(FLAGS_count); count != 0) {
    made->Iterations(count);
  } else if (size.count != 0) {
    made->Iterations(size.count);
  }
}

}  // namespace internal

// main() of a contestant's program; `Contestant` may be several.
template <class Contestant>
void RegisterWorkloads(const std::string& name) {
  using internal::Register;
  const std::string prefix = name + "/";
  if constexpr (requires { typename Contestant::Tasks; }) {
    Register<typename Contestant::Tasks>(prefix + "t1");
    Register<typename Contestant::Tasks>(prefix + "t2", {.in_flight = 1000});
  }
  if constexpr (requires { typename Contestant::TasksAwaited; }) {
    Register<typename Contestant::TasksWithTimeout>(prefix + "t2_timeout",
                                                    {.in_flight = 1000});
    Register<typename Contestant::TasksAwaited>(prefix + "t2_await",
                                                {.in_flight = 1000});
    Register<typename Contestant::TasksInCoroutines>(prefix + "t2_coroutine",
                                                     {.in_flight = 1000});
    Register<typename Contestant::TasksWaitedFor>(prefix + "t1_wait");
  }
  if constexpr (requires { typename Contestant::Posts; }) {
    for (int producers : {1, 2}) {
      Register<typename Contestant::Posts>(
          prefix + "t3_" + std::to_string(producers),
          // What is not taken yet is memory.
          {.count = 300'000, .producers = producers});
    }
  }
  if constexpr (requires { typename Contestant::Chain; }) {
    Register<typename Contestant::Chain>(prefix + "t4_chain");
    Register<typename Contestant::Batch>(prefix + "t4_batch");
  }
  if constexpr (requires { typename Contestant::ArmAndCancel; }) {
    for (int standing : {0, 10'000}) {
      Register<typename Contestant::ArmAndCancel>(
          prefix + "timer_" + std::to_string(standing), {.standing = standing});
    }
    // Arming them takes longer than what is measured.
    Register<typename Contestant::Fire>(prefix + "timer_fire",
                                        {.count = 5 * kFireAtOnce});
  }
}

// To be called before RegisterWorkloads().
inline void Initialize(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  absl::ParseCommandLine(argc, argv);
  nap_us = absl::GetFlag(FLAGS_nap_us);
}

}  // namespace bench

#endif  // QIO_BENCHMARKS_IN_PROCESS_H_
