// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/tasks.h
//
// Tasks of workers and of completers, while they are cancelled, their scopes
// end and the executor ends: one outcome each, and everything destroyed once.

#ifndef QIO_TESTS_SIMULATION_TASKS_H_
#define QIO_TESTS_SIMULATION_TASKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/executors/simulated.h"
#include "qio/sendable.h"
#include "qio/simulation/schedule.h"
#include "qio/task.h"
#include "qio/task_scope.h"

namespace qio::simulation {

class Tasks {
 public:
  static SimulatedOptions Options(std::uint64_t seed) {
    SimulatedOptions options;
    options.seed = seed;
    options.faults.worker_not_started = 100;
    options.faults.worker_at_once = 100;
    return options;
  }

  static void Run(Schedule& schedule) { Tasks(schedule).Run(); }

 private:
  static constexpr std::size_t kTasksMax = 24;
  static constexpr std::size_t kScopes = 2;

  using Task = QIOTask<Loop, Token>;
  using Result = absl::StatusOr<Token>;

  struct Record {
    Life input, result, completion;
    TaskHandle<Loop> handle;
    std::optional<Completer<Loop, Token>> completer;
    std::optional<SendableCompleter<Loop, Token>> sendable;
    std::size_t scope = kScopes;  // kScopes: none.
    int outcomes = 0;
    bool cancelled = false;
    bool abandoned = false;

    bool pending() const { return outcomes == 0 && !abandoned; }
  };

  explicit Tasks(Schedule& schedule) : s_(schedule), home_(schedule) {
    home_.Enter([this](On& on) {
      for (auto& scope : scopes_) scope.emplace(on);
    });
  }

  void Run() {
    for (std::uint64_t i = 10 + s_.Choose(70); i > 0; --i) Act();
    if (home_.is_open() && s_.OneIn(2)) {
      // Again for tasks that a completion has started.
      do {
        s_.RunUntilIdle();
      } while (DropCompleters());
      for (const Record& record : Begun()) {
        s_.Check(!record.pending(), "a task that was started has an outcome");
      }
      home_.Enter([this](On& on) {
        s_.Check(on.executor().outstanding(on) == 0,
                 "nothing is outstanding when all is over");
      });
    }
    if (home_.is_open() && s_.OneIn(2)) {
      for (std::size_t i = 0; i < kScopes; ++i) EndScope(i);
    }
    EndExecutor();
    DropCompleters();
    for (auto& scope : scopes_) scope.reset();
    s_.RunUntilIdle();
    for (const Record& record : Begun()) {
      s_.Check(record.outcomes <= 1, "a task has one outcome at most");
      s_.Check(record.completion.IsOver() && record.completion.begun == 1,
               "a completion is destroyed");
      s_.Check(record.input.IsOver(), "the inputs of a worker are destroyed");
      s_.Check(record.result.IsOver(), "a result is destroyed");
    }
  }

  // Whose operation nobody completes any more. False: there was none.
  bool DropCompleters() {
    bool dropped = false;
    for (Record& record : Begun()) {
      dropped |= record.completer || record.sendable;
      record.completer.reset();
      record.sendable.reset();
    }
    return dropped;
  }

  std::span<Record> Begun() { return {records_.data(), begun_}; }

  void Act() {
    switch (s_.Choose(12)) {
      case 0:
      case 1:
      case 2:
        return OnLoop([this](On& on) { Start(on); });
      case 3:
        return OnLoop([this](On& on) { Cancel(on); });
      case 4:
        if (s_.OneIn(3)) EndScope(s_.Choose(kScopes));
        return;
      case 5:
        return OnLoop([this](On& on) { Complete(on); });
      case 6:
        return PostResult();
      case 7:
        if (s_.OneIn(4)) OnLoop([this](On& on) { Wait(on); });
        return;
      case 8:
        if (s_.OneIn(8)) EndExecutor();
        return;
      default:
        s_.Steps(1 + s_.Choose(6));
    }
  }

  template <class F>
  void OnLoop(F f) {
    if (home_.is_open()) home_.Enter(f);
  }

  // A worker's, or one for a completer.
  Task Make(On& on, Record& record) {
    record.input.schedule = record.result.schedule =
        record.completion.schedule = &s_;
    record.completion.home = &home_;
    switch (s_.Choose(4)) {
      case 0:
      case 1:
        return RunInThread(
            on, [](Token, Life* result) { return Token(*result); },
            Token(record.input), AssumeSendable(&record.result));
      case 2:
        return RunInThread(
            on,
            [](Token, Life*) -> Token { throw std::runtime_error("thrown"); },
            Token(record.input), AssumeSendable(&record.result));
      default:
        return MakeTask<Token>(
            on, [&record](On&, Completer<Loop, Token> completer) {
              record.completer.emplace(std::move(completer));
            });
    }
  }

  void Start(On& on) {
    if (begun_ == kTasksMax) return;
    Record& record = records_[begun_++];
    Task task = Make(on, record);
    record.scope = s_.Choose(kScopes + 1);
    if (record.scope < kScopes && !scopes_[record.scope]) {
      record.scope = kScopes;
    }
    auto completion = [this, &record, token = Token(record.completion)](
                          On& on, Result result) {
      s_.Check(token.is_here(), "a completion is called before it ends");
      Completed(on, record, result);
    };
    record.handle = record.scope == kScopes
                        ? std::move(task).Then(std::move(completion))
                        : std::move(task).Then(*scopes_[record.scope],
                                               std::move(completion));
    s_.Check(record.outcomes == 0, "a completion is never called by Then()");
  }

  void Completed(On& on, Record& record, const Result& result) {
    s_.world.Note(static_cast<std::uint64_t>(result.status().code()));
    s_.Check(home_.IsHere(), "a completion runs on its loop");
    s_.Check(!record.abandoned, "no completion runs after its scope's end");
    s_.Check(++record.outcomes == 1, "a completion runs once");
    s_.Check(absl::IsCancelled(result.status()) == record.cancelled,
             "who was cancelled, and nobody else, gets Cancelled");
    // What a program does there.
    switch (s_.Choose(8)) {
      case 0:
        return Start(on);
      case 1:
        return Cancel(on);
      case 2:
        return EndScope(s_.Choose(kScopes));
      case 3:
        return Complete(on);
      default:
        return;
    }
  }

  void Cancel(On& on) {
    if (begun_ == 0) return;
    Record& record = records_[s_.Choose(begun_)];
    const bool wins = record.handle.Cancel(on);
    s_.Check(wins == (record.pending() && !record.cancelled),
             "Cancel() tells whether it has won");
    if (wins) record.cancelled = true;
  }

  void EndScope(std::size_t which) {
    if (!scopes_[which]) return;
    const auto end = [&](auto&) {
      for (Record& record : Begun()) {
        if (record.scope == which && record.outcomes == 0) {
          record.abandoned = true;
        }
      }
      scopes_[which].reset();
    };
    if (home_.is_open()) {
      home_.Enter(end);
    } else {
      end(*this);
    }
  }

  void Complete(On& on) {
    for (Record& record : Begun()) {
      if (!record.completer || !s_.OneIn(2)) continue;
      auto completer = *std::exchange(record.completer, std::nullopt);
      switch (s_.Choose(3)) {
        case 0:
          return std::move(completer).Complete(on, Token(record.result));
        case 1:
          record.sendable.emplace(std::move(completer).ToSendable());
          return;
        default:
          return;  // Dropped.
      }
    }
  }

  // From elsewhere, as a thread would.
  void PostResult() {
    for (Record& record : Begun()) {
      if (!record.sendable || !s_.OneIn(2)) continue;
      std::move(*std::exchange(record.sendable, std::nullopt))
          .Post(Token(record.result));
    }
  }

  void Wait(On& on) {
    Life input{&s_}, result{&s_};
    {
      const Result waited =
          RunInThread(
              on, [](Token, Life* life) { return Token(*life); }, Token(input),
              AssumeSendable(&result))
              .Wait(on);
      s_.Check(waited.ok() || absl::IsUnavailable(waited.status()),
               "Wait() returns what the worker did");
      s_.Check(input.IsOver() && result.begun == waited.ok(),
               "Wait() returns when the worker has");
    }
    s_.Check(result.IsOver(), "a result that was waited for is destroyed");
  }

  void EndExecutor() {
    if (!home_.is_open()) return;
    home_.End();
    for (Record& record : Begun()) {
      if (record.outcomes == 0) record.abandoned = true;
    }
  }

  Schedule& s_;
  std::array<Record, kTasksMax> records_;
  std::size_t begun_ = 0;
  std::array<std::optional<TaskScope<Loop>>, kScopes> scopes_;
  Home home_;
};

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_TASKS_H_
