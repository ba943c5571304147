// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/schedule.h
//
// What scenarios are written with. A scenario is a program under a
// SimulatedWorld that does what its seed says, and checks properties which have
// to hold under every schedule.

#ifndef QIO_TESTS_SIMULATION_SCHEDULE_H_
#define QIO_TESTS_SIMULATION_SCHEDULE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "qio/executors/simulated.h"
#include "qio/on_loop.h"

namespace qio::simulation {

using Loop = SimulatedExecutor;
using On = OnLoop<Loop>;

// One schedule of one scenario.
class Schedule {
 public:
  explicit Schedule(SimulatedOptions options) : world(Silent(options)) {}

  std::uint64_t Choose(std::uint64_t end) { return world.Choose(end); }
  bool OneIn(std::uint64_t n) { return Choose(n) == 0; }

  // The first property that does not hold is the one that is told.
  void Check(bool holds, std::string_view property) {
    if (!holds && violation_.empty()) violation_ = property;
  }
  const std::string& violation() const { return violation_; }

  void Steps(std::uint64_t count) {
    while (count-- > 0 && world.Step()) {
    }
  }
  void RunUntilIdle() {
    Check(world.RunUntilIdle(kStepsMax), "the program comes to rest");
  }

  SimulatedWorld world;

 private:
  static SimulatedOptions& Silent(SimulatedOptions& options) {
    options.diagnostics = {[](void*, std::string_view) {}, nullptr};
    return options;
  }

  static constexpr std::uint64_t kStepsMax = 100'000;

  std::string violation_;
};

struct Scenario {
  const char* name;
  SimulatedOptions (*options)(std::uint64_t seed);
  void (*run)(Schedule& schedule);
};

// A loop and its end.
class Home {
 public:
  explicit Home(Schedule& schedule)
      : schedule_(schedule), loop_(Loop::Create(schedule.world).value()) {}
  ~Home() { End(); }

  bool is_open() const { return loop_ != nullptr; }
  Loop& loop() { return *loop_; }

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop_->Enter(f);
    schedule_.Check(status.ok(), "a loop can be entered");
  }

  void End() {
    is_ending_ = true;
    loop_.reset();
  }

  // Where callbacks of this loop may run, and their captures end.
  bool IsHere() const { return is_ending_ || loop_->IsOnLoop(); }

 private:
  Schedule& schedule_;
  bool is_ending_ = false;
  std::unique_ptr<Loop> loop_;
};

// The life of something that must end exactly once, and where.
struct Life {
  Schedule* schedule = nullptr;
  const Home* home = nullptr;  // Null: it may end anywhere.
  int begun = 0;
  int ended = 0;

  bool IsOver() const { return ended == begun; }
};

// One thing that lives such a life; moved, it is the same thing.
class Token {
 public:
  using qio_sendable = Token;

  explicit Token(Life& life) : life_(&life) { ++life.begun; }
  Token(Token&& other) noexcept : life_(std::exchange(other.life_, nullptr)) {}
  Token& operator=(Token&& other) noexcept {
    std::swap(life_, other.life_);
    return *this;
  }
  ~Token() {
    if (life_ == nullptr) return;
    ++life_->ended;
    life_->schedule->Check(life_->ended <= life_->begun,
                           "what is captured ends once");
    life_->schedule->Check(life_->home == nullptr || life_->home->IsHere(),
                           "what is captured ends on its loop");
  }

  bool is_here() const { return life_ != nullptr; }

 private:
  Life* life_;
};

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_SCHEDULE_H_
