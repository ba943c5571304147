// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/libevent.h
//
// LibeventExecutor runs qio on an event_base of libevent 2, beside the events
// that the program has there.
//
//   auto loop = qio::LibeventExecutor::Create(base);
//   if (!loop.ok()) return loop.status();
//   using Loop = qio::LibeventExecutor;
//   absl::Status status = (*loop)->Enter([](qio::OnLoop<Loop>& on) {
//     ...  // start what the program does
//   });
//   event_base_dispatch(base);  // Until nothing is left.
//
// A callback of libevent's gets its witness from Enter().

#ifndef QIO_EXECUTORS_LIBEVENT_H_
#define QIO_EXECUTORS_LIBEVENT_H_

#include <event2/event.h>

#include <cerrno>
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

// Two bases whose executors have different brands do not mix:
//
//   struct Ui; struct Io;  // Declared once, in a namespace.
//   using UiLoop = qio::BasicLibeventExecutor<Ui>;
//
// Callbacks are called from C: one that lets an exception out ends the program
// with a sentence.
template <class Brand>
class BasicLibeventExecutor final
    : public ReactorHost<BasicLibeventExecutor<Brand>> {
 public:
  using On = OnLoop<BasicLibeventExecutor>;

  // On `base`, which has to live longer: event_base_free() frees what its
  // events point to.
  //
  // Affinity:  the thread that runs `base`, or any while nobody does.
  // Errors:    of epoll_create1(2), eventfd(2), timerfd_create(2), epoll_ctl(2)
  //            and event_new(), with their errno; nothing is left open then.
  static absl::StatusOr<std::unique_ptr<BasicLibeventExecutor>> Create(
      event_base* base);

  // Ends everything that is outstanding, and reports it.
  //
  // Affinity:  the thread that runs the base, or any while nobody does; also a
  //            callback of libevent's, but none of qio's.
  ~BasicLibeventExecutor();

  // Calls f(on) now, on this thread: a program's first witness, or one for a
  // callback of libevent's.
  //
  // Affinity:  the thread that runs the base, or any while nobody does; becomes
  //            the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is seen to be on the loop:
  //            in a callback of qio's or in Enter(). One that sleeps in
  //            event_base_loop() is not seen. Lets through what f throws.
  template <class F>
  Status Enter(F&& f) {
    static_assert(std::is_invocable_v<F&, On&>,
                  "qio: Enter(f) calls f(on): let it take an OnLoop<E>& of "
                  "this loop");
    return loop_.Enter([&] { f(this->on()); });
  }

  // Runs callbacks of qio's inside a callback until done() is true, which is
  // looked at after each few. libevent's own wait: event_base_loop() is not
  // re-entrant.
  template <class Done>
  void RunNested(On&, Done done) {
    static_assert(std::is_invocable_r_v<bool, Done&>,
                  "qio: RunNested(on, done) asks bool done()");
    loop_.RunNested(std::move(done));
  }

  // Runs callbacks of qio's, and none of libevent's, until nothing of qio's is
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
  using Base = ReactorHost<BasicLibeventExecutor>;

  struct FreeEvent {
    void operator()(event* e) const noexcept { event_free(e); }
  };

  explicit BasicLibeventExecutor(ReactorParts parts) noexcept
      : Base(std::move(parts), "libevent"),
        loop_(this->reactor(), "libevent", this, &KeepRunning) {}

  // An event that is added keeps event_base_loop() going, so ours is only
  // while something is outstanding.
  static void KeepRunning(void* self, bool keep) noexcept;

  DescriptorLoop loop_;
  std::unique_ptr<event, FreeEvent> readable_;
};

using LibeventExecutor = BasicLibeventExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Brand>
absl::StatusOr<std::unique_ptr<BasicLibeventExecutor<Brand>>>
BasicLibeventExecutor<Brand>::Create(event_base* base) {
  absl::StatusOr<ReactorParts> parts =
      ReactorParts::Create(ReactorParts::Timing::kTimerFd);
  if (!parts.ok()) return parts.status();
  std::unique_ptr<BasicLibeventExecutor> executor(
      new BasicLibeventExecutor(*std::move(parts)));
  executor->readable_.reset(event_new(
      base, executor->reactor().poll_fd(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) {
        static_cast<BasicLibeventExecutor*>(self)->loop_.Turn();
      },
      executor.get()));
  if (executor->readable_ == nullptr) return ErrnoStatus(ENOMEM, "event_new");
  return executor;
}

template <class Brand>
BasicLibeventExecutor<Brand>::~BasicLibeventExecutor() {
  loop_.CheckMayEnd();
  readable_.reset();
  this->reactor().Close();
}

template <class Brand>
void BasicLibeventExecutor<Brand>::KeepRunning(void* self, bool keep) noexcept {
  event* readable = static_cast<BasicLibeventExecutor*>(self)->readable_.get();
  const bool kept = event_pending(readable, EV_READ, nullptr) != 0;
  if (kept == keep) return;
  if (!keep) {
    event_del(readable);
  } else if (event_add(readable, nullptr) != 0) {
    // For lack of memory: take turns without waiting until there is some.
    event_active(readable, EV_READ, 0);
  }
}

static_assert(Executor<LibeventExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_LIBEVENT_H_
