// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// Two hosts on one thread: an io_context that a GLib program pumps, a
// GMainContext that an Asio program polls for, and callbacks of either that run
// the other one nested. Everything happens on its own loop, and neither loop
// loses a wake-up: a lost one hangs here.

#include <glib.h>
#include <unistd.h>

#include <array>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/executors/asio.h"
#include "qio/executors/glib.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/support/captured_diagnostics.h"
#include "qio/support/pipe.h"
#include "qio/support/watchdog.h"
#include "qio/task.h"
#include "qio/timer.h"
#include "qio/watch.h"

namespace qio {
namespace {

using OnGlib = OnLoop<GlibExecutor>;
using OnAsio = OnLoop<AsioExecutor>;
using std::chrono::milliseconds;

// One of everything on a loop: a task, a timer, a watch and a post from another
// thread. Each is called once, on that loop and on the thread that began it.
template <class E>
class Life {
 public:
  using On = OnLoop<E>;

  Life(E& executor, std::function<void()> done)
      : executor_(executor), done_(std::move(done)) {
    const absl::Status status = executor.Enter([this](On& on) { Begin(on); });
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  ~Life() { outsider_.join(); }

  bool done() const { return calls_ == 4; }

 private:
  void Begin(On& on) {
    RunInThread(
        on,
        [](std::thread::id* worker) { *worker = std::this_thread::get_id(); },
        AssumeSendable(&worker_))
        .Then([this](On& on, absl::Status status) {
          BOOST_TEST(status.ok());
          BOOST_TEST((worker_ != std::this_thread::get_id()));
          Called(on);
        });
    timer_.StartAfter(on, milliseconds(3), [this](On& on) { Called(on); });
    const absl::Status started = watch_.Start(
        on, pipe_.reader.get(), Condition::kIn, [this](On& on, Condition) {
          watch_.Stop(on);
          Called(on);
        });
    BOOST_TEST(started.ok());
    outsider_ = std::thread([this, ref = LoopRef<E>(on)] {
      pipe_.Write();
      (void)ref.Post([](On& on, Life* self) { self->Called(on); },
                     AssumeSendable(this));
    });
  }

  void Called(On& on) {
    BOOST_TEST(std::addressof(on.executor()) == std::addressof(executor_));
    BOOST_TEST(executor_.IsOnLoop());
    BOOST_TEST((std::this_thread::get_id() == thread_));
    ++calls_;
    if (done()) done_();
  }

  E& executor_;
  const std::function<void()> done_;
  const std::thread::id thread_ = std::this_thread::get_id();
  std::thread::id worker_;
  support::Pipe pipe_;
  Watch<E> watch_;
  Timer<E> timer_;
  std::thread outsider_;
  int calls_ = 0;
};

// The two hosts, each with its executor, and nobody who runs them.
struct Fixture {
  Fixture()
      : context(g_main_context_new()),
        glib(GlibExecutor::Create(context).value()),
        asio(AsioExecutor::Create(io).value()) {}
  ~Fixture() {
    asio.reset();
    glib.reset();
    g_main_context_unref(context);
  }

  template <class F>
  void EnterGlib(F f) {
    const absl::Status status = glib->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }
  template <class F>
  void EnterAsio(F f) {
    const absl::Status status = asio->Enter(f);
    BOOST_REQUIRE_MESSAGE(status.ok(), status.ToString());
  }

  // From one loop to the other and back, `rounds` times, by Enter() and by a
  // worker in turn; then done().
  void PingPong(OnGlib& on, int rounds, std::function<void()> done) {
    if (rounds == 0) return done();
    auto there = [this, rounds, done](OnAsio& on) {
      RunInThread(on, [] {}).Then([=, this](OnAsio&, absl::Status) {
        EnterGlib([&](OnGlib& on) {
          Post(on, [=, this](OnGlib& on) { PingPong(on, rounds - 1, done); });
        });
      });
    };
    RunInThread(on, [] {}).Then([=, this](OnGlib&, absl::Status) {
      EnterAsio([&](OnAsio& on) { Post(on, there); });
    });
  }

  support::Watchdog watchdog{"a case of nested hosts", 60};
  GMainContext* const context;
  asio::io_context io;
  // Both hosts are the program's, which goes on while qio is idle.
  asio::executor_work_guard<asio::io_context::executor_type> guard{
      io.get_executor()};
  std::unique_ptr<GlibExecutor> glib;
  std::unique_ptr<AsioExecutor> asio;
};

// A GLib program that has an io_context, too: Asio has no descriptor to wait
// for, so it is polled now and then.
struct AsioInGlib : Fixture {
  AsioInGlib() : main_loop(g_main_loop_new(context, FALSE)) {
    GSource* source = g_timeout_source_new(1);
    g_source_set_callback(
        source,
        [](gpointer io) -> gboolean {
          static_cast<asio::io_context*>(io)->poll();
          return G_SOURCE_CONTINUE;
        },
        &io, nullptr);
    g_source_attach(source, context);
    g_source_unref(source);
  }
  ~AsioInGlib() { g_main_loop_unref(main_loop); }

  void Run() { g_main_loop_run(main_loop); }
  void Quit() { g_main_loop_quit(main_loop); }

  GMainLoop* const main_loop;
};

// An Asio program that has a GMainContext, too, and polls for it, as GLib
// offers: Asio waits for its descriptors and its timeout.
class GlibInAsio : public Fixture {
 public:
  GlibInAsio() {
    g_main_context_acquire(context);
    Wait();
  }
  ~GlibInAsio() { g_main_context_release(context); }

  void Run() { io.run(); }
  void Quit() { io.stop(); }

 private:
  void Wait() {
    int timeout_ms = 0;
    g_main_context_prepare(context, &priority_);
    size_ = g_main_context_query(context, priority_, &timeout_ms, fds_.data(),
                                 static_cast<int>(fds_.size()));
    BOOST_REQUIRE(static_cast<std::size_t>(size_) <= fds_.size());
    auto turn = [this, number = ++turn_](asio::error_code) {
      if (number == turn_) Turn();
    };
    for (int i = 0; i < size_; ++i) {
      descriptors_.emplace_back(io,
                                ::dup(fds_[static_cast<std::size_t>(i)].fd));
      descriptors_.back().async_wait(asio::posix::stream_descriptor::wait_read,
                                     turn);
    }
    if (timeout_ms >= 0) {
      timer_.expires_after(milliseconds(timeout_ms));
      timer_.async_wait(turn);
    }
  }

  void Turn() {
    ++turn_;  // What else is on its way comes too late.
    descriptors_.clear();
    timer_.cancel();
    g_poll(fds_.data(), static_cast<guint>(size_), 0);
    g_main_context_check(context, priority_, fds_.data(), size_);
    g_main_context_dispatch(context);
    Wait();
  }

  std::array<GPollFD, 8> fds_;
  int size_ = 0;
  int priority_ = 0;
  int turn_ = 0;
  std::deque<asio::posix::stream_descriptor> descriptors_;
  asio::steady_timer timer_{io};
};

template <class Program>
void LivesOnBoth() {
  Program f;
  std::optional<Life<GlibExecutor>> glib;
  std::optional<Life<AsioExecutor>> asio;
  int done = 0;
  auto one_done = [&] {
    if (++done == 2) f.Quit();
  };
  glib.emplace(*f.glib, one_done);
  asio.emplace(*f.asio, one_done);
  f.Run();
  BOOST_TEST(glib->done());
  BOOST_TEST(asio->done());
}

template <class Program>
void PingPongs() {
  Program f;
  bool done = false;
  f.EnterGlib([&](OnGlib& on) {
    f.PingPong(on, 300, [&] {
      done = true;
      f.Quit();
    });
  });
  f.Run();
  BOOST_TEST(done);
}

BOOST_AUTO_TEST_SUITE(NestedHosts)

BOOST_AUTO_TEST_CASE(AsioInGlib_EverythingHappensOnItsOwnLoop) {
  LivesOnBoth<AsioInGlib>();
}

BOOST_AUTO_TEST_CASE(GlibInAsio_EverythingHappensOnItsOwnLoop) {
  LivesOnBoth<GlibInAsio>();
}

BOOST_AUTO_TEST_CASE(Ex04_AsioInGlib_NoWakeUpIsLostBetweenThem) {
  PingPongs<AsioInGlib>();
}

BOOST_AUTO_TEST_CASE(Ex04_GlibInAsio_NoWakeUpIsLostBetweenThem) {
  PingPongs<GlibInAsio>();
}

// In a callback of GLib's loop the program waits for something of Asio's, there
// for something of GLib's, and there for something of Asio's again.
BOOST_AUTO_TEST_CASE(Ex16_AGlibCallbackRunsAsioAndThatRunsGlib) {
  Fixture f;
  std::string order;
  Timer<GlibExecutor> glib_timer;
  Timer<AsioExecutor> asio_timer;
  bool glib_done = false, inner_done = false, outer_done = false;

  auto innermost = [&](OnGlib&, OnAsio& on_asio) {
    bool done = false;
    asio_timer.StartAfter(on_asio, milliseconds(1), [&](OnAsio&) {
      order += "asio-timer ";
      done = true;
    });
    // The Asio loop is in a callback of its own: a bare run_one() would wait.
    BOOST_TEST(on_asio.executor().RunNested(on_asio, [&] { return done; }));
    glib_done = true;
  };
  auto inner = [&](OnAsio& on_asio) {
    order += "asio-task ";
    f.EnterGlib([&](OnGlib& on) {
      glib_timer.StartAfter(on, milliseconds(1), [&](OnGlib& on) {
        order += "glib-timer ";
        innermost(on, on_asio);
      });
    });
    while (!glib_done) g_main_context_iteration(f.context, TRUE);
    BOOST_TEST(f.asio->IsOnLoop());
    order += "asio-ends ";
    inner_done = true;
  };
  f.EnterGlib([&](OnGlib& on) {
    Post(on, [&](OnGlib& on) {
      order += "glib ";
      Post(on, [&](OnGlib&) { order += "queued "; });
      f.EnterAsio([&](OnAsio& on) {
        RunInThread(on, [] {}).Then(
            [&](OnAsio& on, absl::Status) { inner(on); });
      });
      BOOST_TEST(!f.asio->IsOnLoop());
      while (!inner_done) f.io.run_one();
      BOOST_TEST(f.glib->IsOnLoop());
      order += "glib-ends";
      outer_done = true;
    });
  });
  while (!outer_done) g_main_context_iteration(f.context, TRUE);
  // What GLib had queued meanwhile ran in its nested iteration, once.
  BOOST_TEST(order ==
             "glib asio-task queued glib-timer asio-timer asio-ends glib-ends");
}

// The other way round.
BOOST_AUTO_TEST_CASE(Ex16_AnAsioCallbackRunsGlibAndThatRunsAsio) {
  Fixture f;
  std::string order;
  Timer<AsioExecutor> asio_timer;
  f.EnterAsio([&](OnAsio& on) {
    Post(on, [&](OnAsio& on_asio) {
      order += "asio ";
      Post(on_asio, [&](OnAsio&) { order += "queued "; });
      GMainLoop* const inner = g_main_loop_new(f.context, FALSE);
      f.EnterGlib([&](OnGlib& on) {
        RunInThread(on, [] {}).Then([&](OnGlib& on, absl::Status) {
          order += "glib-task ";
          bool done = false;
          asio_timer.StartAfter(on_asio, milliseconds(1), [&](OnAsio&) {
            order += "asio-timer ";
            done = true;
          });
          BOOST_TEST(f.asio->RunNested(on_asio, [&] { return done; }));
          Post(on, [&](OnGlib&) {
            order += "glib-post ";
            g_main_loop_quit(inner);
          });
        });
      });
      BOOST_TEST(!f.glib->IsOnLoop());
      g_main_loop_run(inner);
      g_main_loop_unref(inner);
      BOOST_TEST(f.asio->IsOnLoop());
      order += "asio-ends";
      f.io.stop();
    });
  });
  f.io.run();
  BOOST_TEST(order == "asio glib-task queued asio-timer glib-post asio-ends");
}

// While one loop waits in a callback for the other, its own mail waits too, and
// is not lost.
BOOST_AUTO_TEST_CASE(Ex04_MailForTheLoopThatWaitsComesAfterwards) {
  Fixture f;
  int mail = 0;
  f.EnterGlib([&](OnGlib& on) {
    Post(on, [&, ref = LoopRef<GlibExecutor>(on)](OnGlib&) {
      for (int i = 0; i < 100; ++i) {
        bool done = false;
        f.EnterAsio([&](OnAsio& on) {
          // The completion is Asio's; a hop on its way there is GLib's.
          RunInThread(
              on,
              [](LoopRef<GlibExecutor> ref, int* mail) {
                (void)ref.Post([](OnGlib&, int* mail) { ++*mail; },
                               AssumeSendable(mail));
              },
              ref, AssumeSendable(&mail))
              .Then([&](OnAsio&, absl::Status) { done = true; });
        });
        while (!done) f.io.run_one();
        BOOST_TEST(mail == 0);
      }
    });
  });
  while (mail < 100) g_main_context_iteration(f.context, TRUE);
  BOOST_TEST(mail == 100);
}

// The executor of one may end in a callback of the other.
BOOST_AUTO_TEST_CASE(Ex10_OneMayEndTheOther) {
  support::CapturedDiagnostics captured;
  AsioInGlib f;
  bool called = false;
  Timer<AsioExecutor> timer;
  f.EnterAsio([&](OnAsio& on) {
    on.executor().SetDiagnostics(on, captured.diagnostics());
    timer.StartAfter(on, milliseconds(0), [&](OnAsio&) { called = true; });
  });
  std::optional<Life<GlibExecutor>> life;
  f.EnterGlib([&](OnGlib& on) {
    Post(on, [&](OnGlib&) {
      f.asio.reset();
      life.emplace(*f.glib, [&] { f.Quit(); });
    });
  });
  f.Run();
  BOOST_TEST(!called);
  BOOST_TEST(captured.text().find("timers 1") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
