// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// QIOTasks whose workers are on another thread, against cancelling them, the
// end of their scope, the end of their executor, and a block that is used
// again: each completion runs at most once (TK-01) and knows who won (TK-07),
// what the worker wrote is seen (TK-05), and the worker's last touch is its
// post (TK-10).

#include "qio/models/loop_model.h"
//
#include "qio/task.h"
#include "qio/task_scope.h"
#include "qio/workers.h"

namespace models {
namespace {

using qio::internal_workers::Work;

// What a pool does, without the pool: hands pieces of work to other threads.
class Desk final : public qio::Workers {
 public:
  void Submit(Work* first) noexcept override {
    std::unique_lock lock(mutex_);
    (last_ == nullptr ? first_ : last_->next) = first;
    for (last_ = first; last_->next != nullptr;) last_ = last_->next;
    changed_.notify_all();
  }
  std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point) override {
    std::unique_lock lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
    return {};
  }

  // Null when there will be none.
  Work* Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return first_ != nullptr || is_closed_; });
    Work* work = first_;
    if (work == nullptr) return nullptr;
    first_ = work->next;
    if (first_ == nullptr) last_ = nullptr;
    return work;
  }

  // Worker threads.
  void Main() {
    while (Work* work = Take()) {
      work->ops->run(work);
      work->ops->publish(work);
      if (IsPlanted("a worker that touches its task after the post")) {
        auto* task = qio::internal_task_block::TaskBlock::FromWork(work);
        (void)task->skip.load(std::memory_order_relaxed);
      }
    }
  }

 private:
  Mutex mutex_;
  ConditionVariable changed_;
  Work* first_ = nullptr;
  Work* last_ = nullptr;
  bool is_closed_ = false;
};

// Thread 0 is the loop, the other one works.
template <class M>
struct Tasks : Model<M, 2> {
  void before() {
    Letter::alive = 0;
    desk = std::make_shared<Desk>();
    loop = Loop::Create();
    (void)loop->Enter([&](Loop::On& on) { loop->UseWorkers(on, desk); });
  }
  void thread(unsigned index) {
    if (index != 0) {
      desk->Main();
      return;
    }
    static_cast<M*>(this)->Run();
    loop.reset();
    (void)desk->Shutdown({});
  }
  void after() {
    Expect(Letter::alive == 0, "each input and result has ended, once");
    static_cast<M*>(this)->Check();
  }

  static Letter Answer(Letter question) {
    Expect(question.Read() == question.number(), "the inputs are seen");
    return Letter(question.number() + 1);
  }

  // What a completion was told.
  struct Told {
    int results = 0;
    int cancelled = 0;
  };
  auto Tell(Told& told, int question) {
    return [&told, question, captured = Letter(9)](
               Loop::On&, absl::StatusOr<Letter> answer) {
      if (answer.ok()) {
        Expect(answer->Read() == question + 1, "what the worker wrote is seen");
        ++told.results;
      } else {
        Expect(absl::IsCancelled(answer.status()), "nothing else goes wrong");
        ++told.cancelled;
      }
    };
  }

  std::shared_ptr<Desk> desk;
  std::unique_ptr<Loop> loop;
};

// Cancelled while the worker is at it; then the block is used again.
struct Cancelling : Tasks<Cancelling> {
  static constexpr int kPreemptionsMax = 3;

  void Run() {
    qio::TaskHandle<Loop> handle;
    (void)loop->Enter([&](Loop::On& on) {
      handle = qio::RunInThread(on, &Answer, Letter(1)).Then(Tell(first, 1));
    });
    loop->RunOnceAndPark();
    (void)loop->Enter([&](Loop::On& on) { had_won = !handle.Cancel(on); });
    loop->RunUntilIdle();
    (void)loop->Enter([&](Loop::On& on) {
      (void)qio::RunInThread(on, &Answer, Letter(3)).Then(Tell(second, 3));
      Expect(!handle.Cancel(on), "it is another task now");
    });
    loop->RunUntilIdle();
  }

  void Check() {
    Expect(first.results == had_won && first.cancelled == !had_won,
           "the completion ran once, and as Cancel() said");
    Expect(second.results == 1 && second.cancelled == 0, "so did the next");
  }

  bool had_won = false;
  Told first, second;
};

// The scope ends while the worker is at it; another task is started at once.
struct Abandoning : Tasks<Abandoning> {
  static constexpr int kPreemptionsMax = 3;

  void Run() {
    (void)loop->Enter([&](Loop::On& on) {
      scope.emplace(on);
      (void)qio::RunInThread(on, &Answer, Letter(1))
          .Then(*scope, Tell(first, 1));
    });
    loop->RunOnceAndPark();
    (void)loop->Enter([&](Loop::On& on) {
      results_before = first.results;
      scope.reset();
      (void)qio::RunInThread(on, &Answer, Letter(3)).Then(Tell(second, 3));
    });
    loop->RunUntilIdle();
  }

  void Check() {
    Expect(first.results == results_before && first.cancelled == 0,
           "no completion after the end of its scope");
    Expect(second.results == 1 && second.cancelled == 0, "the other one ran");
  }

  std::optional<qio::TaskScope<Loop>> scope;
  int results_before = 0;
  Told first, second;
};

// The executor goes away while the worker is at it, or has not begun.
struct Leaving : Tasks<Leaving> {
  static constexpr int kPreemptionsMax = 4;

  void Run() {
    (void)loop->Enter([&](Loop::On& on) {
      (void)qio::RunInThread(on, &Answer, Letter(1)).Then(Tell(first, 1));
      (void)qio::RunInThread(on, &Answer, Letter(3)).Then(Tell(second, 3));
    });
    loop->RunOnceAndPark();
  }

  void Check() {
    Expect(first.results <= 1 && first.cancelled == 0, "at most once");
    Expect(second.results <= 1 && second.cancelled == 0, "at most once");
  }

  Told first, second;
};

BOOST_AUTO_TEST_SUITE(TaskModel)

BOOST_AUTO_TEST_CASE(Tk07_CancelAgainstFinish) {
  ExpectNothingFound<Cancelling>("Cancelling");
}

BOOST_AUTO_TEST_CASE(Tk08_ScopeAgainstFinish) {
  ExpectNothingFound<Abandoning>("Abandoning");
}

BOOST_AUTO_TEST_CASE(Tk10_ExecutorAgainstFinish) {
  ExpectNothingFound<Leaving>("Leaving");
}

BOOST_AUTO_TEST_CASE(TouchingATaskAfterThePostIsFound) {
  ExpectFound<Leaving>(
      "Leaving",
      {Planted::Kind::kOther, "a worker that touches its task after the post"},
      rl::test_result_access_to_freed_memory);
}

// The result would be torn (TK-05).
BOOST_AUTO_TEST_CASE(PostingRelaxedIsFound) {
  ExpectFound<Cancelling>(
      "Cancelling",
      {Planted::Kind::kWeaker, "Mailbox::Push", std::memory_order_release},
      rl::test_result_data_race);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace models
