// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/hop.h
//
// A hop: what one loop does, another waits for. RunOn() calls a function on
// another loop and brings back what it returns, or what the task it returns
// comes to:
//
//   qio::RunOn(on, disk_loop,
//              [](qio::OnLoop<Disk>& on, std::string path) {
//                return qio::RunInThread(on, &ReadFile, path);
//              },
//              path)
//       .Then(scope, [this](qio::OnLoop<Ui>& on, auto text) { Show(on, text);
//       });
//
// Nothing else crosses: inputs and result are moved, and Sendable, and each
// completion lives and dies on its own loop. task.On(on) is the same for a task
// at hand, where both loops run on this thread.

#ifndef QIO_HOP_H_
#define QIO_HOP_H_

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/loop_object.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/sendable.h"
#include "qio/status.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {

// RunOn()
//
// A task of `on` that calls f(there, args...) on `loop`. `f` captures nothing,
// args are moved in and Sendable; it returns a task of its loop (or a Coro), or
// as a worker does. Cancelled or abandoned here, the task there is cancelled,
// soon.
//
// Destroys:  the arguments on `loop`, when `f` has returned.
// Errors:    to the completion: Closed if `loop` is gone, Busy if it takes no
//            more mail, kAborted if it ends before it is done, kUnknown for
//            what `f` throws. Throws std::bad_alloc.
// Cost:      two tasks here, a post each way, and one allocation.
template <class E, class Other, class F, class... Args>
auto RunOn(OnLoop<E>& on, LoopRef<Other> loop, F f, Args&&... args);

// ---------------------------------------------------------------------------

namespace internal_hop {

using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_task::TaskMaker;

// What both loops know: the task over there, which only that one touches.
template <class Other>
class There {
 public:
  using qio_sendable = There;

  There() : handle_(std::make_shared<TaskHandle<Other>>()) {}

  TaskHandle<Other>& handle() const noexcept { return *handle_; }

 private:
  std::shared_ptr<TaskHandle<Other>> handle_;
};

// Over there: starts `task`, whose result goes to `to`.
template <class Other, class T, class E>
void Bring(QIOTask<Other, T> task, SendableCompleter<E, T> to,
           const There<Other>& there) {
  there.handle() = std::move(task).Then(
      [to = std::move(to)](OnLoop<Other>&, TaskResult<T> result) mutable {
        std::move(to).Post(std::move(result));
      });
}

// What F returns on the other loop, and the T that comes of it.
template <class Returned>
struct Outcome {
  static constexpr bool kIsTask = false;
  using T = typename internal_task::ValueOf<Returned>::Type;
};
template <class Returned>
  requires(!std::is_void_v<internal_task::TaskIn<Returned>>)
struct Outcome<Returned> {
  static constexpr bool kIsTask = true;
  using T =
      typename internal_task::PartsOf<internal_task::TaskIn<Returned>>::Value;
};

// Over there: calls f.
template <class E, class Other, class F, class... Args>
struct Remote {
  using Returned = std::invoke_result_t<F&, OnLoop<Other>&, Args...>;
  using Outcome = internal_hop::Outcome<Returned>;
  using T = typename Outcome::T;

  static void Run(OnLoop<Other>& on, There<Other> there,
                  SendableCompleter<E, T> to, AssumedSendable<F> f,
                  Args... args) {
    if (!to.wanted()) return;
#if defined(__cpp_exceptions)
    try {
      Call(on, there, to, f.value(), std::move(args)...);
    } catch (...) {
      // If it has not gone with its task, which then says kAborted.
      std::move(to).Post(
          internal_status::MakeOrCode(absl::StatusCode::kUnknown, [] {
            return internal_exception_status::CurrentException("the function");
          }));
    }
#else
    Call(on, there, to, f.value(), std::move(args)...);
#endif
  }

  static void Call(OnLoop<Other>& on, There<Other>& there,
                   SendableCompleter<E, T>& to, F& f, Args&&... args) {
    if constexpr (Outcome::kIsTask) {
      internal_task::TaskIn<Returned> task = f(on, std::move(args)...);
      Bring(std::move(task), std::move(to), there);
    } else if constexpr (std::is_void_v<Returned>) {
      f(on, std::move(args)...);
      std::move(to).Post(absl::OkStatus());
    } else {
      std::move(to).Post(f(on, std::move(args)...));
    }
  }
};

// Here: waits for what is brought, and says so over there if it is not wanted.
template <class E, class T, class Other>
class Operation final : public LoopObject, private DescribedHook {
 public:
  using Pointer = LoopPtr<Operation>;

  Operation(internal_reactor::LoopCore& core, LoopRef<Other> loop)
      : LoopObject(core), loop_(std::move(loop)) {
    cancelled = [](CancelHook* hook) noexcept {
      static_cast<Operation*>(hook)->Stop();
    };
    describe = [](const DescribedHook*) { return std::string("another loop"); };
  }
  // Not over: nobody wants the result any more. If that cannot be sent, the
  // other task goes on to its end, and nobody hears of it.
  ~Operation() {
    if (!is_sent_) return;
    loop_
        .Post([](OnLoop<Other>& on,
                 There<Other> there) { there.handle().Cancel(on); },
              there_)
        .IgnoreError();
  }

  LoopRef<Other>& loop() noexcept { return loop_; }
  const There<Other>& there() const noexcept { return there_; }

  // begin(to) sends the work on its way.
  template <class Begin>
  static void Start(Pointer self, OnLoop<E>& on, Completer<E, T> completer,
                    Begin begin) {
    self->completer_ = std::move(completer);
    self->completer_->SetCancelHook(on, self.get());
    self->handle_ =
        MakeTask<T>(on, [begin = std::move(begin)](
                            OnLoop<E>&, Completer<E, T> brought) mutable {
          begin(std::move(brought).ToSendable());
        }).Then([self](OnLoop<E>& then_on, TaskResult<T> result) {
          self->OnResult(then_on, std::move(result));
        });
    self->is_sent_ = true;
    if (!self->completer_) TaskMaker::Abandon(self->handle_);
  }

 private:
  void OnResult(OnLoop<E>& on, TaskResult<T> result) {
    is_sent_ = false;
    Completer<E, T> completer = *std::move(completer_);
    completer_.reset();
    std::move(completer).Complete(on, std::move(result));
  }

  void Stop() noexcept {
    const Pointer alive(this);
    completer_.reset();
    TaskMaker::Abandon(handle_);
  }

  LoopRef<Other> loop_;
  There<Other> there_;
  TaskHandle<E> handle_;
  std::optional<Completer<E, T>> completer_;
  bool is_sent_ = false;  // And not brought back.
};

}  // namespace internal_hop

template <class E, class Other, class F, class... Args>
auto RunOn(OnLoop<E>& on,  // qio: pass the witness of its loop
           LoopRef<Other> loop, F f, Args&&... args) {
  static_assert(internal_loop_ref::kIsCaptureless<F>,
                "qio: what is called on another loop captures nothing; pass "
                "what it needs as arguments: RunOn(on, loop, f, args...)");
  static_assert(
      (internal_sendable::RequireSendableArgument<std::decay_t<Args>>::kOk &&
       ...));
  static_assert(std::is_invocable_v<F&, OnLoop<Other>&, std::decay_t<Args>...>,
                "qio: RunOn(on, loop, f, args...) calls f(there, args...): let "
                "f take an OnLoop<E>& of the other loop, then the arguments");
  using Remote = internal_hop::Remote<E, Other, F, std::decay_t<Args>...>;
  using T = typename Remote::T;
  using Operation = internal_hop::Operation<E, T, Other>;
  auto operation = Operation::Pointer::Make(on, std::move(loop));
  return MakeTask<T>(
      on,
      [operation = std::move(operation), f,
       args = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](
          OnLoop<E>& start_on, Completer<E, T> completer) mutable {
        Operation& op = *operation;
        Operation::Start(std::move(operation), start_on, std::move(completer),
                         [&op, f, &args](SendableCompleter<E, T> to) {
                           std::apply(
                               [&](auto&... a) {
                                 absl::Status sent = op.loop().Post(
                                     &Remote::Run, op.there(), std::move(to),
                                     AssumeSendable(f), std::move(a)...);
                                 if (!sent.ok())
                                   std::move(to).Post(std::move(sent));
                               },
                               args);
                         });
      });
}

template <class E, class T>
template <class Other>
QIOTask<Other, T> QIOTask<E, T>::On(OnLoop<Other>& on) && {
  using Operation = internal_hop::Operation<Other, T, E>;
  OnLoop<E>* home = internal_task::TaskMaker::WitnessOf(*this);
  if (home == nullptr) {
    return MakeTask<T>(
        on, [task = std::move(*this)](OnLoop<Other>& start_on,
                                      Completer<Other, T> completer) {
          std::move(completer).Complete(start_on, internal_loop_ref::IsGone());
        });
  }
  auto operation = Operation::Pointer::Make(on, LoopRef<E>(*home));
  return MakeTask<T>(
      on, [operation = std::move(operation), task = std::move(*this)](
              OnLoop<Other>& start_on, Completer<Other, T> completer) mutable {
        Operation& op = *operation;
        Operation::Start(std::move(operation), start_on, std::move(completer),
                         [&op, &task](SendableCompleter<Other, T> to) {
                           internal_hop::Bring(std::move(task), std::move(to),
                                               op.there());
                         });
      });
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_HOP_H_
