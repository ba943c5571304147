// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/task.h
//
// QIOTask<E, T> is one asynchronous operation: its result is delivered once,
// on the loop that owns it. Not for work that never blocks: use Post().
//
//   qio::RunInThread(on, [](std::string path) { return ReadFile(path); }, path)
//       .Then(scope, [label](qio::OnLoop<Loop>& on,
//                            absl::StatusOr<std::string> text) {
//         if (text.ok()) label->Set(on, *text);
//       });
//
// QEMU: QIOTask, qio_task_run_in_thread, qio_task_complete,
// qio_task_wait_thread (include/io/task.h).

#ifndef QIO_TASK_H_
#define QIO_TASK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/internal/exception_status.h"
#include "qio/internal/task_block.h"
#include "qio/internal/type_name.h"
#include "qio/internal/worker_context.h"
#include "qio/loop_object.h"
#include "qio/on_loop.h"
#include "qio/progress.h"
#include "qio/reactor.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/stop_token.h"
#include "qio/task_scope.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

struct CancelHook;

namespace internal_task {
struct TaskMaker;

template <class Result, class... Args>
void MakeResult(internal_task_block::TaskBlock* task, Args&&... args);

// In place of its own, the hook of a completer that was dropped on the loop.
CancelHook& DroppedHook() noexcept;

// The result of a completer that was dropped. Also without memory.
absl::Status WasDropped() noexcept;
}  // namespace internal_task

// What a completion receives for a result of type T: StatusOr<T>, or Status
// for void.
template <class T>
using TaskResult = std::conditional_t<
    std::is_void_v<T>, absl::Status,
    absl::StatusOr<std::conditional_t<std::is_void_v<T>, int, T>>>;

// F can be the completion of a task of E with result T.
template <class F, class E, class T>
concept CompletionFor = std::is_invocable_v<F&, OnLoop<E>&, TaskResult<T>>;

template <class E, class T>
class Completer;
template <class E, class T>
class SendableCompleter;

// TaskHandle<E>
//
// For cancelling a task that was started. It may be dropped, copied, and kept
// beyond the end of the task: it never dangles.
template <class E>
class TaskHandle {
 public:
  using qio_sendable = void;  // Stays on its loop.

  TaskHandle() = default;

  // True: the completion will run, once and soon, with Cancelled, and without
  // waiting for the worker, whose late result is dropped. False: the result
  // had won, or the task is long over.
  bool Cancel(OnLoop<E>& on) {  // qio: pass the witness of its loop
    return loop_id_ == internal_reactor::Access::CoreOf(on).id() &&
           task_->generation == generation_ && task_->Cancel();
  }

 private:
  template <class, class>
  friend class QIOTask;
  friend struct internal_task::TaskMaker;

  explicit TaskHandle(internal_task_block::TaskBlock* task) noexcept
      : loop_id_(task->core->id()),
        task_(task),
        generation_(task->generation) {}

  std::uint64_t loop_id_ = 0;
  internal_task_block::TaskBlock* task_ = nullptr;
  std::uint32_t generation_ = 0;
};

// QIOTask<E, T>
//
// Lazy: it starts when it is given its completion, so attaching never races
// with finishing. Loop-bound: it is not Sendable.
//
// A completion is called as completion(on, TaskResult<T>), at most once, only
// on the owning loop and never inside Then(); the result first dies with the
// completion's parameter, then the completion's captures, on the loop.
template <class E, class T>
class [[nodiscard(
    "qio: a QIOTask does nothing until it is given its "
    "completion: .Then(...) or .Wait(on)")]] QIOTask {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using qio_sendable = void;  // Stays on its loop.
  using Result = TaskResult<T>;

  QIOTask(QIOTask&& other) noexcept
      : task_(std::exchange(other.task_, nullptr)) {}
  QIOTask(const QIOTask&) = delete;  // qio: an operation happens once; move it
  QIOTask& operator=(QIOTask other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  // Not started: drops it, inputs and all.
  //
  // Affinity:  owning loop, which checked builds check.
  ~QIOTask() {
    if (task_ == nullptr) return;
    internal_reactor::CheckMayTouch(*task_->core, "a QIOTask");
    task_->DropLazy();
  }

  // QIOTask::Then()
  //
  // Starts the operation; later runs `completion` on the owning loop, unless
  // `scope` is gone by then. Starting is never refused: that there is no
  // thread, or no room in a queue, is an error the completion receives.
  //
  // Affinity:  owning loop: the task was made there and cannot leave.
  // Destroys:  `completion` on the owning loop, also when it never ran; or
  //            where the executor is destroyed.
  // Errors:    to the completion: kCancelled after Cancel(), kUnavailable if
  //            the pool was shut down, kResourceExhausted if its queue is full,
  //            with EAGAIN if there is no thread; what the worker returned or
  //            threw. Throws std::bad_alloc if `completion` is large and there
  //            is no memory; the inputs and `completion` end here then.
  // Cost:      no allocation in steady state.
  template <class Completion>
  TaskHandle<E> Then(Completion completion) && {  // qio: std::move(task).Then()
    return Attach(std::move(completion), nullptr);
  }
  template <class Completion>
  TaskHandle<E> Then(TaskScope<E>& scope, Completion completion) && {
    // A scope whose executor is going away holds no more tasks.
    return Attach(std::move(completion),
                  scope.scope_.core != nullptr ? &scope.scope_.tasks : nullptr);
  }

  // QIOTask::WithDeadline(), WithTimeout()
  //
  // The same task, given up at `deadline`, a std::chrono::steady_clock
  // time_point, or `timeout`, a std::chrono::duration, after it was started: it
  // completes with kDeadlineExceeded then, which says what it was waiting for,
  // and what still runs of it is told that nobody waits.
  //
  // Errors:  throws std::bad_alloc; the task ends here then.
  // Cost:    one task and one timer more; no allocation in steady state.
  template <class TimePoint>
  QIOTask WithDeadline(TimePoint deadline) &&;
  template <class Duration>
  QIOTask WithTimeout(Duration timeout) &&;

  // QIOTask::WithStopToken()
  //
  // The same task, cancelled when somebody, on any thread, asks `token`'s
  // std::stop_source to stop; also if that was before the start. It completes
  // with kCancelled then.
  //
  // Errors:  throws std::bad_alloc; the task ends here then.
  // Cost:    one task more; no allocation in steady state.
  QIOTask WithStopToken(std::stop_token token) &&;

  // QIOTask::On()
  //
  // The same task seen from another loop, on which its completion will run: the
  // result is moved there, and has to be Sendable. To be called, and started,
  // where both loops run; from elsewhere there is RunOn() (qio/hop.h).
  //
  // Errors:  to the completion: Aborted if the first loop's executor ends
  // first.
  //          Throws std::bad_alloc; the task ends here then.
  // Cost:    one task more, and one allocation.
  template <class Other>
  QIOTask<Other, T> On(OnLoop<Other>& on) &&;

  // QIOTask::Wait()
  //
  // Blocks the loop until the worker has returned, and returns its result. No
  // other callback runs meanwhile; mail keeps its order. For start-up and
  // shutdown; a loop that waits serves nobody. QEMU: qio_task_wait_thread.
  //
  // Errors:  kFailedPrecondition if the task needs the loop to turn, which
  //          only those of workers do not, unless somebody listens to their
  //          progress.
  [[nodiscard("qio: it can fail; look at its Status")]]
  Result Wait(OnLoop<E>& on) &&;  // qio: pass the witness of its loop

 private:
  using TaskBlock = internal_task_block::TaskBlock;
  using Access = internal_reactor::Access;

  template <class, class, class>
  friend class ProgressTask;
  friend struct internal_task::TaskMaker;

  explicit QIOTask(TaskBlock* task) noexcept : task_(task) {}

  template <class Completion>
  TaskHandle<E> Attach(Completion&& completion, internal_reactor::Link* list);

  TaskBlock* task_;
};

// ProgressTask<E, T, P>
//
// The task of a worker that takes a Progress<P>: a QIOTask to which can be said
// who hears of its progress. Without that nobody does.
template <class E, class T, class P>
class [[nodiscard(
    "qio: a QIOTask does nothing until it is given its "
    "completion: .Then(...) or .Wait(on)")]] ProgressTask
    : public QIOTask<E, T> {
 public:
  // ProgressTask::OnProgress()
  //
  // Has listener(on, P) called on the owning loop with what the worker reports:
  // with the newest only of what came while the loop was busy, and neither
  // after the completion nor after a Cancel().
  //
  // Destroys:  `listener` on the owning loop: when the task has been cancelled,
  //            or its scope has ended, or its completion has.
  // Errors:    throws std::bad_alloc, and what moving `listener` throws.
  template <class Listener>
  QIOTask<E, T> OnProgress(Listener listener) &&;

 private:
  friend struct internal_task::TaskMaker;

  ProgressTask(internal_task_block::TaskBlock* task,
               internal_progress::Delivery<E, P>& delivery) noexcept
      : QIOTask<E, T>(task), delivery_(&delivery) {}

  internal_progress::Delivery<E, P>* delivery_;
};

// RunInThread()
//
// A task that calls worker(args...) on a thread of the executor's workers.
// `worker` captures nothing; its inputs are arguments, moved in, each Sendable,
// and its result is Sendable. A result U or StatusOr<U> reaches the completion
// as StatusOr<U>, void or Status as Status, an exception as kUnknown with its
// type and message.
//
// A worker that can be stopped takes a StopToken (or std::stop_token) before
// its arguments, and one that tells how far it is a Progress<P> (after the
// token, if it takes both); the task is a ProgressTask then. A generic lambda
// is given neither.
//
// Destroys:  the arguments on the worker's thread when it has returned; the
//            result, if nobody wants it any more, on that thread too.
// Errors:    throws std::bad_alloc if there is no memory for the task.
// Cost:      no allocation in steady state; one if it takes a std::stop_token.
template <class E, class Worker, class... Args>
auto RunInThread(OnLoop<E>& on, Worker worker, Args&&... args);

// The same on a lane of the caller's choice: lookups go to Lane::kDns.
template <class E, class Worker, class... Args>
auto RunInLane(OnLoop<E>& on, Lane lane, Worker worker, Args&&... args);

// MakeTask()
//
// A task for an operation that needs no thread: start(on, completer) is called
// inside Then(), and whoever has the Completer<E, T> completes it.
//
//   return qio::MakeTask<int>(on, [this](auto& on, auto completer) {
//     waiting_ = std::move(completer);
//   });
//
// Destroys:  `start` when it has returned, or with a task that never started.
// Errors:    throws std::bad_alloc, and what moving `start` throws. What
// `start`
//            throws reaches the completion as kUnknown; it leaves Then() if the
//            completer is in other hands by then.
template <class T, class E, class Start>
QIOTask<E, T> MakeTask(OnLoop<E>& on, Start start);

// An operation that can be stopped: told when nobody wants its result any
// more, because its task was cancelled or its scope ended. It stops, and lets
// go of its completer, within the call or later. Lives as long as the completer
// that it was given to.
struct CancelHook {
  void (*cancelled)(CancelHook*) noexcept;
};

// One that besides says what its operation waits for now, in words, for what
// reports a task that takes too long. Of another that is the type of what
// started it.
struct DescribedHook : CancelHook {
  std::string (*describe)(const DescribedHook*);
};

// Completer<E, T>
//
// The other end of a task from MakeTask(). Loop-bound; ToSendable() makes of
// it what may leave the loop. Dropped, it completes with kAborted.
template <class E, class T>
class Completer {
 public:
  using qio_sendable = void;  // Stays on its loop.
  using Result = TaskResult<T>;

  Completer(Completer&& other) noexcept
      : task_(std::exchange(other.task_, nullptr)) {}
  Completer(const Completer&) = delete;  // qio: a task completes once; move it
  Completer& operator=(Completer other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~Completer() {
    if (task_ == nullptr) return;
    internal_reactor::CheckMayTouch(*task_->core, "a Completer");
    Drop();
  }

  // Queues the completion, never runs it inline.
  void Complete(OnLoop<E>& on,  // qio: pass the witness of its loop
                Result result) && {
    internal_reactor::CheckSameLoop(on, *task_->core, "a Completer");
    // The operation is over, and what had the hook may be gone when a Cancel()
    // comes before the completion has run.
    SetHook(nullptr);
    auto* task = std::exchange(task_, nullptr);
    internal_task::MakeResult<Result>(task, std::move(result));
    task->PublishOnLoop();
  }
  void Complete(  // qio: a task completes once; move it
      OnLoop<E>&, Result) & = delete;

  // The only form that may leave the loop.
  SendableCompleter<E, T> ToSendable() && noexcept {
    SetHook(nullptr);
    return SendableCompleter<E, T>(std::exchange(task_, nullptr));
  }

  // Has hook.cancelled() called on the loop when the result is not wanted any
  // more; null for nobody. Not after ToSendable().
  void SetCancelHook(OnLoop<E>& on, CancelHook* hook) noexcept {
    internal_reactor::CheckSameLoop(on, *task_->core, "a Completer");
    SetHook(hook);
  }
  void SetCancelHook(OnLoop<E>& on, DescribedHook* hook) noexcept {
    SetCancelHook(on, static_cast<CancelHook*>(hook));
    task_->hook_describes = hook != nullptr;
  }

  // False: the task was cancelled or abandoned; the result will be dropped.
  bool wanted() const noexcept {
    return !task_->skip.load(std::memory_order_relaxed);
  }

 private:
  friend struct internal_task::TaskMaker;

  explicit Completer(internal_task_block::TaskBlock* task) noexcept
      : task_(task) {}

  void SetHook(CancelHook* hook) noexcept {
    // In place of what started the task.
    *static_cast<CancelHook**>(task_->inputs()) = hook;
    task_->hook_describes = false;
  }

  void Drop() noexcept {
    SetHook(&internal_task::DroppedHook());
    auto* task = std::exchange(task_, nullptr);
    internal_task::MakeResult<Result>(task, internal_task::WasDropped());
    task->PublishOnLoop();
  }

  internal_task_block::TaskBlock* task_;
};

// SendableCompleter<E, T>
//
// A Completer that left its loop, and can only post. Dropped, it posts
// kAborted.
//
// Affinity:  any thread.
template <class E, class T>
class SendableCompleter {
  static_assert(internal_sendable::RequireSendableResult<T>::kOk);

 public:
  using qio_sendable = SendableCompleter;
  using Result = TaskResult<T>;

  SendableCompleter(SendableCompleter&& other) noexcept
      : task_(std::exchange(other.task_, nullptr)) {}
  SendableCompleter(  // qio: a task completes once; move it
      const SendableCompleter&) = delete;
  SendableCompleter& operator=(SendableCompleter other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~SendableCompleter() {
    if (task_ == nullptr) return;
    std::move(*this).Post(internal_task::WasDropped());
  }

  template <class... Args>
  void Complete(Args&&...) = delete;  // qio: off its loop, only Post(result)

  // Sends the result to the loop, which runs the completion. If the executor
  // is gone, the result is destroyed here.
  void Post(Result result) && noexcept {
    auto* task = std::exchange(task_, nullptr);
    internal_task::MakeResult<Result>(task, std::move(result));
    task->PublishFromElsewhere();
  }

  // As a Completer's; another thread may learn of it late.
  bool wanted() const noexcept {
    return !task_->skip.load(std::memory_order_relaxed);
  }

 private:
  template <class, class>
  friend class Completer;

  explicit SendableCompleter(internal_task_block::TaskBlock* task) noexcept
      : task_(task) {}

  internal_task_block::TaskBlock* task_;
};

// ---------------------------------------------------------------------------

namespace internal_task {

using internal_reactor::Access;
using internal_task_block::CompletionOps;
using internal_task_block::TaskBlock;
using internal_task_block::TaskOps;
using internal_workers::Work;
using internal_workers::WorkOps;

inline absl::Status WasDropped() noexcept {
  return internal_status::MakeOrCode(absl::StatusCode::kAborted, [] {
    return absl::AbortedError("the operation was dropped without a result");
  });
}

inline CancelHook& DroppedHook() noexcept {
  static constexpr CancelHook kHook{[](CancelHook*) noexcept {}};
  return const_cast<CancelHook&>(kHook);  // Which nobody writes to.
}

constexpr std::size_t RoundUp(std::size_t size, std::size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

// T of the task that a worker returning R makes: U of StatusOr<U>, void of
// Status.
template <class R>
struct ValueOf {
  using Type = R;
};
template <class U>
struct ValueOf<absl::StatusOr<U>> {
  using Type = U;
};
template <>
struct ValueOf<absl::Status> {
  using Type = void;
};
template <>
struct ValueOf<Status> {
  using Type = void;
};

// QIOTask<E, T> for a class that is or derives from one, else void.
template <class E, class T>
std::type_identity<QIOTask<E, T>> TaskOf(const QIOTask<E, T>*);
std::type_identity<void> TaskOf(const volatile void*);
template <class A>
using TaskIn = typename decltype(TaskOf(
    static_cast<std::remove_cvref_t<A>*>(nullptr)))::type;

template <class Task>
struct PartsOf;
template <class E, class T>
struct PartsOf<QIOTask<E, T>> {
  using Executor = E;
  using Value = T;
};

// Where the result of a task is: at the start of the payload, if it leaves room
// there for two pointers and some of the completion, else of the spill.
template <class Result>
struct ResultPlace {
  static constexpr bool kSpills =
      sizeof(Result) > TaskBlock::kPayloadSize / 2 ||
      alignof(Result) > TaskBlock::kPayloadAlignment;
  // What of the payload is taken by it.
  static constexpr std::size_t kEnd =
      kSpills ? 0 : RoundUp(sizeof(Result), sizeof(void*));

  static void* At(TaskBlock* task) noexcept {
    if constexpr (kSpills) {
      return *std::launder(reinterpret_cast<void**>(task->payload));
    } else {
      return task->payload;
    }
  }
  static Result& Get(TaskBlock* task) noexcept {
    return *std::launder(static_cast<Result*>(At(task)));
  }
};

template <class Result, class... Args>
void MakeResult(TaskBlock* task, Args&&... args) {
  ::new (ResultPlace<Result>::At(task)) Result(std::forward<Args>(args)...);
  task->has_result = true;
}

// Where the inputs are: behind the result in the payload, if that leaves room
// for a pointer to the completion, else in the spill, of which the payload has
// the address. `State`, if there is one, is behind them in the spill.
template <class In, class Result, class State = void>
struct Layout {
  using ResultPlace = internal_task::ResultPlace<Result>;

  static constexpr bool kHasState = !std::is_void_v<State>;

  static constexpr std::size_t kPayloadInputAt =
      RoundUp(ResultPlace::kEnd, alignof(In));
  static constexpr bool kSpills =
      kHasState || ResultPlace::kSpills ||
      alignof(In) > TaskBlock::kPayloadAlignment ||
      kPayloadInputAt + sizeof(In) + sizeof(void*) > TaskBlock::kPayloadSize;
  static constexpr std::size_t kSpillInputAt =
      ResultPlace::kSpills ? RoundUp(sizeof(Result), alignof(In)) : 0;

  static constexpr std::size_t kInputAt =
      kSpills ? kSpillInputAt : kPayloadInputAt;
  static constexpr std::size_t kSpillAt = ResultPlace::kEnd;
  static constexpr std::size_t kSpillStateAt = [] {
    if constexpr (kHasState) {
      return RoundUp(kSpillInputAt + sizeof(In), alignof(State));
    } else {
      return kSpillInputAt + sizeof(In);
    }
  }();
  static constexpr std::size_t kSpillSize = [] {
    if constexpr (kHasState) {
      return kSpillStateAt + sizeof(State);
    } else {
      return kSpills ? kSpillStateAt : std::size_t{0};
    }
  }();
  static constexpr std::size_t kPayloadEnd =
      kSpills ? kSpillAt + sizeof(void*) : kPayloadInputAt + sizeof(In);

  static void* InputAt(TaskBlock* task) noexcept {
    if constexpr (kSpills) {
      return static_cast<std::byte*>(*std::launder(
                 reinterpret_cast<void**>(task->payload + kSpillAt))) +
             kInputAt;
    } else {
      return task->payload + kInputAt;
    }
  }
  static In& Input(TaskBlock* task) noexcept {
    return *std::launder(static_cast<In*>(InputAt(task)));
  }
  static void* StateAt(TaskBlock* task) noexcept {
    return static_cast<std::byte*>(task->spill()) + kSpillStateAt;
  }

  static constexpr void SetPlaces(TaskOps& ops) {
    ops.spill_size = kSpillSize;
    ops.input_at = kInputAt;
    ops.spill_at = kSpillAt;
    ops.payload_end = kPayloadEnd;
  }
};

// Where the completion C of a task with this result is: at the end of the
// payload, or in a block of its own that the last bytes of the payload point
// to.
template <class E, class Result, class C>
struct CompletionPlace {
  static constexpr std::size_t kLastPointerAt =
      TaskBlock::kPayloadSize - sizeof(void*);
  static constexpr bool kMayFit =
      alignof(C) <= TaskBlock::kPayloadAlignment && sizeof(C) <= kLastPointerAt;
  static constexpr std::size_t kAt =
      kMayFit ? (TaskBlock::kPayloadSize - sizeof(C)) / alignof(C) * alignof(C)
              : 0;

  // Returns what can be done with it.
  static const CompletionOps& Make(TaskBlock* task, C&& completion) {
    if constexpr (kMayFit) {
      if (task->ops->payload_end <= kAt) {
        ::new (static_cast<void*>(task->payload + kAt))
            C(std::move(completion));
        return kOps<false>;
      }
    }
    C* spilled = internal_block_pool::New<C>(task->core->blocks(),
                                             std::move(completion));
    ::new (static_cast<void*>(task->payload + kLastPointerAt)) C*(spilled);
    return kOps<true>;
  }

  template <bool kSpilled>
  static C* Get(TaskBlock* task) noexcept {
    if constexpr (kSpilled) {
      return *std::launder(
          reinterpret_cast<C**>(task->payload + kLastPointerAt));
    } else {
      return std::launder(reinterpret_cast<C*>(task->payload + kAt));
    }
  }

  template <bool kSpilled>
  [[gnu::always_inline]] static void Finish(TaskBlock* task, void* on,
                                            const absl::Status* instead) {
    struct End {
      ~End() {
        Drop<kSpilled>(task);
        if (has_result) std::destroy_at(&ResultPlace<Result>::Get(task));
      }
      TaskBlock* task;
      bool has_result;
    } end{task, instead == nullptr};
    C& completion = *Get<kSpilled>(task);
    OnLoop<E>& witness = *static_cast<OnLoop<E>*>(on);
    Access::Calling<C>(task->reactor());
    if (instead != nullptr) {
      completion(witness, Result(*instead));
    } else {
      completion(witness, std::move(ResultPlace<Result>::Get(task)));
    }
  }

  template <bool kSpilled>
  static void Drop(TaskBlock* task) noexcept {
    if constexpr (kSpilled) {
      internal_block_pool::Delete(task->core->blocks(), Get<true>(task));
    } else {
      std::destroy_at(Get<false>(task));
    }
  }

  template <bool kSpilled>
  static constexpr CompletionOps kOps{&Finish<kSpilled>, &Drop<kSpilled>,
                                      &TaskBlock::OnMail<&Finish<kSpilled>>};
};

// The task that runs Worker on a thread.
template <class E, class Worker, class... Args>
struct WorkerTask {
  using Context = internal_worker_context::Context<Worker>;
  using Call =
      internal_worker_context::Call<Worker, typename Context::Lead, Args...>;
  using Returned = typename Call::Result::type;
  using T = typename ValueOf<Returned>::Type;
  using Result = TaskResult<T>;

  struct Inputs {
    [[no_unique_address]] Worker worker;
    [[no_unique_address]] std::tuple<Args...> args;
  };
  static constexpr bool kHasState =
      Context::kHasStopSource || Context::kHasProgress;
  using State =
      std::conditional_t<kHasState, internal_worker_context::State<E, Context>,
                         void>;
  using Place = Layout<Inputs, Result, State>;

  // ---- Worker thread.

  static void Run(Work* work) noexcept {
    TaskBlock* task = TaskBlock::FromWork(work);
    // The inputs end when the worker has returned, before anybody knows.
    struct EndInputs {
      ~EndInputs() { DropInputs(task); }
      TaskBlock* task;
    };
    if (task->skip.load(std::memory_order_relaxed)) {
      DropInputs(task);
      return;
    }
#if defined(__cpp_exceptions)
    try {
      EndInputs end{task};
      CallWorker(task);
    } catch (...) {
      MakeResult<Result>(
          task, internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
            return internal_exception_status::CurrentException("the worker");
          }));
    }
#else
    EndInputs end{task};
    CallWorker(task);
#endif
    // Nobody wants it any more: it dies here, not on the loop (TK-23).
    if (task->skip.load(std::memory_order_relaxed)) task->DropResult();
  }

  static void CallWorker(TaskBlock* task) {
    Inputs& in = Place::Input(task);
    auto lead = MakeLead(task);
    std::apply(
        [&](auto&... first) {
          std::apply(
              [&](Args&... args) {
                if constexpr (std::is_void_v<Returned>) {
                  in.worker(std::move(first)..., std::move(args)...);
                  MakeResult<Result>(task, absl::OkStatus());
                } else {
                  MakeResult<Result>(
                      task, in.worker(std::move(first)..., std::move(args)...));
                }
              },
              in.args);
        },
        lead);
  }

  static typename Context::Lead MakeLead(TaskBlock* task);

  static void Publish(Work* work) noexcept {
    TaskBlock::FromWork(work)->PublishFromElsewhere();
  }

  static void Refuse(Work* work, const absl::Status& why) noexcept {
    TaskBlock* task = TaskBlock::FromWork(work);
    DropInputs(task);
    MakeResult<Result>(task, why);
    task->PublishFromElsewhere();
  }

  static void DropInputs(TaskBlock* task) noexcept {
    std::destroy_at(&Place::Input(task));
  }
  static void DropResult(TaskBlock* task) noexcept {
    std::destroy_at(&ResultPlace<Result>::Get(task));
  }

  // ---- Owning loop.

  static void MakeState(TaskBlock* task) {
    if constexpr (kHasState) {
      auto* state = ::new (Place::StateAt(task)) State(*task->core);
      if constexpr (Context::kHasStopSource) state->stop = std::stop_source();
    }
  }
  static auto& GetState(TaskBlock* task) noexcept {
    return *std::launder(static_cast<State*>(Place::StateAt(task)));
  }
  static void GiveUp(TaskBlock* task) noexcept { GetState(task).GiveUp(); }
  static void EndState(TaskBlock* task) noexcept {
    std::destroy_at(&GetState(task));
  }
  static std::string Describe(const TaskBlock*) {
    return internal_type_name::Of<Worker>();
  }

  static constexpr WorkOps kWorkOps{&Run, &Publish, &Refuse,
                                    internal_type_name::Spelled<Worker>()};
  static constexpr TaskOps MakeOps() {
    TaskOps ops{};
    ops.work = &kWorkOps;
    ops.drop_inputs = &DropInputs;
    ops.drop_result = &DropResult;
    ops.describe = &Describe;
    if constexpr (kHasState) {
      ops.give_up = &GiveUp;
      ops.end_state = &EndState;
    }
    Place::SetPlaces(ops);
    return ops;
  }
  static constexpr TaskOps kOps = MakeOps();
};

// The task whose result comes through a Completer.
template <class E, class T, class S>
struct CompleterTask {
  using Result = TaskResult<T>;

  // First what starts it, then whom to tell when it is not wanted.
  union Inputs {
    explicit Inputs(S&& s) : start(std::move(s)) {}
    ~Inputs() {}
    S start;
    CancelHook* hook;
  };
  using Place = Layout<Inputs, Result>;

  static void Start(TaskBlock* task);

  static void DropInputs(TaskBlock* task) noexcept {
    std::destroy_at(&Place::Input(task).start);
  }
  static void DropResult(TaskBlock* task) noexcept {
    std::destroy_at(&ResultPlace<Result>::Get(task));
  }
  static void GiveUp(TaskBlock* task) noexcept {
    CancelHook* hook = std::exchange(Place::Input(task).hook, nullptr);
    if (hook != nullptr) hook->cancelled(hook);
  }
  // Of one that was started.
  static std::string Describe(const TaskBlock* task) {
    if (!task->hook_describes) return internal_type_name::Of<S>();
    const auto* hook = static_cast<const DescribedHook*>(
        Place::Input(const_cast<TaskBlock*>(task)).hook);
    return hook->describe(hook);
  }

  static constexpr TaskOps MakeOps() {
    TaskOps ops{};
    ops.start = &Start;
    ops.drop_inputs = &DropInputs;
    ops.drop_result = &DropResult;
    ops.give_up = &GiveUp;
    ops.describe = &Describe;
    Place::SetPlaces(ops);
    return ops;
  }
  static constexpr TaskOps kOps = MakeOps();
};

template <class Worker>
struct RequireWorker {
  static_assert(
      std::is_empty_v<Worker> ||
          (std::is_pointer_v<Worker> &&
           std::is_function_v<std::remove_pointer_t<Worker>>),
      "qio: a worker captures nothing; pass what it needs as arguments: "
      "RunInThread(on, [](std::string s) { ... }, s)");
  static constexpr bool kOk = true;
};

// Makes tasks, completers and what workers are given, whose constructors nobody
// else may call, and reaches the task of a handle.
struct TaskMaker {
  template <class E, class T>
  static QIOTask<E, T> MakeQIOTask(TaskBlock* task) noexcept {
    return QIOTask<E, T>(task);
  }
  template <class E, class T>
  static Completer<E, T> MakeCompleter(TaskBlock* task) noexcept {
    return Completer<E, T>(task);
  }
  template <class E, class T, class P>
  static ProgressTask<E, T, P> MakeProgressTask(
      TaskBlock* task, internal_progress::Delivery<E, P>& delivery) noexcept {
    return ProgressTask<E, T, P>(task, delivery);
  }
  static StopToken MakeStopToken(const TaskBlock& task) noexcept {
    return StopToken(task.skip);
  }
  template <class P>
  static Progress<P> MakeProgress(internal_progress::Cell<P>& cell) noexcept {
    return Progress<P>(cell);
  }

  // The witness of its loop, or null if that is gone. Owning loop.
  template <class E, class T>
  static OnLoop<E>* WitnessOf(const QIOTask<E, T>& task) noexcept {
    internal_reactor::CheckMayTouch(*task.task_->core, "a QIOTask");
    const Reactor* reactor = task.task_->core->reactor();
    return reactor != nullptr
               ? static_cast<OnLoop<E>*>(Access::witness(*reactor))
               : nullptr;
  }

  // Null if it is over, or was never started. Owning loop, while the executor
  // lives.
  template <class E>
  static TaskBlock* PendingTask(const TaskHandle<E>& handle) noexcept {
    TaskBlock* task = handle.task_;
    return task != nullptr && task->generation == handle.generation_ &&
                   task->is_pending()
               ? task
               : nullptr;
  }
  // Destroys the completion, which will not run, and tells the operation.
  template <class E>
  static void Abandon(const TaskHandle<E>& handle) noexcept {
    if (TaskBlock* task = PendingTask(handle)) task->Abandon();
  }
  // What it waits for, in words.
  template <class E>
  static std::string Describe(const TaskHandle<E>& handle) {
    const TaskBlock* task = PendingTask(handle);
    return task != nullptr ? task->ops->describe(task) : std::string();
  }
};

template <class E, class Worker, class... Args>
auto WorkerTask<E, Worker, Args...>::MakeLead(TaskBlock* task) ->
    typename Context::Lead {
  const auto token = [task] {
    (void)task;
    if constexpr (Context::kHasStopSource) {
      return std::tuple(GetState(task).stop.get_token());
    } else if constexpr (!std::is_void_v<typename Context::Token>) {
      return std::tuple(TaskMaker::MakeStopToken(*task));
    } else {
      return std::tuple();
    }
  };
  const auto progress = [task] {
    (void)task;
    if constexpr (Context::kHasProgress) {
      return std::tuple(TaskMaker::MakeProgress<typename Context::Value>(
          GetState(task).delivery));
    } else {
      return std::tuple();
    }
  };
  return std::tuple_cat(token(), progress());
}

// A new task with `inputs`; if those throw, there is none. `make_state` makes
// what else the task has, and may throw once that is there.
template <class Place, class Inputs, class MakeState, class... Args>
TaskBlock* NewTaskWith(Reactor& reactor, const TaskOps& ops,
                       MakeState make_state, Args&&... args) {
  struct Guard {
    ~Guard() {
      if (task != nullptr) task->Discard();
    }
    TaskBlock* task;
  } guard{TaskBlock::New(reactor, ops)};
  make_state(guard.task);
  ::new (Place::InputAt(guard.task)) Inputs{std::forward<Args>(args)...};
  return std::exchange(guard.task, nullptr);
}
template <class Place, class Inputs, class... Args>
TaskBlock* NewTask(Reactor& reactor, const TaskOps& ops, Args&&... args) {
  return NewTaskWith<Place, Inputs>(
      reactor, ops, [](TaskBlock*) {}, std::forward<Args>(args)...);
}

template <class E, class T, class S>
void CompleterTask<E, T, S>::Start(TaskBlock* task) {
  Inputs& in = Place::Input(task);
  S start = std::move(in.start);
  std::destroy_at(&in.start);
  ::new (static_cast<void*>(&in.hook)) CancelHook*(nullptr);
  OnLoop<E>& on = *static_cast<OnLoop<E>*>(Access::witness(task->reactor()));
#if defined(__cpp_exceptions)
  try {
    start(on, TaskMaker::MakeCompleter<E, T>(task));
  } catch (...) {
    // If its completer went with it, the exception is the result.
    if (*static_cast<CancelHook**>(task->inputs()) != &DroppedHook()) throw;
    task->DropResult();
    MakeResult<Result>(
        task, internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
          return internal_exception_status::CurrentException("the operation");
        }));
  }
#else
  start(on, TaskMaker::MakeCompleter<E, T>(task));
#endif
}

}  // namespace internal_task

// Inlined: most completions are lambdas, and have a function of their own here
// that is called in one place.
template <class E, class T>
template <class Completion>
[[gnu::always_inline]] inline TaskHandle<E> QIOTask<E, T>::Attach(
    Completion&& completion, internal_reactor::Link* list) {
  static_assert(CompletionFor<Completion, E, T>,
                "qio: a completion is called as completion(on, result): let it "
                "take an OnLoop<E>& of the task's own loop, then "
                "absl::StatusOr<T>, or absl::Status for void");
  internal_reactor::CheckMayTouch(*task_->core, "a QIOTask");
  Reactor* const reactor = task_->core->reactor();
  TaskHandle<E> handle;
  // The executor is gone: neither starts, and both end here.
  if (reactor == nullptr) return handle;
  using Place = internal_task::CompletionPlace<E, Result, Completion>;
  // Those of now: it may have been made when there were others.
  Workers* const workers =
      task_->is_worker() ? &Access::workers(*reactor, task_->lane) : nullptr;
  const auto& ops = Place::Make(task_, std::move(completion));
  TaskBlock* const task = std::exchange(task_, nullptr);
  task->completion_ops = &ops;
  handle = TaskHandle<E>(task);
  task->Start(*reactor, list != nullptr ? *list : Access::tasks_list(*reactor),
              workers);
  return handle;
}

template <class E, class T>
TaskResult<T> QIOTask<E, T>::Wait(  // qio: pass the witness of its loop
    OnLoop<E>& on) && {
  internal_reactor::CheckSameLoop(on, *task_->core, "a QIOTask");
  if (!task_->is_worker() || task_->needs_turns) {
    return absl::FailedPreconditionError(
        "Wait() would wait for ever: the task needs its loop to turn");
  }
  std::optional<Result> result;
  TaskBlock* const task = task_;
  Attach([&result](OnLoop<E>&, Result r) { result.emplace(std::move(r)); },
         nullptr);
  Access::AwaitMail(Access::Of(on), task->mail);
  return *std::move(result);
}

template <class E, class Worker, class... Args>
auto RunInThread(OnLoop<E>& on,  // qio: pass the witness of its loop
                 Worker worker, Args&&... args) {
  return RunInLane(on, Lane::kDefault, std::move(worker),
                   std::forward<Args>(args)...);
}

template <class E, class Worker, class... Args>
auto RunInLane(OnLoop<E>& on, Lane lane, Worker worker, Args&&... args) {
  static_assert(internal_executor::RequireExecutor<E>::kOk);
  static_assert(internal_task::RequireWorker<Worker>::kOk);
  static_assert(
      (internal_sendable::RequireSendableArgument<std::decay_t<Args>>::kOk &&
       ...));
  static_assert(
      !std::is_invocable_v<Worker&, OnLoop<E>&, std::decay_t<Args>...>,
      "qio: a worker never gets the loop; what it returns is the completion's");
  using Context = internal_worker_context::Context<Worker>;
  static_assert(
      internal_worker_context::Call<Worker, typename Context::Lead,
                                    std::decay_t<Args>...>::kIsPossible,
      "qio: the worker cannot be called with these arguments, moved in");
  using Task = internal_task::WorkerTask<E, Worker, std::decay_t<Args>...>;
  static_assert(
      internal_sendable::RequireSendableResult<typename Task::Returned>::kOk);
  Reactor& reactor = internal_reactor::Access::Of(on);
  auto* task =
      internal_task::NewTaskWith<typename Task::Place, typename Task::Inputs>(
          reactor, Task::kOps, &Task::MakeState, std::move(worker),
          std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...));
  task->lane = lane;
  if constexpr (Context::kHasProgress) {
    return internal_task::TaskMaker::MakeProgressTask<E, typename Task::T>(
        task, Task::GetState(task).delivery);
  } else {
    return internal_task::TaskMaker::MakeQIOTask<E, typename Task::T>(task);
  }
}

template <class E, class T, class P>
template <class Listener>
QIOTask<E, T> ProgressTask<E, T, P>::OnProgress(Listener listener) && {
  static_assert(std::is_invocable_v<Listener&, OnLoop<E>&, P>,
                "qio: progress is told as listener(on, value): let it take an "
                "OnLoop<E>& of the task's own loop, then the P of the worker's "
                "Progress<P>");
  internal_reactor::LoopCore& core = *this->task_->core;
  internal_reactor::CheckMayTouch(core, "a QIOTask");
  if (core.reactor() != nullptr) {
    this->task_->needs_turns = true;
    delivery_->Listen(internal_loop_object::LoopFunction<E, P>(
        *static_cast<OnLoop<E>*>(
            internal_reactor::Access::witness(*core.reactor())),
        std::move(listener)));
  }
  return std::move(*this);
}

template <class T, class E, class Start>
QIOTask<E, T> MakeTask(OnLoop<E>& on, Start start) {
  static_assert(internal_executor::RequireExecutor<E>::kOk);
  static_assert(std::is_invocable_v<Start&, OnLoop<E>&, Completer<E, T>>,
                "qio: MakeTask(on, start) calls start(on, completer): let it "
                "take an OnLoop<E>& of the same loop and a Completer<E, T>");
  using Task = internal_task::CompleterTask<E, T, Start>;
  Reactor& reactor = internal_reactor::Access::Of(on);
  auto* task =
      internal_task::NewTask<typename Task::Place, typename Task::Inputs>(
          reactor, Task::kOps, std::move(start));
  return internal_task::TaskMaker::MakeQIOTask<E, T>(task);
}

}  // namespace qio::inline QIO_ABI

// What defines the rest of QIOTask.
#include "qio/hop.h"  // IWYU pragma: export
#include "qio/internal/with_deadline.h"
#include "qio/internal/with_stop_token.h"

#endif  // QIO_TASK_H_
