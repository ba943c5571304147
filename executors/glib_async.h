// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/glib_async.h
//
// StartAsync() and FinishAsync() make of a task of a GlibExecutor what GLib
// calls an asynchronous function: the two halves of a `foo_async()` and a
// `foo_finish()` for programs that are written in C, or in its style.
//
//   extern "C" void foo_read_async(Foo* foo, GCancellable* cancellable,
//                                  GAsyncReadyCallback callback,
//                                  gpointer user_data) {
//     absl::Status status = foo->loop->Enter([&](auto& on) {
//       qio::StartAsync(qio::RunInThread(on, &ReadFile, foo->path),
//                       G_OBJECT(foo), cancellable, callback, user_data);
//     });
//     ...
//   }
//   extern "C" char* foo_read_finish(Foo*, GAsyncResult* result,
//                                    GError** error) {
//     auto text = qio::FinishAsync<std::string>(result, error);
//     return text ? g_strdup(text->c_str()) : nullptr;
//   }
//
// For code that is written for qio, .Then() is simpler.

#ifndef QIO_EXECUTORS_GLIB_ASYNC_H_
#define QIO_EXECUTORS_GLIB_ASYNC_H_

#include <gio/gio.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/executors/glib.h"
#include "qio/on_loop.h"
#include "qio/task.h"

namespace qio::inline QIO_ABI {

// StartAsync()
//
// Starts `task`, or a Coro; callback(source, result, user_data) is called when
// it is over, once, by the executor's GMainContext, and never inside this call.
// `result` is a GTask, and FinishAsync() takes out of it what the task came to.
// `source`, `cancellable` and `callback` may be null. The GTask holds the
// source and the cancellable until the callback has returned.
//
// Cancelling `cancellable`, from any thread, cancels the task, which completes
// with kCancelled, unless it is over.
//
// If the executor ends first, the callback is called all the same, with
// kAborted, once somebody iterates the context: callers in C free there what
// they have passed as user_data.
//
// Affinity:  owning loop. The callback may do what a completion may, since it
//            is called in a callback of qio's, unless the executor has ended.
// Destroys:  a result that nobody takes with the GTask, on whichever thread
//            drops the last reference.
// Errors:    to FinishAsync(): those of Then(). Throws std::bad_alloc; the
//            callback is called then, too.
// Cost:      a GTask, and an allocation for the result; with a cancellable two
//            more, a closure and a task.
template <class Brand, class T>
void StartAsync(QIOTask<BasicGlibExecutor<Brand>, T>&& task, GObject* source,
                GCancellable* cancellable, GAsyncReadyCallback callback,
                gpointer user_data);
template <class Brand, class T>
void StartAsync(  // qio: a task happens once; StartAsync(std::move(task), ...)
    QIOTask<BasicGlibExecutor<Brand>, T>& task, GObject*, GCancellable*,
    GAsyncReadyCallback, gpointer) = delete;

// FinishAsync()
//
// What a task with result T came to: moved out of `result`, so once.
//
// Affinity:  where the callback is called.
// Errors:    those of the task; kInvalidArgument if `result` is none of a task
//            with this T; kFailedPrecondition if it was taken before, or the
//            callback was not called yet.
template <class T>
[[nodiscard("qio: it can fail; look at its Status")]]
TaskResult<T> FinishAsync(GAsyncResult* result);

// The same for callers in C: the value, or nothing and *error is set to what
// ToGError() makes of the Status, if `error` is not null. For void it tells
// whether all went well.
template <class T>
  requires(!std::is_void_v<T>)
std::optional<T> FinishAsync(GAsyncResult* result, GError** error);
template <class T>
  requires std::is_void_v<T>
bool FinishAsync(GAsyncResult* result, GError** error);

// The domain of errors whose code is an absl::StatusCode. Any thread.
inline GQuark StatusErrorQuark() noexcept {
  return g_quark_from_static_string("qio-status-error-quark");
}

// What C is told of a Status that is not OK: in StatusErrorQuark(), with its
// code and its message; but kCancelled is G_IO_ERROR_CANCELLED, as everywhere
// in GLib. It is the caller's. Any thread.
inline GError* ToGError(const absl::Status& status) {
  const std::string message(status.message());
  const bool cancelled = absl::IsCancelled(status);
  return g_error_new_literal(
      cancelled ? G_IO_ERROR : StatusErrorQuark(),
      cancelled ? static_cast<gint>(G_IO_ERROR_CANCELLED) : status.raw_code(),
      message.c_str());
}

// ---------------------------------------------------------------------------

namespace internal_glib_async {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// The data of a GTask: the result, until it is taken.
template <class T>
struct Outcome {
  // Its address says which T a GTask is of.
  static constexpr char kTag = 0;

  static gpointer tag() noexcept { return const_cast<char*>(&kTag); }

  static Outcome& Of(GTask* task) noexcept {
    return *static_cast<Outcome*>(g_task_get_task_data(task));
  }

  std::optional<TaskResult<T>> result;
  bool is_taken = false;
};

// What a cancellable calls. GLib orders what happens to it; `known` repeats
// that for ThreadSanitizer, which does not see GLib's locks.
struct Request {
  // Any thread; also inside g_cancellable_connect().
  static void OnCancelled(GCancellable*, gpointer data) {
    auto* self = static_cast<Request*>(data);
    (void)self->known.load(std::memory_order_acquire);
    self->stop.request_stop();
    self->known.store(true, std::memory_order_release);
  }
  static void End(gpointer data) {
    auto* self = static_cast<Request*>(data);
    (void)self->known.load(std::memory_order_acquire);
    delete self;
  }

  std::stop_source stop;
  std::atomic<bool> known{false};
};

// The completion: has the GTask, and returns from it whatever happens.
template <class E, class T>
class Return {
 public:
  explicit Return(GTask* task) noexcept : task_(task) {}
  Return(Return&& other) noexcept
      : task_(std::exchange(other.task_, nullptr)), handler_(other.handler_) {}
  ~Return() {
    if (task_ == nullptr) return;
    Disconnect();
    // This may be inside of the executor's end, where no callback belongs.
    GSource* soon = g_idle_source_new();
    g_source_set_priority(soon, g_task_get_priority(task_));
    g_source_set_callback(soon, &OnAborted, task_, &g_object_unref);
    g_source_attach(soon, g_task_get_context(task_));
    g_source_unref(soon);
  }

  // What the cancellable asks for. It may have asked before.
  std::stop_token Listen() {
    auto request = std::make_unique<Request>();
    std::stop_token token = request->stop.get_token();
    request->known.store(true, std::memory_order_release);
    handler_ = g_cancellable_connect(g_task_get_cancellable(task_),
                                     G_CALLBACK(&Request::OnCancelled),
                                     request.release(), &Request::End);
    return token;
  }

  void operator()(OnLoop<E>&, TaskResult<T> result) {
    Disconnect();
    Give(std::exchange(task_, nullptr), std::move(result));
  }

 private:
  static gboolean OnAborted(gpointer task) {
    Give(G_TASK(g_object_ref(task)),
         absl::AbortedError("the operation was dropped without a result"));
    return G_SOURCE_REMOVE;
  }

  static void Give(GTask* task, TaskResult<T> result) {
    auto& given = Outcome<T>::Of(task).result;
    given.emplace(std::move(result));
    if (given->ok()) {
      g_task_return_boolean(task, TRUE);
    } else {
      g_task_return_error(task, ToGError(StatusOf(*given)));
    }
    g_object_unref(task);
  }

  // Not by g_cancellable_disconnect(), which waits for whoever is cancelling it
  // on another thread, and who may wait for this loop.
  void Disconnect() noexcept {
    if (handler_ == 0) return;
    g_signal_handler_disconnect(g_task_get_cancellable(task_),
                                std::exchange(handler_, 0));
  }

  GTask* task_;
  gulong handler_ = 0;  // 0: there is no cancellable, or it had been cancelled.
};

}  // namespace internal_glib_async

template <class Brand, class T>
void StartAsync(QIOTask<BasicGlibExecutor<Brand>, T>&& task, GObject* source,
                GCancellable* cancellable, GAsyncReadyCallback callback,
                gpointer user_data) {
  using E = BasicGlibExecutor<Brand>;
  using Outcome = internal_glib_async::Outcome<T>;
  OnLoop<E>* on = internal_task::TaskMaker::WitnessOf(task);
  auto outcome = std::make_unique<Outcome>();
  // A GTask belongs to the context that is the thread's default now.
  GMainContext* context = on != nullptr ? on->executor().context() : nullptr;
  if (context != nullptr) g_main_context_push_thread_default(context);
  GTask* gtask = g_task_new(source, cancellable, callback, user_data);
  if (context != nullptr) g_main_context_pop_thread_default(context);
  (g_task_set_source_tag)(gtask, Outcome::tag());
  g_task_set_check_cancellable(gtask, FALSE);  // The task says who has won.
  g_task_set_task_data(gtask, outcome.release(), [](gpointer data) {
    delete static_cast<Outcome*>(data);
  });
  internal_glib_async::Return<E, T> completion(gtask);
  if (cancellable != nullptr) {
    task = std::move(task).WithStopToken(completion.Listen());
  }
  std::move(task).Then(std::move(completion));
}

template <class T>
TaskResult<T> FinishAsync(GAsyncResult* result) {
  using Outcome = internal_glib_async::Outcome<T>;
  if (!G_IS_TASK(result) || !g_async_result_is_tagged(result, Outcome::tag())) {
    return absl::InvalidArgumentError(
        "qio: FinishAsync<T>() was given no result of a task with this T");
  }
  Outcome& outcome = Outcome::Of(G_TASK(result));
  if (!outcome.result) {
    return absl::FailedPreconditionError(
        outcome.is_taken ? "qio: FinishAsync() has taken this result before"
                         : "qio: FinishAsync() was called before the callback");
  }
  outcome.is_taken = true;
  TaskResult<T> taken = *std::move(outcome.result);
  outcome.result.reset();
  return taken;
}

template <class T>
  requires(!std::is_void_v<T>)
std::optional<T> FinishAsync(GAsyncResult* result, GError** error) {
  absl::StatusOr<T> taken = FinishAsync<T>(result);
  if (taken.ok()) return *std::move(taken);
  g_propagate_error(error, ToGError(taken.status()));
  return std::nullopt;
}

template <class T>
  requires std::is_void_v<T>
bool FinishAsync(GAsyncResult* result, GError** error) {
  const absl::Status taken = FinishAsync<void>(result);
  if (!taken.ok()) g_propagate_error(error, ToGError(taken));
  return taken.ok();
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_GLIB_ASYNC_H_
