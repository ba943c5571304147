// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/with_stop_token.h
//
// QIOTask::WithStopToken(), which task.h declares.

#ifndef QIO_INTERNAL_WITH_STOP_TOKEN_H_
#define QIO_INTERNAL_WITH_STOP_TOKEN_H_

#include <optional>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/loop_object.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {
namespace internal_with_stop_token {

using internal_loop_object::LoopObject;
using internal_loop_object::LoopPtr;
using internal_mailbox::Node;
using internal_task::TaskMaker;

// A task and a token: whichever comes first is the result of another. The node
// brings the request to the loop.
template <class E, class T>
class Operation final : public LoopObject, private DescribedHook, private Node {
 public:
  using Pointer = LoopPtr<Operation>;

  Operation(internal_reactor::LoopCore& core, QIOTask<E, T> task,
            std::stop_token token) noexcept
      : LoopObject(core), task_(std::move(task)), token_(std::move(token)) {
    cancelled = [](CancelHook* hook) noexcept {
      static_cast<Operation*>(hook)->Stop();
    };
    describe = [](const DescribedHook* hook) {
      return TaskMaker::Describe(static_cast<const Operation*>(hook)->handle_);
    };
    run = [](Node* node, void* on) {
      static_cast<Operation*>(node)->OnRequest(static_cast<OnLoop<E>*>(on));
    };
  }

  static void Start(Pointer self, OnLoop<E>& on, Completer<E, T> completer) {
    self->completer_ = std::move(completer);
    self->completer_->SetCancelHook(on, self.get());
    self->handle_ = std::move(*self->task_)
                        .Then([self](OnLoop<E>& then_on, TaskResult<T> result) {
                          self->OnResult(then_on, std::move(result));
                        });
    self->task_.reset();
    if (!self->completer_) {  // Its start has cancelled what waits for it.
      TaskMaker::Abandon(self->handle_);
      return;
    }
    self->alive_ = self;
    self->callback_.emplace(std::move(self->token_), Request{self.get()});
  }

 private:
  // Any thread, once.
  struct Request {
    void operator()() const noexcept {
      operation->is_posted_ = operation->core().Post(operation);
    }
    Operation* operation;
  };

  void OnResult(OnLoop<E>& on, TaskResult<T> result) {
    const Pointer still = StopListening();
    Take().Complete(on, std::move(result));
  }

  void OnRequest(OnLoop<E>* on) {
    callback_.reset();  // Waits until Request is through.
    const Pointer still = std::move(alive_);
    if (!completer_ || on == nullptr) return;
    Completer<E, T> completer = Take();
    TaskMaker::Abandon(handle_);
    std::move(completer).Complete(*on, absl::CancelledError());
  }

  // Nobody wants the result any more.
  void Stop() noexcept {
    const Pointer still = StopListening();
    completer_.reset();
    TaskMaker::Abandon(handle_);
  }

  // What keeps this object alive is the caller's, unless a request is on its
  // way, which has to find it.
  Pointer StopListening() noexcept {
    callback_.reset();
    return is_posted_ ? Pointer(this) : std::move(alive_);
  }

  Completer<E, T> Take() noexcept {
    Completer<E, T> completer = *std::move(completer_);
    completer_.reset();
    return completer;
  }

  std::optional<QIOTask<E, T>> task_;  // Until it is started.
  std::stop_token token_;
  TaskHandle<E> handle_;
  std::optional<Completer<E, T>> completer_;
  // Once it is reset, is_posted_ is the loop's.
  std::optional<std::stop_callback<Request>> callback_;
  bool is_posted_ = false;
  Pointer alive_;  // This object, from the start until nobody calls it.
};

}  // namespace internal_with_stop_token

template <class E, class T>
QIOTask<E, T> QIOTask<E, T>::WithStopToken(std::stop_token token) && {
  OnLoop<E>* on = internal_task::TaskMaker::WitnessOf(*this);
  if (on == nullptr) return std::move(*this);
  using Operation = internal_with_stop_token::Operation<E, T>;
  auto operation =
      Operation::Pointer::Make(*on, std::move(*this), std::move(token));
  return MakeTask<T>(
      *on, [operation = std::move(operation)](
               OnLoop<E>& start_on, Completer<E, T> completer) mutable {
        Operation::Start(std::move(operation), start_on, std::move(completer));
      });
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_WITH_STOP_TOKEN_H_
