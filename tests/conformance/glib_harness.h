// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/glib_harness.h

#ifndef QIO_TESTS_CONFORMANCE_GLIB_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_GLIB_HARNESS_H_

#include <glib.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "qio/conformance/harness.h"
#include "qio/executors/glib.h"
#include "qio/on_loop.h"

namespace qio::conformance {

// A GMainContext of its own, run by main loops.
class GlibHarness {
 public:
  using Executor = GlibExecutor;
  using On = OnLoop<Executor>;
  static constexpr char kName[] = "GlibExecutor";

  static std::vector<Exemption> Exemptions() { return {}; }
  static constexpr Exceptions kExceptions = Exceptions::kTerminate;
  static constexpr char kHost[] = "GLib";
  static constexpr bool kSeveralThreads = false;

  GlibHarness()
      : context_(g_main_context_new()), executor_(CreateAnother().value()) {}
  GlibHarness(const GlibHarness&) = delete;
  GlibHarness& operator=(const GlibHarness&) = delete;
  ~GlibHarness() {
    executor_.reset();
    g_main_context_unref(context_);
  }

  Executor& executor() { return *executor_; }
  void DestroyExecutor() { executor_.reset(); }
  absl::StatusOr<std::unique_ptr<Executor>> CreateAnother() {
    return Executor::Create(context_);
  }

  void Run() {
    // g_main_loop_run() would wait for the other thread to be done.
    if (!g_main_context_acquire(context_)) {
      throw std::runtime_error("another thread owns the context");
    }
    GMainLoop* const outer =
        std::exchange(innermost_, g_main_loop_new(context_, FALSE));
    g_main_loop_run(innermost_);
    g_main_loop_unref(std::exchange(innermost_, outer));
    g_main_context_release(context_);
  }
  void Stop(On&) { g_main_loop_quit(innermost_); }
  void RunNested(On&) { Run(); }
  void RunOnce() { g_main_context_iteration(context_, FALSE); }
  bool RunUntilIdle(std::chrono::steady_clock::time_point deadline) {
    return executor_->Drain(deadline).value();
  }
  void FollowClock() {}
  void CallNatively(std::chrono::milliseconds after, std::function<void()> f) {
    using F = std::function<void()>;
    GSource* const timer =
        g_timeout_source_new(static_cast<guint>(after.count()));
    g_source_set_callback(
        timer,
        [](gpointer f) -> gboolean {
          (*static_cast<F*>(f))();
          return G_SOURCE_REMOVE;
        },
        new F(std::move(f)), [](gpointer f) { delete static_cast<F*>(f); });
    g_source_attach(timer, context_);
    g_source_unref(timer);
  }

 private:
  GMainContext* const context_;
  std::unique_ptr<Executor> executor_;
  GMainLoop* innermost_ = nullptr;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_GLIB_HARNESS_H_
