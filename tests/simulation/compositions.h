// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/compositions.h
//
// Tasks in coroutines, with deadlines, tokens and progress, one in the other,
// while they are cancelled, their scopes end and the executor ends: whichever
// comes first is the one outcome, and everything is destroyed once.

#ifndef QIO_TESTS_SIMULATION_COMPOSITIONS_H_
#define QIO_TESTS_SIMULATION_COMPOSITIONS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/coro.h"
#include "qio/executors/simulated.h"
#include "qio/progress.h"
#include "qio/sendable.h"
#include "qio/simulation/schedule.h"
#include "qio/stop_token.h"
#include "qio/task.h"
#include "qio/task_scope.h"

namespace qio::simulation {

class Compositions {
 public:
  static SimulatedOptions Options(std::uint64_t seed) {
    SimulatedOptions options;
    options.seed = seed;
    options.faults.worker_not_started = 50;
    options.faults.worker_at_once = 100;
    return options;
  }

  static void Run(Schedule& schedule) { Compositions(schedule).Run(); }

 private:
  static constexpr std::size_t kTasksMax = 16;

  using Task = QIOTask<Loop, Token>;
  using Result = absl::StatusOr<Token>;

  struct Record {
    Life input, result, completion, frame, listener;
    TaskHandle<Loop> handle;
    std::optional<Completer<Loop, Token>> completer;
    std::optional<std::stop_source> source;
    bool has_deadline = false;
    bool in_scope = false;
    bool may_be_cancelled = false;  // Somebody has asked for it.
    bool is_silent = false;         // No progress may be heard any more.
    bool abandoned = false;
    int outcomes = 0;

    bool pending() const { return outcomes == 0 && !abandoned; }
  };

  explicit Compositions(Schedule& schedule) : s_(schedule), home_(schedule) {
    home_.Enter([this](On& on) { scope_.emplace(on); });
  }

  void Run() {
    for (std::uint64_t i = 10 + s_.Choose(60); i > 0; --i) Act();
    if (home_.is_open() && s_.OneIn(2)) {
      do {
        s_.RunUntilIdle();
      } while (DropCompleters());
      for (const Record& record : Begun()) {
        s_.Check(!record.pending(), "a composition has an outcome");
        s_.Check(record.frame.IsOver(), "a frame is destroyed with its task");
      }
      home_.Enter([this](On& on) {
        s_.Check(on.executor().outstanding(on) == 0,
                 "nothing is outstanding when all is over");
      });
    }
    EndExecutor();
    for (Record& record : Begun()) Ask(record);
    DropCompleters();
    scope_.reset();
    s_.RunUntilIdle();
    for (const Record& record : Begun()) {
      s_.Check(record.outcomes <= 1, "a composition has one outcome at most");
      s_.Check(record.completion.IsOver(), "a completion is destroyed");
      s_.Check(record.frame.IsOver(), "a frame is destroyed");
      s_.Check(record.listener.IsOver(), "a listener is destroyed");
      s_.Check(record.input.IsOver(), "the inputs of a worker are destroyed");
      s_.Check(record.result.IsOver(), "a result is destroyed");
    }
  }

  std::span<Record> Begun() { return {records_.data(), begun_}; }

  bool DropCompleters() {
    bool dropped = false;
    for (Record& record : Begun()) {
      dropped |= record.completer.has_value();
      record.completer.reset();
    }
    return dropped;
  }

  void Act() {
    switch (s_.Choose(12)) {
      case 0:
      case 1:
      case 2:
        return OnLoop([this](On& on) { Start(on); });
      case 3:
        return OnLoop([this](On& on) { Cancel(on); });
      case 4:
        if (s_.OneIn(6)) EndScope();
        return;
      case 5:
        return OnLoop([this](On& on) { Complete(on); });
      case 6:
        if (begun_ != 0) Ask(records_[s_.Choose(begun_)]);
        return;
      case 7:
        if (s_.OneIn(12)) EndExecutor();
        return;
      default:
        s_.Steps(1 + s_.Choose(6));
    }
  }

  template <class F>
  void OnLoop(F f) {
    if (home_.is_open()) home_.Enter(f);
  }

  static Coro<Loop, Token> Await(On& on, Compositions* self, Record* record,
                                 Task task, Token) {
    Token local(record->frame);
    Result result = co_await std::move(task);
    self->s_.Check(self->home_.IsHere(), "a coroutine goes on on its loop");
    self->s_.Check(!record->abandoned,
                   "no coroutine goes on after its scope's end");
    self->s_.Check(local.is_here(), "a coroutine goes on with its locals");
    switch (self->s_.Choose(16)) {
      case 0:
        throw std::runtime_error("thrown");
      case 1:
        self->Cancel(on);
        break;
      case 2:
        self->EndScope();
        break;
      default:
        break;
    }
    co_return result;
  }

  Task Work(On& on, Record& record) {
    switch (s_.Choose(4)) {
      case 0:
        return RunInThread(
            on, [](StopToken, Token, Life* result) { return Token(*result); },
            Token(record.input), AssumeSendable(&record.result));
      case 1:
        return RunInThread(
                   on,
                   [](std::stop_token, Progress<int> progress, Token,
                      Life* result) {
                     progress.Report(1);
                     progress.Report(2);
                     return Token(*result);
                   },
                   Token(record.input), AssumeSendable(&record.result))
            .OnProgress([this, &record, token = Token(record.listener)](
                            On& on, int value) {
              s_.Check(token.is_here(), "a listener hears before it ends");
              s_.Check(!record.is_silent && !record.abandoned,
                       "no progress is heard of what is over");
              s_.Check(value == 2, "the newest progress is heard");
              if (s_.OneIn(4)) Cancel(on);
            });
      default:
        return MakeTask<Token>(
            on, [&record](On&, Completer<Loop, Token> completer) {
              record.completer.emplace(std::move(completer));
            });
    }
  }

  Task Compose(On& on, Record& record) {
    Task task = Work(on, record);
    for (std::uint64_t layers = s_.Choose(4); layers > 0; --layers) {
      switch (s_.Choose(3)) {
        case 0:
          record.has_deadline = true;
          task = std::move(task).WithTimeout(
              std::chrono::milliseconds(s_.Choose(3)));
          break;
        case 1:
          if (!record.source) record.source.emplace();
          task = std::move(task).WithStopToken(record.source->get_token());
          break;
        default:
          task = Await(on, this, &record, std::move(task), Token(record.frame));
      }
    }
    return task;
  }

  void Start(On& on) {
    if (begun_ == kTasksMax) return;
    Record& record = records_[begun_++];
    for (Life* life : {&record.input, &record.result, &record.completion,
                       &record.frame, &record.listener}) {
      life->schedule = &s_;
    }
    record.completion.home = record.frame.home = record.listener.home = &home_;
    Task task = Compose(on, record);
    auto completion = [this, &record, token = Token(record.completion)](
                          On& on, Result result) {
      s_.Check(token.is_here(), "a completion is called before it ends");
      Completed(on, record, result);
    };
    record.in_scope = scope_.has_value() && s_.OneIn(2);
    record.handle = record.in_scope
                        ? std::move(task).Then(*scope_, std::move(completion))
                        : std::move(task).Then(std::move(completion));
    s_.Check(record.outcomes == 0, "a completion is never called by Then()");
  }

  void Completed(On& on, Record& record, const Result& result) {
    s_.world.Note(static_cast<std::uint64_t>(result.status().code()));
    s_.Check(home_.IsHere(), "a completion runs on its loop");
    s_.Check(!record.abandoned, "no completion runs after its scope's end");
    s_.Check(++record.outcomes == 1, "a completion runs once");
    s_.Check(record.frame.IsOver(), "a frame ends before its completion runs");
    s_.Check(!absl::IsDeadlineExceeded(result.status()) || record.has_deadline,
             "nothing exceeds a deadline that it has not");
    s_.Check(!absl::IsCancelled(result.status()) || record.may_be_cancelled,
             "nothing is cancelled unasked");
    record.is_silent = true;
    switch (s_.Choose(8)) {
      case 0:
        return Start(on);
      case 1:
        return Cancel(on);
      case 2:
        return EndScope();
      case 3:
        return Complete(on);
      default:
        return;
    }
  }

  void Cancel(On& on) {
    if (begun_ == 0) return;
    Record& record = records_[s_.Choose(begun_)];
    if (!record.handle.Cancel(on)) return;
    s_.Check(record.pending(), "Cancel() wins only over what is pending");
    record.may_be_cancelled = record.is_silent = true;
  }

  // As another thread would.
  void Ask(Record& record) {
    if (!record.source) return;
    record.may_be_cancelled = true;
    record.source->request_stop();
  }

  void EndScope() {
    if (!scope_) return;
    const auto end = [&](auto&) {
      for (Record& record : Begun()) {
        if (record.in_scope && record.outcomes == 0) record.abandoned = true;
      }
      scope_.reset();
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
      if (s_.OneIn(4)) return;  // Dropped.
      return std::move(completer).Complete(on, Token(record.result));
    }
  }

  void EndExecutor() {
    if (!home_.is_open()) return;
    for (Record& record : Begun()) {
      if (record.outcomes == 0) record.abandoned = true;
    }
    home_.End();
  }

  Schedule& s_;
  std::array<Record, kTasksMax> records_;
  std::size_t begun_ = 0;
  std::optional<TaskScope<Loop>> scope_;
  Home home_;
};

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_COMPOSITIONS_H_
