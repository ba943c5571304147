// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/coro.h
//
// Coroutines. Any coroutine may co_await a QIOTask, unless its own type forbids
// it, and goes on where the completion would have run, on the owning loop:
//
//   absl::StatusOr<std::string> text =
//       co_await qio::RunInThread(on, &ReadFile, path);
//
// Coro<E, T> is a coroutine that belongs to a loop: a QIOTask that is written
// as a function. It takes the witness of its loop, and since it never runs
// anywhere else it may keep it:
//
//   qio::Coro<Loop, int> CountLines(qio::OnLoop<Loop>& on, std::string path) {
//     absl::StatusOr<std::string> text =
//         co_await qio::RunInThread(on, &ReadFile, path);
//     if (!text.ok()) co_return text.status();
//     co_return std::count(text->begin(), text->end(), '\n');
//   }
//
//   CountLines(on, path).WithTimeout(std::chrono::seconds(5)).Then(scope, ...);
//
// Parameters are copied into its frame: take values, not views. A lambda's
// captures are not; a lambda that is a coroutine captures nothing.

#ifndef QIO_CORO_H_
#define QIO_CORO_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/executor.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {

template <class E, class T>
class Coro;

namespace internal_coro {

using internal_reactor::Access;
using internal_reactor::LoopCore;
using internal_task::PartsOf;
using internal_task::TaskIn;
using internal_task::TaskMaker;

// Waits for a task in any coroutine. If the coroutine ends while it waits, so
// does the task; if the loop does, the coroutine is never resumed, and whoever
// has it destroys it.
template <class E, class T>
class Awaiter {
 public:
  explicit Awaiter(QIOTask<E, T>&& task) noexcept : task_(std::move(task)) {}
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;
  ~Awaiter() {
    if (is_waiting_) TaskMaker::Abandon(handle_);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    handle_ = std::move(task_).Then(Resume(*this));
  }
  [[nodiscard("qio: it can fail; look at its Status")]]
  TaskResult<T> await_resume() {
    return *std::move(result_);
  }

  const TaskHandle<E>& handle() const noexcept { return handle_; }

 private:
  // The completion. It knows whether it still exists.
  class Resume {
   public:
    explicit Resume(Awaiter& awaiter) noexcept : awaiter_(&awaiter) {
      awaiter.is_waiting_ = true;
    }
    Resume(Resume&& other) noexcept
        : awaiter_(std::exchange(other.awaiter_, nullptr)) {}
    ~Resume() {
      if (awaiter_ != nullptr) awaiter_->is_waiting_ = false;
    }

    void operator()(OnLoop<E>&, TaskResult<T> result) {
      Awaiter& awaiter = *std::exchange(awaiter_, nullptr);
      awaiter.is_waiting_ = false;
      awaiter.result_.emplace(std::move(result));
      awaiter.coroutine_.resume();
    }

   private:
    Awaiter* awaiter_;
  };

  QIOTask<E, T> task_;
  TaskHandle<E> handle_;
  std::coroutine_handle<> coroutine_;
  std::optional<TaskResult<T>> result_;
  bool is_waiting_ = false;
};

template <class...>
inline constexpr bool kNever = false;

// A frame, in a block of its loop's memory, with the loop's core behind it. If
// the executor is gone, the block stays with the core.
inline void* NewFrame(Reactor& reactor, std::size_t size) {
  void* frame = internal_reactor::HoldBlock(reactor, size + sizeof(LoopCore*));
  LoopCore* core = Access::core(reactor);
  std::memcpy(static_cast<std::byte*>(frame) + size, &core, sizeof core);
  return frame;
}
inline void DeleteFrame(void* frame, std::size_t size) noexcept {
  LoopCore* core;
  std::memcpy(&core, static_cast<std::byte*>(frame) + size, sizeof core);
  internal_reactor::ReleaseBlock(*core, frame, size + sizeof(LoopCore*));
}

template <class E, class T>
class Promise : private DescribedHook {
  static_assert(internal_executor::RequireExecutor<E>::kOk);

 public:
  using Handle = std::coroutine_handle<Promise>;

  // Of a function, of a member function or lambda, and of what is neither.
  template <class... Args>
  explicit Promise(OnLoop<E>& on, Args&...) noexcept
      : Promise(&Access::CoreOf(on)) {}
  template <class This, class... Args>
    requires(!std::is_same_v<std::remove_cv_t<This>, OnLoop<E>>)
  Promise(This&, OnLoop<E>& on, Args&...) noexcept
      : Promise(&Access::CoreOf(on)) {}
  template <class... Args>
  explicit Promise(Args&...) noexcept {
    static_assert(kNever<Args...>,
                  "qio: a Coro takes the witness of its loop first: "
                  "Coro<E, T> F(OnLoop<E>& on, ...)");
  }
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;

  // All inline, or g++ 12 warns that a template and what is none are a pair.
  template <class... Args>
  [[gnu::always_inline]] static void* operator new(std::size_t size,
                                                   OnLoop<E>& on, Args&...) {
    return NewFrame(Access::Of(on), size);
  }
  template <class This, class... Args>
    requires(!std::is_same_v<std::remove_cv_t<This>, OnLoop<E>>)
  [[gnu::always_inline]] static void* operator new(std::size_t size, This&,
                                                   OnLoop<E>& on, Args&...) {
    return NewFrame(Access::Of(on), size);
  }
  template <class... Args>
  static void* operator new(std::size_t, Args&...) {
    std::terminate();  // Refused by the constructor.
  }
  [[gnu::always_inline]] static void operator delete(
      void* frame, std::size_t size) noexcept {
    DeleteFrame(frame, size);
  }

  Coro<E, T> get_return_object();
  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept {
    struct End {
      bool await_ready() const noexcept { return false; }
      void await_suspend(Handle self) const noexcept { self.destroy(); }
      void await_resume() const noexcept {}
    };
    return End();
  }

  void return_value(TaskResult<T> result) {
    // Runs when the frame is gone: completions are queued.
    Take().Complete(on(), std::move(result));
  }
  void unhandled_exception() {
#if defined(__cpp_exceptions)
    Take().Complete(
        on(), internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
          return internal_exception_status::CurrentException("the coroutine");
        }));
#else
    std::terminate();
#endif
  }

  template <class Awaited>
  auto await_transform(Awaited&& awaited, std::source_location where =
                                              std::source_location::current()) {
    using Task = TaskIn<Awaited>;
    static_assert(!std::is_void_v<Task>,
                  "qio: a Coro awaits QIOTasks, which resume it on its loop");
    static_assert(std::is_rvalue_reference_v<Awaited&&>,
                  "qio: a task happens once; co_await std::move(task)");
    using Parts = PartsOf<Task>;
    static_assert(std::is_same_v<typename Parts::Executor, E>,
                  "qio: this task belongs to another loop; hop with "
                  "std::move(task).On(on)");
    where_ = where;
    return Await<typename Parts::Value>(std::move(awaited), *this);
  }

 private:
  friend class Coro<E, T>;

  // As Awaiter, and knows whether the coroutine may be destroyed.
  template <class U>
  class Await : private Awaiter<E, U> {
   public:
    Await(QIOTask<E, U>&& task, Promise& promise) noexcept
        : Awaiter<E, U>(std::move(task)), promise_(promise) {}

    using Awaiter<E, U>::await_ready;
    void await_suspend(Handle self) {
      // Nothing is started for somebody who has gone.
      if (!promise_.is_doomed_) {
        promise_.waits_for_ = &this->handle();
        Awaiter<E, U>::await_suspend(self);
      }
      promise_.is_running_ = false;
      // This object is part of what is destroyed.
      if (promise_.is_doomed_) self.destroy();
    }
    [[nodiscard("qio: it can fail; look at its Status")]]
    TaskResult<U> await_resume() {
      promise_.is_running_ = true;
      promise_.waits_for_ = nullptr;
      Access::GoingOn(*promise_.core_->reactor(), promise_.where_);
      return Awaiter<E, U>::await_resume();
    }

   private:
    Promise& promise_;
  };

  // What is given to MakeTask(): the frame, until it is started.
  class Start {
   public:
    explicit Start(Handle frame) noexcept : frame_(frame) {}
    Start(Start&& other) noexcept
        : frame_(std::exchange(other.frame_, nullptr)) {}
    ~Start() {
      if (frame_ && frame_.promise().is_owned_) frame_.destroy();
    }
    void operator()(OnLoop<E>& on, Completer<E, T> completer) {
      const Handle frame = std::exchange(frame_, nullptr);
      frame.promise().Begin(on, std::move(completer));
      frame.resume();
    }

   private:
    Handle frame_;
  };

  explicit Promise(LoopCore* core) noexcept : core_(core) {
    cancelled = [](CancelHook* hook) noexcept {
      static_cast<Promise*>(hook)->Stop();
    };
    describe = [](const DescribedHook* hook) {
      return static_cast<const Promise*>(hook)->Describe();
    };
  }

  void Begin(OnLoop<E>& on, Completer<E, T> completer) noexcept {
    completer_ = std::move(completer);
    completer_->SetCancelHook(on, this);
    is_running_ = true;
  }

  // Nobody wants the result any more: the frame ends, now if it is suspended,
  // else where it would be next.
  void Stop() noexcept {
    if (is_running_) {
      is_doomed_ = true;
    } else {
      Handle::from_promise(*this).destroy();
    }
  }

  OnLoop<E>& on() const noexcept {
    return *static_cast<OnLoop<E>*>(Access::witness(*core_->reactor()));
  }

  Completer<E, T> Take() noexcept {
    Completer<E, T> completer = *std::move(completer_);
    completer_.reset();
    return completer;
  }

  std::string Describe() const {
    std::string text = std::string("the coroutine at ") + where_.file_name() +
                       ":" + std::to_string(where_.line());
    if (waits_for_ != nullptr) {
      text += ", which awaits " + TaskMaker::Describe(*waits_for_);
    }
    return text;
  }

  LoopCore* core_ = nullptr;
  std::optional<Completer<E, T>> completer_;
  const TaskHandle<E>* waits_for_ = nullptr;
  std::source_location where_;  // Of the last co_await.
  bool is_owned_ = false;       // By a Start.
  bool is_running_ = false;
  bool is_doomed_ = false;  // Runs, and will not when it suspends.
};

}  // namespace internal_coro

// Lets any coroutine wait for a task; its result is a TaskResult<T>. If the
// coroutine is destroyed while it waits, the task is abandoned. If the executor
// is, the coroutine is not resumed, and stays whoever's it is.
//
// Affinity:  owning loop.
// Cost:      no allocation beyond the coroutine's frame in steady state.
template <class E, class T>
internal_coro::Awaiter<E, T> operator co_await(QIOTask<E, T>&& task) noexcept {
  return internal_coro::Awaiter<E, T>(std::move(task));
}
template <class E, class T>
void operator co_await(  // qio: a task happens once; co_await std::move(task)
    QIOTask<E, T>& task) = delete;

// Coro<E, T>
//
// A QIOTask that is written as a coroutine: lazy, it runs when it is given its
// completion or awaited, on the loop of its witness. It ends with `co_return
// value;`, or a Status: always one if T is void. An exception that leaves it
// becomes kUnknown with its type and message.
//
// Inside, co_await takes tasks of this loop only, and gives their TaskResult.
// Cancelled or abandoned, it is not resumed any more: its frame is destroyed,
// which abandons what it waits for.
//
// Destroys:  its parameters and locals on the owning loop, before its
//            completion runs; or where the executor is destroyed.
// Errors:    calling it throws std::bad_alloc if there is no memory for the
//            frame.
// Cost:      a frame, of recycled memory up to 4 KiB, and a task.
template <class E, class T>
class [[nodiscard(
    "qio: a Coro does nothing until it is awaited, or given its "
    "completion: .Then(...)")]] Coro : public QIOTask<E, T> {
 public:
  using promise_type = internal_coro::Promise<E, T>;

 private:
  friend promise_type;

  explicit Coro(QIOTask<E, T>&& task) noexcept
      : QIOTask<E, T>(std::move(task)) {}
};

// ---------------------------------------------------------------------------

template <class E, class T>
Coro<E, T> internal_coro::Promise<E, T>::get_return_object() {
  Coro<E, T> coro(MakeTask<T>(on(), Start(Handle::from_promise(*this))));
  is_owned_ = true;
  return coro;
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_CORO_H_
