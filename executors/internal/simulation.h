// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/internal/simulation.h
//
// Simulation is a clock, a list of what will happen, and a seed that chooses
// what happens next. Nothing in it depends on addresses, on real time, or on
// how the standard library draws random numbers: the same seed gives the same
// trace on every machine.

#ifndef QIO_EXECUTORS_INTERNAL_SIMULATION_H_
#define QIO_EXECUTORS_INTERNAL_SIMULATION_H_

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/executors/simulated_options.h"
#include "qio/status.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

namespace internal_simulation {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// SplitMix64 (Steele, Lea, Flood 2014): eight bytes, and good enough to choose.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t Next() noexcept { return Mixed(state_ += 0x9E3779B97F4A7C15u); }
  // Less than `end`; 0 if that is 0.
  std::uint64_t Below(std::uint64_t end) noexcept {
    return static_cast<std::uint64_t>(
        static_cast<unsigned __int128>(Next()) * end >> 64);
  }
  bool Chance(int thousandths) noexcept {
    return thousandths > 0 &&
           Below(1000) < static_cast<std::uint64_t>(thousandths);
  }

  static std::uint64_t Mixed(std::uint64_t word) noexcept {
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
  }

 private:
  std::uint64_t state_;
};

// What a line of the trace tells. The number is of a loop, a piece of work or a
// socket; the value is a count of bytes or calls, or an errno.
enum class What : std::uint8_t {
  kTurn,
  kWorkRuns,
  kWorkEnds,
  kWorkRefused,
  kKnock,
  kConnected,
  kArrived,
  kFin,
  kReset,
  kAccepted,
  kAcceptFailed,
  kReceived,
  kReceiveEnded,
  kSendable,
  kSent,
  kClosed,
  kNote,
};

inline const char* NameOf(What what) {
  static constexpr const char* kNames[] = {
      "turn",          "work runs", "work ends",     "work refused", "knock",
      "connected",     "arrived",   "fin",           "reset",        "accepted",
      "accept failed", "received",  "receive ended", "sendable",     "sent",
      "closed",        "note"};
  return kNames[static_cast<std::size_t>(what)];
}

class Trace {
 public:
  explicit Trace(bool keep) noexcept : keep_(keep) {}

  void Add(std::int64_t now_ns, What what, std::uint32_t number,
           std::uint64_t value) {
    const auto time = static_cast<std::uint64_t>(now_ns);
    hash_ = Random::Mixed(hash_ + time) +
            Random::Mixed(std::uint64_t{number} << 8 |
                          static_cast<std::uint64_t>(what)) *
                3 +
            value;
    ++size_;
    if (keep_) lines_.push_back({now_ns, what, number, value});
  }

  std::uint64_t hash() const noexcept { return Random::Mixed(hash_); }
  std::uint64_t size() const noexcept { return size_; }

  // One line each: nanoseconds, what, its number, its value.
  std::string Text() const {
    std::string text;
    for (const Line& line : lines_) {
      text += std::to_string(line.now_ns) + ' ' + NameOf(line.what) + ' ' +
              std::to_string(line.number) + ' ' + std::to_string(line.value) +
              '\n';
    }
    return text;
  }

 private:
  struct Line {
    std::int64_t now_ns;
    What what;
    std::uint32_t number;
    std::uint64_t value;
  };

  const bool keep_;
  std::uint64_t hash_ = 0;
  std::uint64_t size_ = 0;
  std::vector<Line> lines_;
};

// A loop of the simulation, as those see it who do not know its type.
class Loop {
 public:
  virtual bool HasWork() const noexcept = 0;
  // Descriptors are not of this world: they are asked for when nothing else is
  // left to do now.
  virtual bool IsDescriptorReady() const noexcept = 0;
  virtual void Turn(int budget) = 0;
  // Tells the sink of a socket what has happened there.
  virtual void Tell(std::uint32_t socket) = 0;
  // When the next timer is due.
  virtual std::int64_t NextTimerNs() const noexcept = 0;
  virtual void SetNow(std::int64_t now_ns) noexcept = 0;

  std::uint32_t number = 0;
  std::vector<std::uint32_t> ready;  // Sockets that have something to tell.

 protected:
  ~Loop() = default;
};

// Whose event it is.
class Agenda {
 public:
  struct Event {
    std::int64_t due_ns;
    std::uint64_t tie;  // Drawn: events of one moment happen in any order.
    std::uint64_t serial;
    Agenda* whose;
    What what;
    std::uint32_t index;
    std::uint32_t generation;
    std::uint64_t value;

    // std::push_heap() and its like put the largest first.
    friend bool operator<(const Event& a, const Event& b) noexcept {
      if (a.due_ns != b.due_ns) return a.due_ns > b.due_ns;
      return a.tie != b.tie ? a.tie > b.tie : a.serial > b.serial;
    }
  };

  virtual void Happen(const Event& event) = 0;

 protected:
  ~Agenda() = default;
};

// A test's own faults, call by call, besides those that the seed chooses.
struct CallFaults {
  int (*error_of)(const char* call) = nullptr;  // An errno, or 0.
  std::size_t (*shortened)(std::size_t size) = nullptr;
};

class Simulation {
 public:
  using Event = Agenda::Event;

  explicit Simulation(const SimulatedOptions& its_options)
      : options(its_options),
        random(its_options.seed),
        trace(its_options.keep_trace),
        now_ns_(its_options.start.time_since_epoch().count()) {}
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  std::int64_t now_ns() const noexcept { return now_ns_; }

  void AddLoop(Loop& loop) {
    loop.number = loops_made_++;
    loop.SetNow(now_ns_);
    loops_.push_back(&loop);
  }
  void RemoveLoop(Loop& loop) noexcept { std::erase(loops_, &loop); }
  bool has_loops() const noexcept { return !loops_.empty(); }

  void Schedule(std::int64_t due_ns, Agenda& whose, What what,
                std::uint32_t index, std::uint32_t generation,
                std::uint64_t value) {
    events_.push_back({due_ns, random.Next(), serial_++, &whose, what, index,
                       generation, value});
    std::push_heap(events_.begin(), events_.end());
  }

  std::int64_t Between(std::chrono::nanoseconds min,
                       std::chrono::nanoseconds max) noexcept {
    const std::int64_t span = std::max<std::int64_t>((max - min).count(), 0);
    return min.count() + static_cast<std::int64_t>(random.Below(
                             static_cast<std::uint64_t>(span) + 1));
  }

  void Note(What what, std::uint32_t number, std::uint64_t value) {
    trace.Add(now_ns_, what, number, value);
  }

  // Lets one thing happen, not later than `end_ns`. False: there is none.
  bool Step(std::int64_t end_ns) {
    do {
      if (Choose()) return true;
    } while (AdvanceToNext(end_ns));
    return false;
  }

  void AdvanceTo(std::int64_t now_ns) noexcept {
    if (now_ns <= now_ns_) return;
    now_ns_ = now_ns;
    for (Loop* loop : loops_) loop->SetNow(now_ns);
  }

  // Lets the next event of `whose` happen, whatever else is due before: for a
  // loop that waits for it. False: there is none.
  bool HappenNextOf(const Agenda& whose) {
    auto next = events_.end();
    for (auto event = events_.begin(); event != events_.end(); ++event) {
      if (event->whose == &whose && (next == events_.end() || *next < *event)) {
        next = event;
      }
    }
    if (next == events_.end()) return false;
    const Event event = *next;
    *next = events_.back();
    events_.pop_back();
    std::make_heap(events_.begin(), events_.end());
    AdvanceTo(event.due_ns);
    event.whose->Happen(event);
    return true;
  }

  // The errno with which a call fails now, or 0.
  int ErrorOf(const char* call) const {
    return call_faults.error_of != nullptr ? call_faults.error_of(call) : 0;
  }
  // How much of `size` is transferred now.
  std::size_t Shortened(std::size_t size, int thousandths) noexcept {
    if (call_faults.shortened != nullptr) size = call_faults.shortened(size);
    if (size < 2 || !random.Chance(thousandths)) return size;
    return 1 + static_cast<std::size_t>(random.Below(size));
  }

  SimulatedOptions options;
  CallFaults call_faults;
  Random random;
  Trace trace;

 private:
  // One of all that could happen now, each as likely as the others. Nothing is
  // touched after it: it may throw.
  bool Choose() {
    std::uint64_t count = 0;
    for (const Loop* loop : loops_) {
      count += loop->HasWork() + !loop->ready.empty();
    }
    const bool has_event =
        !events_.empty() && events_.front().due_ns <= now_ns_;
    count += has_event;
    if (count == 0) return ChooseDescriptor();
    std::uint64_t chosen = random.Below(count);
    for (Loop* loop : loops_) {
      if (loop->HasWork() && chosen-- == 0) {
        Turn(*loop);
        return true;
      }
      if (!loop->ready.empty() && chosen-- == 0) {
        TakeTime();
        loop->Tell(loop->ready[random.Below(loop->ready.size())]);
        return true;
      }
    }
    std::pop_heap(events_.begin(), events_.end());
    const Event event = events_.back();
    events_.pop_back();
    event.whose->Happen(event);
    return true;
  }

  bool ChooseDescriptor() {
    for (Loop* loop : loops_) {
      if (!loop->IsDescriptorReady()) continue;
      Turn(*loop);
      return true;
    }
    return false;
  }

  // Often a single call, so that others come in between; sometimes all.
  void Turn(Loop& loop) {
    TakeTime();
    const int budget = 1 << random.Below(9);
    Note(What::kTurn, loop.number, static_cast<std::uint64_t>(budget));
    loop.Turn(budget);
  }

  void TakeTime() noexcept {
    AdvanceTo(now_ns_ + Between({}, options.turn_time_max));
  }

  bool AdvanceToNext(std::int64_t end_ns) noexcept {
    std::int64_t next_ns = events_.empty() ? kNever : events_.front().due_ns;
    for (const Loop* loop : loops_) {
      next_ns = std::min(next_ns, loop->NextTimerNs());
    }
    if (next_ns == kNever || next_ns > end_ns) return false;
    AdvanceTo(next_ns);
    return true;
  }

  std::int64_t now_ns_;
  std::vector<Loop*> loops_;
  std::uint32_t loops_made_ = 0;
  std::vector<Event> events_;  // A heap.
  std::uint64_t serial_ = 0;
};

// Workers that are no threads: work begins and ends when the schedule says so,
// in any order, and the loop sees it come from elsewhere.
class SimulatedWorkers final : public Workers, private Agenda {
 public:
  explicit SimulatedWorkers(Simulation& simulation) : simulation_(simulation) {}

  // What is out comes back here and now; nobody may want it any more.
  ~SimulatedWorkers() override { FinishAll(); }

  void Submit(internal_workers::Work* first) noexcept override {
    while (first != nullptr) {
      internal_workers::Work* const work = std::exchange(first, first->next);
      const std::uint32_t number = started_++;
      if (stopping_) {
        Refuse(work, number, ShutdownError("the workers were shut down"));
      } else if (Chance(simulation_.options.faults.worker_not_started)) {
        Refuse(work, number, ErrnoStatus(EAGAIN, "start a worker thread"));
      } else if (Chance(simulation_.options.faults.worker_at_once)) {
        Run(work, number);
        End(work, number);
      } else {
        out_.push_back({work, number, false});
        Schedule(What::kWorkRuns, number);
      }
    }
  }

  // Nobody works while this thread waits: who has not ended is named.
  std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point) override {
    stopping_ = true;
    std::vector<std::string> names;
    std::vector<Out> refused;
    for (const Out& out : out_) {
      if (out.has_run) {
        names.emplace_back(out.work->ops->name);
      } else {
        refused.push_back(out);
      }
    }
    std::erase_if(out_, [](const Out& out) { return !out.has_run; });
    for (const Out& out : refused) {
      Refuse(out.work, out.number, ShutdownError("the workers were shut down"));
    }
    return names;
  }

  bool RunHere() noexcept override { return simulation_.HappenNextOf(*this); }

  void FinishAll() noexcept {
    while (!out_.empty()) {
      const Out out = out_.front();
      out_.erase(out_.begin());
      if (!out.has_run) Run(out.work, out.number);
      End(out.work, out.number);
    }
  }

 private:
  struct Out {
    internal_workers::Work* work;
    std::uint32_t number;
    bool has_run;
  };

  bool Chance(int thousandths) noexcept {
    return simulation_.random.Chance(thousandths);
  }

  void Schedule(What what, std::uint32_t number) {
    simulation_.Schedule(
        simulation_.now_ns() +
            simulation_.Between({}, simulation_.options.worker_time_max),
        *this, what, number, 0, 0);
  }

  void Happen(const Event& event) override {
    const auto out = std::find_if(
        out_.begin(), out_.end(),
        [&event](const Out& one) { return one.number == event.index; });
    if (out == out_.end()) return;  // It was refused meanwhile.
    internal_workers::Work* const work = out->work;
    if (event.what == What::kWorkRuns) {
      out->has_run = true;
      Run(work, event.index);
      Schedule(What::kWorkEnds, event.index);
    } else {
      out_.erase(out);
      End(work, event.index);
    }
  }

  void Run(internal_workers::Work* work, std::uint32_t number) noexcept {
    simulation_.Note(What::kWorkRuns, number, 0);
    work->ops->run(work);
  }
  void End(internal_workers::Work* work, std::uint32_t number) noexcept {
    simulation_.Note(What::kWorkEnds, number, 0);
    work->ops->publish(work);
  }
  void Refuse(internal_workers::Work* work, std::uint32_t number,
              const absl::Status& why) noexcept {
    simulation_.Note(What::kWorkRefused, number, 0);
    work->ops->refuse(work, why);
  }

  Simulation& simulation_;
  std::vector<Out> out_;  // In the order in which they were started.
  std::uint32_t started_ = 0;
  bool stopping_ = false;
};

}  // namespace internal_simulation
}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_INTERNAL_SIMULATION_H_
