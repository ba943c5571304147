// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// What StartAsync() and FinishAsync() promise to callers in C: CO-25 to CO-29.

#include "qio/executors/glib_async.h"

#include <gio/gio.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/coro.h"
#include "qio/executors/glib.h"
#include "qio/on_loop.h"
#include "qio/status.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"

namespace qio {
namespace {

using Loop = GlibExecutor;
using On = OnLoop<Loop>;

// Tells whether it was asked to stop, and lets go of its completer then.
struct Operation : CancelHook {
  Operation() {
    cancelled = [](CancelHook* hook) noexcept {
      auto* self = static_cast<Operation*>(hook);
      self->was_cancelled = true;
      self->completer.reset();
    };
  }

  std::optional<Completer<Loop, int>> completer;
  bool was_cancelled = false;
};

// A callback as C has it, which calls `function`.
struct Callback {
  static void Call(GObject* source, GAsyncResult* result, gpointer self) {
    auto& callback = *static_cast<Callback*>(self);
    ++callback.calls;
    callback.source = source;
    callback.function(result);
  }

  std::function<void(GAsyncResult*)> function;
  int calls = 0;
  GObject* source = nullptr;
};

struct Fixture {
  Fixture()
      : context(g_main_context_new()), loop(Loop::Create(context).value()) {}
  ~Fixture() {
    loop.reset();
    g_object_unref(cancellable);
    g_main_context_unref(context);
  }

  template <class F>
  void Enter(F f) {
    const absl::Status status = loop->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // A task that is completed by hand, with a callback that keeps its result.
  void StartWaiting(On& on, Operation& operation) {
    callback.function = [this](GAsyncResult* result) {
      BOOST_TEST(g_task_had_error(G_TASK(result)));
      got = FinishAsync<int>(result);
    };
    StartAsync(MakeTask<int>(on,
                             [&operation](On& on, Completer<Loop, int> c) {
                               operation.completer = std::move(c);
                               operation.completer->SetCancelHook(on,
                                                                  &operation);
                             }),
               nullptr, cancellable, &Callback::Call, &callback);
  }

  void RunUntilCalled() {
    while (callback.calls == 0) g_main_context_iteration(context, TRUE);
  }

  support::Watchdog watchdog{"a case of StartAsync()", 60};
  support::CapturedDiagnostics captured;
  GMainContext* const context;
  GCancellable* const cancellable = g_cancellable_new();
  std::unique_ptr<Loop> loop;
  Callback callback;
  std::optional<absl::StatusOr<int>> got;
};

BOOST_AUTO_TEST_SUITE(GlibAsync)

BOOST_AUTO_TEST_CASE(Co25_TheCallbackIsCalledOnceByTheExecutorsContext) {
  Fixture f;
  GObject* source = G_OBJECT(g_cancellable_new());
  std::string text;
  f.callback.function = [&](GAsyncResult* result) {
    BOOST_TEST(f.loop->IsOnLoop());
    BOOST_TEST(!g_task_had_error(G_TASK(result)));
    BOOST_TEST(g_task_get_context(G_TASK(result)) == f.context);
    text = FinishAsync<std::string>(result).value();
  };
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on, [] { return std::string("text"); }), source,
               nullptr, &Callback::Call, &f.callback);
  });
  BOOST_TEST(f.callback.calls == 0);
  g_object_unref(source);  // The task has it.
  f.RunUntilCalled();
  while (g_main_context_iteration(f.context, FALSE)) {
  }
  BOOST_TEST(f.callback.calls == 1);
  BOOST_TEST(f.callback.source == source);
  BOOST_TEST(text == "text");
}

Coro<Loop, std::unique_ptr<int>> Box(On& on, int value) {
  absl::StatusOr<int> answer =
      co_await RunInThread(on, [](int a) { return a + 1; }, value);
  if (!answer.ok()) co_return answer.status();
  co_return std::make_unique<int>(*answer);
}

struct Ui;

BOOST_AUTO_TEST_CASE(Co25_ACoroIsATaskAndEveryBrandHasIt) {
  Fixture f;
  int got = 0;
  f.callback.function = [&](GAsyncResult* result) {
    got = **FinishAsync<std::unique_ptr<int>>(result);
  };
  f.Enter([&](On& on) {
    StartAsync(Box(on, 6), nullptr, nullptr, &Callback::Call, &f.callback);
  });
  f.RunUntilCalled();
  BOOST_TEST(got == 7);

  auto ui = BasicGlibExecutor<Ui>::Create(f.context).value();
  bool went_well = false;
  f.callback.calls = 0;
  f.callback.function = [&](GAsyncResult* result) {
    went_well = FinishAsync<void>(result).ok();
  };
  BOOST_TEST(ui->Enter([&](OnLoop<BasicGlibExecutor<Ui>>& on) {
                 StartAsync(RunInThread(on, [] {}), nullptr, nullptr,
                            &Callback::Call, &f.callback);
               }).ok());
  f.RunUntilCalled();
  BOOST_TEST(went_well);
}

BOOST_AUTO_TEST_CASE(Co25_ACallbackIsNotNeeded) {
  Fixture f;
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on, [] {}), nullptr, nullptr, nullptr, nullptr);
  });
  BOOST_TEST(
      *f.loop->Drain(std::chrono::steady_clock::now() + std::chrono::hours(1)));
}

BOOST_AUTO_TEST_CASE(Co26_AResultIsTakenOnceAndAsWhatItIs) {
  Fixture f;
  GAsyncResult* kept = nullptr;
  f.callback.function = [&](GAsyncResult* result) {
    kept = G_ASYNC_RESULT(g_object_ref(result));
  };
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on, [] { return 42; }), nullptr, nullptr,
               &Callback::Call, &f.callback);
  });
  f.RunUntilCalled();
  BOOST_TEST((FinishAsync<long>(kept).status().code() ==
              absl::StatusCode::kInvalidArgument));
  BOOST_TEST(
      (FinishAsync<void>(kept).code() == absl::StatusCode::kInvalidArgument));
  BOOST_TEST(FinishAsync<int>(kept).value() == 42);
  BOOST_TEST((FinishAsync<int>(kept).status().code() ==
              absl::StatusCode::kFailedPrecondition));
  g_object_unref(kept);
}

BOOST_AUTO_TEST_CASE(Co26_WhatIsNoResultOfOursIsSaidToBeNone) {
  GTask* foreign = g_task_new(nullptr, nullptr, nullptr, nullptr);
  BOOST_TEST((FinishAsync<int>(G_ASYNC_RESULT(foreign)).status().code() ==
              absl::StatusCode::kInvalidArgument));
  g_object_unref(foreign);
  BOOST_TEST((FinishAsync<int>(nullptr).status().code() ==
              absl::StatusCode::kInvalidArgument));
}

BOOST_AUTO_TEST_CASE(Co27_CGetsErrorsWithTheCodeAndTheMessage) {
  Fixture f;
  GError* error = nullptr;
  int sys_errno = 0;
  f.callback.function = [&](GAsyncResult* result) {
    // Both ways to ask: GLib's own, and the typed one.
    BOOST_TEST(!g_task_propagate_boolean(G_TASK(result), &error));
    BOOST_TEST(g_error_matches(error, StatusErrorQuark(),
                               static_cast<int>(absl::StatusCode::kNotFound)));
    g_clear_error(&error);
    BOOST_TEST(!FinishAsync<std::string>(result, &error).has_value());
  };
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on,
                           []() -> absl::StatusOr<std::string> {
                             return ErrnoStatus(ENOENT, "open");
                           }),
               nullptr, nullptr, &Callback::Call, &f.callback);
  });
  f.RunUntilCalled();
  BOOST_REQUIRE(error != nullptr);
  BOOST_TEST(error->domain == StatusErrorQuark());
  BOOST_TEST(error->code == static_cast<int>(absl::StatusCode::kNotFound));
  BOOST_TEST(error->message == "open: No such file or directory");
  g_clear_error(&error);

  // C++ keeps the payload too.
  f.callback.calls = 0;
  f.callback.function = [&](GAsyncResult* result) {
    sys_errno = Errno(FinishAsync<void>(result));
  };
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on, [] { return ErrnoStatus(EPIPE, "write"); }),
               nullptr, nullptr, &Callback::Call, &f.callback);
  });
  f.RunUntilCalled();
  BOOST_TEST(sys_errno == EPIPE);
}

BOOST_AUTO_TEST_CASE(Co27_CGetsTheValue) {
  Fixture f;
  f.callback.function = [&](GAsyncResult* result) {
    GError* error = nullptr;
    f.got = FinishAsync<int>(result, &error).value();
    BOOST_TEST(error == nullptr);
  };
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on, [] { return 42; }), nullptr, nullptr,
               &Callback::Call, &f.callback);
  });
  f.RunUntilCalled();
  BOOST_TEST(**f.got == 42);
}

BOOST_AUTO_TEST_CASE(Co28_ACancellableCancelsTheTask) {
  Fixture f;
  Operation operation;
  f.Enter([&](On& on) { f.StartWaiting(on, operation); });
  g_cancellable_cancel(f.cancellable);
  BOOST_TEST(f.callback.calls == 0);
  f.RunUntilCalled();
  BOOST_TEST(operation.was_cancelled);
  BOOST_TEST(absl::IsCancelled(f.got->status()));
}

BOOST_AUTO_TEST_CASE(Co28_ItMayHaveBeenCancelledBefore) {
  Fixture f;
  Operation operation;
  g_cancellable_cancel(f.cancellable);
  f.Enter([&](On& on) { f.StartWaiting(on, operation); });
  BOOST_TEST(f.callback.calls == 0);
  f.RunUntilCalled();
  BOOST_TEST(absl::IsCancelled(f.got->status()));
}

BOOST_AUTO_TEST_CASE(Co28_CSeesGLibsOwnErrorForACancellation) {
  Fixture f;
  Operation operation;
  GError* error = nullptr;
  f.Enter([&](On& on) { f.StartWaiting(on, operation); });
  f.callback.function = [&](GAsyncResult* result) {
    (void)FinishAsync<int>(result, &error);
  };
  g_cancellable_cancel(f.cancellable);
  f.RunUntilCalled();
  BOOST_TEST(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
  g_error_free(error);
}

BOOST_AUTO_TEST_CASE(Co28_ACancellationThatComesTooLateChangesNothing) {
  Fixture f;
  f.callback.function = [&](GAsyncResult* result) {
    g_cancellable_cancel(f.cancellable);
    BOOST_TEST(!g_task_had_error(G_TASK(result)));
    f.got = FinishAsync<int>(result);
  };
  f.Enter([&](On& on) {
    StartAsync(RunInThread(on, [] { return 42; }), nullptr, f.cancellable,
               &Callback::Call, &f.callback);
  });
  f.RunUntilCalled();
  BOOST_TEST(**f.got == 42);
}

// A cancellable may be there for many.
BOOST_AUTO_TEST_CASE(Co28_NothingStaysConnectedToTheCancellable) {
  Fixture f;
  Operation operation;
  auto is_connected = [&] {
    return g_signal_has_handler_pending(
               f.cancellable, g_signal_lookup("cancelled", G_TYPE_CANCELLABLE),
               0, TRUE) != FALSE;
  };
  f.Enter([&](On& on) { f.StartWaiting(on, operation); });
  BOOST_TEST(is_connected());
  f.Enter([&](On&) { operation.completer.reset(); });
  f.RunUntilCalled();
  BOOST_TEST(!is_connected());

  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, f.captured.diagnostics());
    f.StartWaiting(on, operation);
  });
  f.loop.reset();
  BOOST_TEST(!is_connected());
  f.callback.calls = 0;
  f.RunUntilCalled();
}

// While the loop finishes, or sleeps, or starts the next one.
BOOST_AUTO_TEST_CASE(Co28_AnyThreadMayCancel) {
  Fixture f;
  constexpr int kRounds = 500;
  int cancelled = 0, finished = 0;
  for (int round = 0; round < kRounds; ++round) {
    GCancellable* cancellable = g_cancellable_new();
    std::atomic<bool> go{false};
    std::thread canceller([&] {
      while (!go) std::this_thread::yield();
      g_cancellable_cancel(cancellable);
    });
    f.callback.calls = 0;
    f.callback.function = [&](GAsyncResult* result) {
      absl::StatusOr<int> got = FinishAsync<int>(result);
      ++(got.ok() ? finished : cancelled);
      BOOST_TEST((got.ok() || absl::IsCancelled(got.status())));
    };
    f.Enter([&](On& on) {
      if (round % 2 == 0) go = true;
      StartAsync(RunInThread(on, [] { return 42; }), nullptr, cancellable,
                 &Callback::Call, &f.callback);
      go = true;
    });
    f.RunUntilCalled();
    canceller.join();
    g_object_unref(cancellable);
  }
  BOOST_TEST(cancelled + finished == kRounds);
}

BOOST_AUTO_TEST_CASE(Co29_TheCallbackIsCalledAlsoIfTheExecutorHasEnded) {
  Fixture f;
  Operation operation;
  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, f.captured.diagnostics());
    f.StartWaiting(on, operation);
  });
  f.loop.reset();
  BOOST_TEST(f.callback.calls == 0);
  f.RunUntilCalled();
  BOOST_TEST(f.callback.calls == 1);
  BOOST_TEST(absl::IsAborted(f.got->status()));
  BOOST_TEST(operation.was_cancelled);
  g_cancellable_cancel(f.cancellable);  // Of nothing any more.
}

// Where GLib would call a GTask's callback at once.
BOOST_AUTO_TEST_CASE(Co29_NotInsideOfTheExecutorsEndThough) {
  Fixture f;
  Operation operation;
  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, f.captured.diagnostics());
    f.StartWaiting(on, operation);
  });
  while (g_main_context_iteration(f.context, FALSE)) {
  }
  auto end = [&] {
    f.loop.reset();
    BOOST_TEST(f.callback.calls == 0);
  };
  GSource* source = g_timeout_source_new(2);
  g_source_set_callback(
      source,
      [](gpointer e) -> gboolean {
        (*static_cast<decltype(end)*>(e))();
        return G_SOURCE_REMOVE;
      },
      &end, nullptr);
  g_source_attach(source, f.context);
  g_source_unref(source);
  f.RunUntilCalled();
  BOOST_TEST(absl::IsAborted(f.got->status()));
}

BOOST_AUTO_TEST_CASE(Co29_ItsSourceIsHeldUntilThen) {
  Fixture f;
  gpointer source = g_cancellable_new();
  g_object_add_weak_pointer(G_OBJECT(source), &source);
  f.callback.function = [](GAsyncResult*) {};
  f.Enter([&](On& on) {
    on.executor().SetDiagnostics(on, f.captured.diagnostics());
    StartAsync(RunInThread(on, [] {}), G_OBJECT(source), f.cancellable,
               &Callback::Call, &f.callback);
  });
  g_object_unref(source);
  f.loop.reset();
  BOOST_TEST(source != nullptr);
  f.RunUntilCalled();
  while (g_main_context_iteration(f.context, FALSE)) {
  }
  BOOST_TEST(source == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
