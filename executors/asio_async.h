// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/asio_async.h
//
// AsyncWait() starts a task of an AsioExecutor as Asio starts its own
// operations: with a completion token. A program of Asio's takes its results
// the way it takes all others.
//
//   qio::AsyncWait(qio::RunInThread(on, &ReadFile, path),
//                  [](absl::StatusOr<std::string> text) { ... });
//
//   std::future<absl::StatusOr<std::string>> text = qio::AsyncWait(
//       qio::RunInThread(on, &ReadFile, path), asio::use_future);
//
// An asio::awaitable cannot await a QIOTask itself, since Asio forbids what is
// not its own; and it has no witness to make one. It awaits this:
//
//   absl::StatusOr<std::string> text = co_await qio::AsyncWait(
//       loop,
//       [](qio::OnLoop<qio::AsioExecutor>& on, std::string path) {
//         return qio::RunInThread(on, &ReadFile, path);
//       },
//       asio::use_awaitable, path);
//
// For code that is written for qio, .Then() and Coro are simpler, and a
// completion gets its witness.

#ifndef QIO_EXECUTORS_ASIO_ASYNC_H_
#define QIO_EXECUTORS_ASIO_ASYNC_H_

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution/context_as.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/executors/asio.h"
#include "qio/loop_object.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {
namespace internal_asio {

// Reaches the loop of an executor with nothing outstanding.
struct Mailer {
  template <class Brand>
  static bool Mail(BasicAsioExecutor<Brand>& executor,
                   internal_reactor::Node* node) {
    return executor.Mail(node);
  }
};

}  // namespace internal_asio

// AsyncWait()
//
// Starts `task`, or a Coro; what the token makes of void(TaskResult<T>) is
// called with its result. Lazy tokens (use_awaitable, deferred) start it later,
// from whichever thread runs the io_context.
//
// Of what is associated with the handler, its executor calls it, by dispatch():
// the io_context's own calls it on the loop, like a completion. Its
// cancellation slot cancels the task, which then completes with kCancelled: for
// `terminal` and `partial`, since what a worker did meanwhile may be seen. Its
// allocator is used on the way to its executor.
//
// Affinity:  owning loop. Emitting the slot's signal is the slot's affair.
// Destroys:  the handler where it was called; uncalled where the executor or
//            the io_context is destroyed, whichever is first.
// Errors:    to the handler: those of Then(). Throws std::bad_alloc, at the
//            latest when it starts.
// Cost:      a block of recycled memory, and a mutex of the io_context, there
//            and back; one allocation and one task more if there is a slot.
template <class Brand, class T, class Token>
auto AsyncWait(QIOTask<BasicAsioExecutor<Brand>, T>&& task, Token&& token);
template <class Brand, class T, class Token>
void AsyncWait(  // qio: a task happens once; AsyncWait(std::move(task), token)
    QIOTask<BasicAsioExecutor<Brand>, T>& task, Token&& token) = delete;

// The same for the task, or Coro, that f(on, args...) returns: it is called
// now, or soon if another thread is on the loop. `f` captures nothing, and the
// arguments are moved in and Sendable.
//
// Affinity:  any thread; the executor lives until it is started.
// Errors:    to the handler, besides: kUnknown for what `f` throws.
template <class Brand, class F, class Token, class... Args>
auto AsyncWait(BasicAsioExecutor<Brand>& loop, F f, Token&& token,
               Args&&... args);

// ---------------------------------------------------------------------------

namespace internal_asio_async {

using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_mailbox::Node;
using internal_reactor::Access;
using internal_reactor::Link;
using internal_reactor::LoopCore;
using internal_task::TaskMaker;

class Service;

// What an io_context has to end before it ends itself.
class Waiting : public Link {
 public:
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 protected:
  using End = void(Waiting*) noexcept;

  explicit Waiting(End* end) noexcept : end_(end) {}
  ~Waiting() { StopWaiting(); }

  inline void WaitIn(asio::io_context& io);
  inline void StopWaiting() noexcept;

 private:
  friend class Service;

  End* const end_;
  // Its owner's, but while the io_context ends. Null: it does not wait.
  Service* service_ = nullptr;
};

// Ends what waits when the io_context is destroyed. Asio destroys its handlers
// then, while the objects that they own (sockets, timers) can still end; so
// ours must be gone with them.
//
// Affinity:  any thread.
class Service final : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;

  explicit Service(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  void Add(Waiting& waiting) {
    std::lock_guard<std::mutex> lock(mutex_);
    list_.PushBack(waiting);
  }
  void Remove(Waiting& waiting) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting.Unlink();
  }

 private:
  // Nobody runs the io_context any more.
  void shutdown() override {
    while (list_.linked()) {
      auto* waiting = static_cast<Waiting*>(list_.next);
      waiting->StopWaiting();
      waiting->end_(waiting);
    }
  }

  std::mutex mutex_;
  Link list_;
};

inline void Waiting::WaitIn(asio::io_context& io) {
  auto& service = asio::use_service<Service>(io);
  service.Add(*this);
  service_ = &service;
}
inline void Waiting::StopWaiting() noexcept {
  Service* const service = std::exchange(service_, nullptr);
  if (service != nullptr) service->Remove(*this);
}

// A handler with its result, on the way to its executor.
template <class Handler, class Result, class Executor>
struct Delivery {
  using executor_type = Executor;
  using allocator_type = asio::associated_allocator_t<Handler>;

  Delivery(Handler&& h, Result&& r, const Executor& e)
      : handler(std::move(h)), result(std::move(r)), executor(e) {}
  // Not inline, or g++ 12 warns of the value that an error does not have.
  [[gnu::noinline]] Delivery(Delivery&& other)
      : handler(std::move(other.handler)),
        result(std::move(other.result)),
        executor(other.executor) {}

  executor_type get_executor() const noexcept { return executor; }
  allocator_type get_allocator() const noexcept {
    return asio::get_associated_allocator(handler);
  }

  void operator()() { std::move(handler)(std::move(result)); }

  Handler handler;
  Result result;
  Executor executor;
};

// Whether what `executor` runs counts as work of `io` anyway, as far as that
// can be asked.
template <class Executor>
bool RunsOn(const Executor& executor, asio::execution_context& io) {
  using Context = asio::execution::context_as_t<asio::execution_context&>;
  if constexpr (asio::can_query<const Executor&, Context>::value) {
    return std::addressof(asio::query(executor, Context())) ==
           std::addressof(io);
  } else {
    return false;
  }
}

// A handler that waits for a task.
template <class E, class T, class Handler>
class Operation final : public LoopObject, private Waiting {
 public:
  using Pointer = LoopPtr<Operation>;

  Operation(LoopCore& core, asio::io_context& io, Handler&& handler)
      : LoopObject(core),
        Waiting([](Waiting* self) noexcept {
          static_cast<Operation*>(self)->OnEndOfHost();
        }),
        handler_(std::move(handler)),
        executor_(asio::get_associated_executor(handler_, io.get_executor())) {
    // That of the executor's own io_context runs while the task does.
    if (!RunsOn(executor_, io)) work_.emplace(executor_);
  }

  static void Start(Pointer self, asio::io_context& io, QIOTask<E, T>&& task) {
    self->WaitIn(io);
    self->handle_ =
        std::move(task).Then([self](OnLoop<E>& on, TaskResult<T> result) {
          self->Deliver(on.executor().context(), std::move(result));
        });
  }

 private:
  using IoExecutor = asio::io_context::executor_type;
  using Executor = asio::associated_executor_t<Handler, IoExecutor>;

  void Deliver(asio::io_context& io, TaskResult<T>&& result) {
    StopWaiting();
    Delivery<Handler, TaskResult<T>, Executor> delivery(
        std::move(handler_), std::move(result), executor_);
    if constexpr (std::is_same_v<Executor, IoExecutor>) {
      // Here, also where Drain() runs the loop and nobody the io_context.
      if (executor_ == io.get_executor()) return delivery();
    }
    asio::dispatch(std::move(delivery));
    work_.reset();
  }

  // The handler ends with the last reference.
  void OnEndOfHost() noexcept {
    const Pointer alive(this);
    TaskMaker::Abandon(handle_);
  }

  Handler handler_;
  const Executor executor_;
  // Keeps another context running that the handler is to be called on.
  std::optional<asio::executor_work_guard<Executor>> work_;
  TaskHandle<E> handle_;
};

// What a handler's slot asks for reaches the loop through a std::stop_source,
// which any thread may use, also when all is over.
template <class Handler>
std::stop_token TokenOf(const Handler& handler) {
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (!slot.is_connected()) return std::stop_token();
  std::stop_source stop;
  std::stop_token token = stop.get_token();
  slot.assign([stop = std::move(stop)](asio::cancellation_type_t type) mutable {
    constexpr auto kHonoured = asio::cancellation_type_t::terminal |
                               asio::cancellation_type_t::partial;
    if ((type & kHonoured) != asio::cancellation_type_t::none) {
      stop.request_stop();
    }
  });
  return token;
}

// A call that waits until its loop is free, and has the io_context run on.
template <class E, class F>
class Call final : private Node, private Waiting {
 public:
  // Calls f(on) now if no other thread is on the loop, else soon there.
  static void Make(E& executor, F f) {
    if (executor.Enter([&f](OnLoop<E>& on) { f(on); }).ok()) return;
    std::unique_ptr<Call> call(new Call(executor, std::move(f)));
    if (internal_asio::Mailer::Mail(executor, call.get())) call.release();
  }

 private:
  using Work = asio::executor_work_guard<asio::io_context::executor_type>;

  Call(E& executor, F&& f)
      : Waiting([](Waiting* self) noexcept {
          static_cast<Call*>(self)->f_.reset();
          static_cast<Call*>(self)->work_.reset();
        }),
        work_(executor.context().get_executor()),
        f_(std::move(f)) {
    run = [](Node* self, void* on) {
      std::unique_ptr<Call> call(static_cast<Call*>(self));
      if (on != nullptr && call->f_) (*call->f_)(*static_cast<OnLoop<E>*>(on));
    };
    this->WaitIn(executor.context());
  }

  std::optional<Work> work_;
  std::optional<F> f_;  // Empty once the io_context is gone.
};

// Begins the operation on the loop: make(on) is its task.
template <class E, class Handler, class Make>
void Begin(E& executor, Handler&& handler, Make make) {
  std::stop_token stop = TokenOf(handler);
  auto begin = [handler = std::decay_t<Handler>(std::forward<Handler>(handler)),
                make = std::move(make),
                stop = std::move(stop)](OnLoop<E>& on) mutable {
    auto task = make(on);
    using T = typename internal_task::PartsOf<decltype(task)>::Value;
    using Operation = Operation<E, T, std::decay_t<Handler>>;
    asio::io_context& io = on.executor().context();
    auto operation = Operation::Pointer::Make(on, io, std::move(handler));
    if (stop.stop_possible()) {
      task = std::move(task).WithStopToken(std::move(stop));
    }
    Operation::Start(std::move(operation), io, std::move(task));
  };
  Call<E, decltype(begin)>::Make(executor, std::move(begin));
}

// What a token calls with its handler: for a task,
template <class E>
class StartTask {
 public:
  template <class T>
  explicit StartTask(const QIOTask<E, T>& task) noexcept {
    OnLoop<E>* on = TaskMaker::WitnessOf(task);
    if (on == nullptr) return;
    executor_ = std::addressof(on->executor());
    core_ = std::addressof(Access::CoreOf(*on));
  }

  template <class Handler, class T>
  void operator()(Handler&& handler, QIOTask<E, T> task) const {
    // The task keeps the core. Without executor, both end here.
    if (executor_ == nullptr || core_->closed()) return;
    Begin(*executor_, std::forward<Handler>(handler),
          [task = std::move(task)](OnLoop<E>&) mutable {
            return std::move(task);
          });
  }

 private:
  E* executor_ = nullptr;  // There until the core is closed.
  const LoopCore* core_ = nullptr;
};

// and for a function that makes one.
template <class E, class T>
class StartCall {
 public:
  explicit StartCall(E& executor) noexcept : executor_(&executor) {}

  template <class Handler, class F, class... Args>
  void operator()(Handler&& handler, F f, Args... args) const {
    Begin(*executor_, std::forward<Handler>(handler),
          [f, args = std::tuple<Args...>(std::move(args)...)](
              OnLoop<E>& on) mutable -> QIOTask<E, T> {
            auto call = [&](Args&... a) { return f(on, std::move(a)...); };
#if defined(__cpp_exceptions)
            try {
              return std::apply(call, args);
            } catch (...) {
              return Thrown(on);
            }
#else
            return std::apply(call, args);
#endif
          });
  }

 private:
  // A task that comes to the current exception.
  static QIOTask<E, T> Thrown(OnLoop<E>& on) {
    absl::Status status =
        internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
          return internal_exception_status::CurrentException("the function");
        });
    return MakeTask<T>(on, [status = std::move(status)](
                               OnLoop<E>& start_on, Completer<E, T> completer) {
      std::move(completer).Complete(start_on, status);
    });
  }

  E* executor_;
};

}  // namespace internal_asio_async

template <class Brand, class T, class Token>
auto AsyncWait(QIOTask<BasicAsioExecutor<Brand>, T>&& task, Token&& token) {
  using E = BasicAsioExecutor<Brand>;
  using Signature = void(TaskResult<T>);
  return asio::async_initiate<Token, Signature>(
      internal_asio_async::StartTask<E>(task), token, std::move(task));
}

template <class Brand, class F, class Token, class... Args>
auto AsyncWait(BasicAsioExecutor<Brand>& loop, F f, Token&& token,
               Args&&... args) {
  using E = BasicAsioExecutor<Brand>;
  static_assert(internal_loop_ref::kIsCaptureless<F>,
                "qio: what is called on another loop captures nothing; pass "
                "what it needs as arguments: AsyncWait(loop, f, token, "
                "args...)");
  static_assert(
      (internal_sendable::RequireSendableArgument<std::decay_t<Args>>::kOk &&
       ...));
  static_assert(std::is_invocable_v<F&, OnLoop<E>&, std::decay_t<Args>...>,
                "qio: AsyncWait(loop, f, token, args...) calls f(on, args...): "
                "let f take an OnLoop<E>& of that loop, then the arguments");
  using Task = internal_task::TaskIn<
      std::invoke_result_t<F&, OnLoop<E>&, std::decay_t<Args>...>>;
  static_assert(!std::is_void_v<Task>,
                "qio: AsyncWait(loop, f, token, args...) waits for the task "
                "that f returns");
  using T = typename internal_task::PartsOf<Task>::Value;
  return asio::async_initiate<Token, void(TaskResult<T>)>(
      internal_asio_async::StartCall<E, T>(loop), token, f,
      std::decay_t<Args>(std::forward<Args>(args))...);
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_ASIO_ASYNC_H_
