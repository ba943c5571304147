// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/glib.h
//
// GlibExecutor runs qio on a GMainContext: one GSource beside those that GTK,
// GStreamer or the program itself have there.
//
//   auto loop = qio::GlibExecutor::Create();  // The default context.
//   if (!loop.ok()) return loop.status();
//   absl::Status status = (*loop)->Enter([](qio::OnLoop<qio::GlibExecutor>& on)
//   {
//     ...  // start what the program does
//   });
//   g_main_loop_run(main_loop);
//
// A GLib callback (a signal handler, a GSource) gets its witness from Enter().
// Nested main loops are fine: qio goes on in them.

#ifndef QIO_EXECUTORS_GLIB_H_
#define QIO_EXECUTORS_GLIB_H_

#include <glib-unix.h>
#include <glib.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/executor.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

// Two contexts whose executors have different brands do not mix:
//
//   struct Ui; struct Io;  // Declared once, in a namespace.
//   using UiLoop = qio::BasicGlibExecutor<Ui>;
//
// Callbacks are called from C: one that lets an exception out ends the program
// with a sentence.
template <class Brand>
class BasicGlibExecutor final : public ReactorHost<BasicGlibExecutor<Brand>> {
 public:
  using On = OnLoop<BasicGlibExecutor>;

  // On `context` (null: the default one), of which it holds a reference. All
  // callbacks of the executor have this one priority among the context's
  // sources.
  //
  // Affinity:  any thread.
  // Errors:    of epoll_create1(2) and eventfd(2), with their errno; nothing
  //            is left open then.
  static absl::StatusOr<std::unique_ptr<BasicGlibExecutor>> Create(
      GMainContext* context = nullptr, int priority = G_PRIORITY_DEFAULT);

  // Ends everything that is outstanding, and reports it.
  //
  // Affinity:  any thread while no other one owns the context; also a callback
  //            of GLib's, but none of qio's.
  ~BasicGlibExecutor();

  // Calls f(on) now, on this thread, if it owns the context or nobody does: a
  // program's first witness, or one for a callback of GLib's.
  //
  // Affinity:  becomes the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread owns the context. Lets
  //            through what f throws.
  template <class F>
  Status Enter(F&& f);

  // Iterates the context until nothing of qio's is outstanding, or `deadline`.
  // False: something is.
  //
  // Affinity:  becomes the loop.
  // Errors:    kFailedPrecondition if another thread owns the context.
  absl::StatusOr<bool> Drain(std::chrono::steady_clock::time_point deadline);

  // This thread owns the context: it iterates it, is in Enter(), or has
  // acquired it by other means. It may Enter() then.
  bool IsOnLoop() const noexcept { return g_main_context_is_owner(context_); }

  // Another thread owns it.
  bool RunsElsewhere() const noexcept { return !Acquired(context_); }

  GMainContext* context() const noexcept { return context_; }

 private:
  using Base = ReactorHost<BasicGlibExecutor>;
  using Deadline = std::chrono::steady_clock::time_point;

  // GLib may finalize a source on any thread, long after the executor is gone:
  // so there is nothing in it but a way back, which ends with the executor.
  struct Source {
    GSource base;
    BasicGlibExecutor* executor;
    gpointer poll_tag;
  };

  // Owns the context for a scope, if no other thread does. Nests.
  class Acquired {
   public:
    explicit Acquired(GMainContext* context) noexcept
        : context_(g_main_context_acquire(context) ? context : nullptr) {}
    Acquired(const Acquired&) = delete;
    Acquired& operator=(const Acquired&) = delete;
    ~Acquired() {
      if (context_ != nullptr) g_main_context_release(context_);
    }
    explicit operator bool() const noexcept { return context_ != nullptr; }

   private:
    GMainContext* const context_;
  };

  BasicGlibExecutor(ReactorParts parts, GMainContext* context, int priority);

  static absl::Status Elsewhere() {
    return absl::FailedPreconditionError(
        "another thread owns the GLib main context");
  }

  // What GLib calls, in this order, except that it skips the first two while
  // sources of higher priority are ready, and Check() if Prepare() said yes.
  static gboolean Prepare(GSource* source, gint* timeout_ms);
  static gboolean Check(GSource* source);
  static gboolean Dispatch(GSource* source, GSourceFunc, gpointer);

  void RunTurn(bool readable);
  void AfterEnter() noexcept;
  int NoLongerThanDrain(int timeout_ms) noexcept;

  GMainContext* const context_;
  GSource* const source_;

  // The rest belongs to the thread that owns the context.
  int calling_ = 0;  // How many calls the executor must outlive.
  // Prepare() has agreed to sleep and Check() not been called since.
  bool may_sleep_ = false;
  Deadline drain_until_ = Deadline::max();
};

using GlibExecutor = BasicGlibExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Brand>
absl::StatusOr<std::unique_ptr<BasicGlibExecutor<Brand>>>
BasicGlibExecutor<Brand>::Create(GMainContext* context, int priority) {
  absl::StatusOr<ReactorParts> parts =
      ReactorParts::Create(ReactorParts::Timing::kTimeouts);
  if (!parts.ok()) return parts.status();
  return std::unique_ptr<BasicGlibExecutor>(
      new BasicGlibExecutor(*std::move(parts), context, priority));
}

template <class Brand>
BasicGlibExecutor<Brand>::BasicGlibExecutor(ReactorParts parts,
                                            GMainContext* context, int priority)
    : Base(std::move(parts), "GLib"),
      context_(g_main_context_ref(
          context != nullptr ? context : g_main_context_default())),
      source_([] {
        static GSourceFuncs functions = {&Prepare, &Check,  &Dispatch,
                                         nullptr,  nullptr, nullptr};
        return g_source_new(&functions, sizeof(Source));
      }()) {
  auto* source = reinterpret_cast<Source*>(source_);
  source->executor = this;
  source->poll_tag =
      g_source_add_unix_fd(source_, this->reactor().poll_fd(), G_IO_IN);
  g_source_set_name(source_, "qio");
  g_source_set_priority(source_, priority);
  // Also because GLib takes the descriptors of a source that cannot recurse
  // out of the context around each dispatch, with a wake-up each time.
  g_source_set_can_recurse(source_, TRUE);
  // Last: from here on another thread may iterate.
  g_source_attach(source_, context_);
}

template <class Brand>
BasicGlibExecutor<Brand>::~BasicGlibExecutor() {
  {
    Acquired acquired(context_);
    if (!acquired || calling_ != 0) {
      internal_diagnostics::Die(
          acquired ? "qio: a GlibExecutor was destroyed inside a callback of "
                     "its own"
                   : "qio: a GlibExecutor was destroyed while another thread "
                     "runs its main context");
    }
    reinterpret_cast<Source*>(source_)->executor = nullptr;
    g_source_destroy(source_);
    g_source_unref(source_);
    // Captures are destroyed here and now, by the owner of the loop.
    this->reactor().Close();
  }
  g_main_context_unref(context_);
}

template <class Brand>
template <class F>
Status BasicGlibExecutor<Brand>::Enter(F&& f) {
  static_assert(std::is_invocable_v<F&, On&>,
                "qio: Enter(f) calls f(on): let it take an OnLoop<E>& of this "
                "loop");
  Acquired acquired(context_);
  if (!acquired) return Elsewhere();
  struct AtEnd {
    ~AtEnd() { executor.AfterEnter(); }
    BasicGlibExecutor& executor;
  } at_end{*this};
  ++calling_;
  f(this->on());
  return absl::OkStatus();
}

template <class Brand>
absl::StatusOr<bool> BasicGlibExecutor<Brand>::Drain(Deadline deadline) {
  Acquired acquired(context_);
  if (!acquired) return Elsewhere();
  const Deadline outer = std::exchange(drain_until_, deadline);
  ++calling_;
  while (this->reactor().outstanding() != 0 &&
         std::chrono::steady_clock::now() < deadline) {
    g_main_context_iteration(context_, TRUE);
  }
  --calling_;
  drain_until_ = outer;
  return this->reactor().outstanding() == 0;
}

template <class Brand>
gboolean BasicGlibExecutor<Brand>::Prepare(GSource* source, gint* timeout_ms) {
  BasicGlibExecutor* self = reinterpret_cast<Source*>(source)->executor;
  *timeout_ms = -1;
  if (self == nullptr) return FALSE;
  Reactor& reactor = self->reactor();
  // Zero if calls are queued, of which no descriptor tells. Mail that comes
  // once it is parked makes the descriptor readable.
  const int timer_ms = reactor.TimeoutMs();
  if (timer_ms == 0 || !reactor.Park()) return TRUE;
  *timeout_ms = self->NoLongerThanDrain(timer_ms);
  self->may_sleep_ = true;
  return FALSE;
}

template <class Brand>
gboolean BasicGlibExecutor<Brand>::Check(GSource* source) {
  auto* mine = reinterpret_cast<Source*>(source);
  BasicGlibExecutor* self = mine->executor;
  if (self == nullptr) return FALSE;
  self->may_sleep_ = false;
  self->reactor().Unpark();
  return g_source_query_unix_fd(source, mine->poll_tag) != 0 ||
         self->reactor().HasWork();
}

template <class Brand>
gboolean BasicGlibExecutor<Brand>::Dispatch(GSource* source, GSourceFunc,
                                            gpointer) {
  auto* mine = reinterpret_cast<Source*>(source);
  BasicGlibExecutor* self = mine->executor;
  if (self == nullptr) return G_SOURCE_REMOVE;
  const bool readable = g_source_query_unix_fd(source, mine->poll_tag) != 0;
#if defined(__cpp_exceptions)
  try {
    self->RunTurn(readable);
  } catch (...) {
    // EX-15. The default handler of terminate() adds what was thrown.
    Diagnostics::WriteToStderr(nullptr,
                               "qio: an exception left a callback on a loop of "
                               "GLib, whose C frames cannot carry it");
    std::terminate();
  }
#else
  self->RunTurn(readable);
#endif
  return G_SOURCE_CONTINUE;
}

template <class Brand>
void BasicGlibExecutor<Brand>::RunTurn(bool readable) {
  Reactor& reactor = this->reactor();
  ++calling_;
  may_sleep_ = false;
  if (readable) {
    reactor.PollDescriptors(0);
  } else {
    reactor.Unpark();
  }
  reactor.RunQueuedAndSpin();
  --calling_;
}

template <class Brand>
void BasicGlibExecutor<Brand>::AfterEnter() noexcept {
  --calling_;
  Reactor& reactor = this->reactor();
  reactor.FlushWork();
  // Prepare() sees to the rest, before the context sleeps. Unless that has
  // been called already: by a host that polls for the context, and calls us
  // while it does.
  if (may_sleep_ && reactor.TimeoutMs() >= 0) {
    may_sleep_ = false;
    reactor.Kick();
  }
}

template <class Brand>
int BasicGlibExecutor<Brand>::NoLongerThanDrain(int timeout_ms) noexcept {
  if (drain_until_ == Deadline::max()) return timeout_ms;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      drain_until_ - std::chrono::steady_clock::now());
  const auto left_ms =
      static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
  // Once: a main loop nested in Drain() may go on and must not spin.
  if (left_ms == 0) drain_until_ = Deadline::max();
  return timeout_ms < 0 ? left_ms : std::min(timeout_ms, left_ms);
}

static_assert(Executor<GlibExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_GLIB_H_
