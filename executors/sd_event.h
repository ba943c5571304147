// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/sd_event.h
//
// SdEventExecutor runs qio on an sd_event of libsystemd, beside the sources
// that the program, or sd-bus, has there.
//
//   auto loop = qio::SdEventExecutor::Create(event);
//   if (!loop.ok()) return loop.status();
//   using Loop = qio::SdEventExecutor;
//   absl::Status status = (*loop)->Enter([](qio::OnLoop<Loop>& on) {
//     ...  // start what the program does
//   });
//   sd_event_loop(event);  // Until sd_event_exit().
//
// A handler of sd-event's gets its witness from Enter().

#ifndef QIO_EXECUTORS_SD_EVENT_H_
#define QIO_EXECUTORS_SD_EVENT_H_

#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <cstdint>
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
//   using UiLoop = qio::BasicSdEventExecutor<Ui>;
//
// Callbacks are called from C: one that lets an exception out ends the program
// with a sentence.
template <class Brand>
class BasicSdEventExecutor final
    : public ReactorHost<BasicSdEventExecutor<Brand>> {
 public:
  using On = OnLoop<BasicSdEventExecutor>;

  // On `event`, of which it holds a reference. All callbacks of the executor
  // have this one priority among the event's sources.
  //
  // Affinity:  the thread that runs `event`, or any while nobody does.
  // Errors:    of epoll_create1(2), eventfd(2), timerfd_create(2), epoll_ctl(2)
  //            and sd_event_add_io(3), with their errno; nothing is left open
  //            then.
  static absl::StatusOr<std::unique_ptr<BasicSdEventExecutor>> Create(
      sd_event* event, std::int64_t priority = SD_EVENT_PRIORITY_NORMAL);

  // Ends everything that is outstanding, and reports it.
  //
  // Affinity:  the thread that runs the event, or any while nobody does; also a
  //            handler of sd-event's, but no callback of qio's.
  ~BasicSdEventExecutor() {
    loop_.CheckMayEnd();
    source_.reset();
    this->reactor().Close();
  }

  // Calls f(on) now, on this thread: a program's first witness, or one for a
  // handler of sd-event's.
  //
  // Affinity:  the thread that runs the event, or any while nobody does;
  //            becomes the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is seen to be on the loop:
  //            in a callback of qio's or in Enter(). One that sleeps in
  //            sd_event_run() is not seen. Lets through what f throws.
  template <class F>
  Status Enter(F&& f) {
    static_assert(std::is_invocable_v<F&, On&>,
                  "qio: Enter(f) calls f(on): let it take an OnLoop<E>& of "
                  "this loop");
    return loop_.Enter([&] { f(this->on()); });
  }

  // Runs callbacks of qio's inside a callback until done() is true, which is
  // looked at after each few. sd-event's own wait: sd_event_run() is refused
  // there (EBUSY).
  template <class Done>
  void RunNested(On&, Done done) {
    static_assert(std::is_invocable_r_v<bool, Done&>,
                  "qio: RunNested(on, done) asks bool done()");
    loop_.RunNested(std::move(done));
  }

  // Runs callbacks of qio's, and none of sd-event's, until nothing of qio's is
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
  using Base = ReactorHost<BasicSdEventExecutor>;

  struct Unref {
    void operator()(sd_event* e) const noexcept { sd_event_unref(e); }
    // Disabled first: its handler is not called any more, even if it is due.
    void operator()(sd_event_source* s) const noexcept {
      sd_event_source_disable_unref(s);
    }
  };

  BasicSdEventExecutor(ReactorParts parts, sd_event* event) noexcept
      : Base(std::move(parts), "sd-event"),
        loop_(this->reactor(), "sd-event"),
        event_(sd_event_ref(event)) {}

  DescriptorLoop loop_;
  const std::unique_ptr<sd_event, Unref> event_;
  std::unique_ptr<sd_event_source, Unref> source_;
};

using SdEventExecutor = BasicSdEventExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Brand>
absl::StatusOr<std::unique_ptr<BasicSdEventExecutor<Brand>>>
BasicSdEventExecutor<Brand>::Create(sd_event* event, std::int64_t priority) {
  absl::StatusOr<ReactorParts> parts =
      ReactorParts::Create(ReactorParts::Timing::kTimerFd);
  if (!parts.ok()) return parts.status();
  std::unique_ptr<BasicSdEventExecutor> executor(
      new BasicSdEventExecutor(*std::move(parts), event));
  sd_event_source* source = nullptr;
  const int added = sd_event_add_io(
      event, &source, executor->reactor().poll_fd(), EPOLLIN,
      [](sd_event_source*, int, std::uint32_t, void* self) {
        static_cast<BasicSdEventExecutor*>(self)->loop_.Turn();
        return 0;
      },
      executor.get());
  if (added < 0) return ErrnoStatus(-added, "sd_event_add_io");
  executor->source_.reset(source);
  sd_event_source_set_description(source, "qio");
  if (const int set = sd_event_source_set_priority(source, priority); set < 0) {
    return ErrnoStatus(-set, "sd_event_source_set_priority");
  }
  return executor;
}

static_assert(Executor<SdEventExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_SD_EVENT_H_
