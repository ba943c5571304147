// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/libuv.h
//
// LibuvExecutor runs qio on a uv_loop_t, beside the handles and requests that
// the program has there.
//
//   auto loop = qio::LibuvExecutor::Create(uv_default_loop());
//   if (!loop.ok()) return loop.status();
//   absl::Status status = (*loop)->Enter([](qio::OnLoop<qio::LibuvExecutor>&
//   on)
//   {
//     ...  // start what the program does
//   });
//   uv_run(uv_default_loop(), UV_RUN_DEFAULT);  // Until nothing is left.
//
// A callback of libuv's gets its witness from Enter().

#ifndef QIO_EXECUTORS_LIBUV_H_
#define QIO_EXECUTORS_LIBUV_H_

#include <uv.h>

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/descriptor_loop.h"
#include "qio/executor.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

// Two loops whose executors have different brands do not mix:
//
//   struct Ui; struct Io;  // Declared once, in a namespace.
//   using UiLoop = qio::BasicLibuvExecutor<Ui>;
//
// Callbacks are called from C: one that lets an exception out ends the program
// with a sentence.
template <class Brand>
class BasicLibuvExecutor final : public ReactorHost<BasicLibuvExecutor<Brand>> {
 public:
  using On = OnLoop<BasicLibuvExecutor>;

  // On `loop`, which has to live longer.
  //
  // Affinity:  the thread that runs `loop`, or any while nobody does.
  // Errors:    of epoll_create1(2), eventfd(2), timerfd_create(2) and
  //            epoll_ctl(2), with their errno; nothing is left open then.
  static absl::StatusOr<std::unique_ptr<BasicLibuvExecutor>> Create(
      uv_loop_t* loop);

  // Ends everything that is outstanding, and reports it. As for any handle of
  // libuv's, uv_loop_close() then needs one more uv_run() before it.
  //
  // Affinity:  the thread that runs the loop, or any while nobody does; also a
  //            callback of libuv's, but none of qio's.
  ~BasicLibuvExecutor();

  // Calls f(on) now, on this thread: a program's first witness, or one for a
  // callback of libuv's.
  //
  // Affinity:  the thread that runs the loop, or any while nobody does; becomes
  //            the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is seen to be on the loop:
  //            asleep in uv_run(), in a callback of qio's or in Enter(). Lets
  //            through what f throws.
  template <class F>
  Status Enter(F&& f) {
    static_assert(std::is_invocable_v<F&, On&>,
                  "qio: Enter(f) calls f(on): let it take an OnLoop<E>& of "
                  "this loop");
    return loop_.Enter([&] { f(this->on()); });
  }

  // Runs callbacks of qio's inside a callback until done() is true, which is
  // looked at after each few. libuv's own wait: uv_run() is not re-entrant.
  template <class Done>
  void RunNested(On&, Done done) {
    static_assert(std::is_invocable_r_v<bool, Done&>,
                  "qio: RunNested(on, done) asks bool done()");
    loop_.RunNested(std::move(done));
  }

  // Runs callbacks of qio's, and none of libuv's, until nothing of qio's is
  // outstanding, or `deadline`. False: something is.
  //
  // Affinity:  as Enter().
  // Errors:    as Enter().
  absl::StatusOr<bool> Drain(std::chrono::steady_clock::time_point deadline) {
    return loop_.Drain(deadline);
  }

  bool IsOnLoop() const noexcept { return loop_.IsOnLoop(); }
  bool RunsElsewhere() const noexcept { return loop_.RunsElsewhere(); }

 private:
  using Base = ReactorHost<BasicLibuvExecutor>;

  // libuv gives handles back in a later turn, when the executor is gone.
  struct Handles {
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    int open = 3;
  };

  explicit BasicLibuvExecutor(ReactorParts parts) noexcept
      : Base(std::move(parts), "libuv"),
        loop_(this->reactor(), "libuv", this, &KeepRunning) {}

  absl::Status Attach(uv_loop_t* loop);

  static void KeepRunning(void* self, bool keep) noexcept {
    auto& handles = *static_cast<BasicLibuvExecutor*>(self)->handles_;
    keep ? uv_ref(Raw(handles.poll)) : uv_unref(Raw(handles.poll));
  }
  template <class H>
  static uv_handle_t* Raw(H& handle) noexcept {
    return reinterpret_cast<uv_handle_t*>(&handle);
  }
  template <class H>
  static DescriptorLoop& LoopOf(H* handle) noexcept {
    return static_cast<BasicLibuvExecutor*>(handle->data)->loop_;
  }

  DescriptorLoop loop_;
  std::unique_ptr<Handles> handles_;  // Null if libuv refused.
};

using LibuvExecutor = BasicLibuvExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Brand>
absl::StatusOr<std::unique_ptr<BasicLibuvExecutor<Brand>>>
BasicLibuvExecutor<Brand>::Create(uv_loop_t* loop) {
  absl::StatusOr<ReactorParts> parts =
      ReactorParts::Create(ReactorParts::Timing::kTimerFd);
  if (!parts.ok()) return parts.status();
  std::unique_ptr<BasicLibuvExecutor> executor(
      new BasicLibuvExecutor(*std::move(parts)));
  if (absl::Status status = executor->Attach(loop); !status.ok()) return status;
  return executor;
}

template <class Brand>
absl::Status BasicLibuvExecutor<Brand>::Attach(uv_loop_t* loop) {
  auto handles = std::make_unique<Handles>();
  const int fd = this->reactor().poll_fd();
  if (const int error = uv_poll_init(loop, &handles->poll, fd)) {
    return ErrnoStatus(-error, "uv_poll_init");
  }
  uv_prepare_init(loop, &handles->prepare);
  uv_check_init(loop, &handles->check);
  handles_ = std::move(handles);
  // None of the three keeps uv_run() going by itself.
  handles_->poll.data = handles_->prepare.data = handles_->check.data = this;
  uv_unref(Raw(handles_->poll));
  uv_unref(Raw(handles_->prepare));
  uv_unref(Raw(handles_->check));
  uv_poll_start(&handles_->poll, UV_READABLE,
                [](uv_poll_t* handle, int, int) { LoopOf(handle).Turn(); });
  // Who sleeps in uv_run() is on the loop. That is all: a program that embeds
  // libuv sleeps elsewhere, on uv_backend_fd(), and is woken there.
  uv_prepare_start(&handles_->prepare,
                   [](uv_prepare_t* handle) { LoopOf(handle).BeforeSleep(); });
  uv_check_start(&handles_->check,
                 [](uv_check_t* handle) { LoopOf(handle).AfterSleep(); });
  return absl::OkStatus();
}

template <class Brand>
BasicLibuvExecutor<Brand>::~BasicLibuvExecutor() {
  if (handles_ == nullptr) return;
  loop_.CheckMayEnd();
  for (uv_handle_t* handle :
       {Raw(handles_->poll), Raw(handles_->prepare), Raw(handles_->check)}) {
    handle->data = handles_.get();
    uv_close(handle, [](uv_handle_t* handle) {
      auto* handles = static_cast<Handles*>(handle->data);
      if (--handles->open == 0) delete handles;
    });
  }
  static_cast<void>(handles_.release());
  this->reactor().Close();
}

static_assert(Executor<LibuvExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_LIBUV_H_
