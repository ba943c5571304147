// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/asio.h
//
// AsioExecutor runs qio on an asio::io_context (standalone Asio), beside the
// sockets and timers that the program has there.
//
//   asio::io_context io;
//   auto loop = qio::AsioExecutor::Create(io);
//   if (!loop.ok()) return loop.status();
//   absl::Status status = (*loop)->Enter([](qio::OnLoop<qio::AsioExecutor>& on)
//   {
//     ...  // start what the program does
//   });
//   io.run();  // Returns when nothing is outstanding, of qio's or of its own.
//
// A handler of Asio's gets its witness from Enter(). The loop is a strand: any
// number of threads may run the io_context, and its callbacks never overlap.

#ifndef QIO_EXECUTORS_ASIO_H_
#define QIO_EXECUTORS_ASIO_H_

#include <algorithm>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/executor.h"
#include "qio/executors/internal/asio_turn.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {
namespace internal_asio {

// Tells executors that their io_context ends before them.
class Service : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;

  explicit Service(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  void Add(internal_asio_turn::Cell* cell) {
    std::lock_guard<std::mutex> lock(mutex_);
    cells_.push_back(cell);
  }
  void Remove(internal_asio_turn::Cell* cell) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    std::erase(cells_, cell);
  }

 private:
  void shutdown() override {
    for (auto* cell : cells_) cell->host_gone(cell->executor);
  }

  std::mutex mutex_;
  std::vector<internal_asio_turn::Cell*> cells_;
};

struct Mailer;

// Lets go of `object` without ending it.
template <class T>
void LeaveAlone(T&& object) {
  union Kept {
    explicit Kept(T&& o) : value(std::move(o)) {}
    ~Kept() {}
    T value;
  } kept(std::move(object));
}

}  // namespace internal_asio

// Two io_contexts whose executors have different brands do not mix:
//
//   struct Front; struct Back;  // Declared once, in a namespace.
//   using FrontLoop = qio::BasicAsioExecutor<Front>;
//
// What a callback throws leaves the io_context's run(), which can then be
// called again, as for any handler.
template <class Brand>
class BasicAsioExecutor final : public ReactorHost<BasicAsioExecutor<Brand>> {
 public:
  using On = OnLoop<BasicAsioExecutor>;

  // On `io`, which should live longer. If it does not, what is outstanding
  // stays so until the executor ends, and Enter() is refused.
  //
  // Affinity:  any thread.
  // Errors:    of epoll_create1(2), eventfd(2), timerfd_create(2) and
  //            epoll_ctl(2), with their errno; nothing is left open then.
  static absl::StatusOr<std::unique_ptr<BasicAsioExecutor>> Create(
      asio::io_context& io);

  // Ends everything that is outstanding, and reports it.
  //
  // Affinity:  any thread while nobody is on the loop; also a handler of
  //            Asio's, but no callback of qio's.
  ~BasicAsioExecutor();

  // Calls f(on) now, on this thread, if no other thread is on the loop at this
  // moment: a program's first witness, or one for a handler of Asio's.
  //
  // Affinity:  becomes the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is on the loop, or the
  //            io_context is gone. Lets through what f throws.
  template <class F>
  Status Enter(F&& f);

  // Runs the io_context inside a callback until done() is true, with handlers
  // of Asio's and callbacks of qio's: for code that has to wait for something.
  // (A bare io.run_one() there runs the program's handlers and none of ours.)
  // done() is looked at after each handler.
  //
  // False: the io_context was stopped, or ran out of work, before. Lets
  // through what a handler throws.
  template <class Done>
  bool RunNested(On&, Done done) {
    static_assert(std::is_invocable_r_v<bool, Done&>,
                  "qio: RunNested(on, done) asks bool done()");
    return RunUntil(done, Deadline::max());
  }

  // Runs the io_context until nothing of qio's is outstanding, or `deadline`.
  // False: something is. As with run(), the io_context is stopped if this was
  // all its work.
  //
  // Affinity:  becomes the loop.
  // Errors:    kFailedPrecondition if another thread is on the loop, or the
  //            io_context is stopped or gone.
  absl::StatusOr<bool> Drain(std::chrono::steady_clock::time_point deadline);

  bool IsOnLoop() const noexcept { return cell_->strand.IsMe(); }
  bool RunsElsewhere() const noexcept { return cell_->strand.IsAnother(); }

  asio::io_context& context() const noexcept { return io_; }

 private:
  using Base = ReactorHost<BasicAsioExecutor>;
  using Deadline = std::chrono::steady_clock::time_point;
  using Descriptor =
      asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
  using Cell = internal_asio_turn::Cell;
  using Handler = internal_asio_turn::Handler;
  using Service = internal_asio::Service;
  using Entered = internal_asio_turn::Strand::Entered;
  friend struct internal_asio::Mailer;

  // The one handler of ours that is with Asio.
  enum class Pending {
    kNone,     // None, so run() may return.
    kWaiting,  // It comes when the reactor's descriptor is readable.
    kComing,   // It was posted, or its wait cancelled.
  };

  // Leaves the loop at the end of a scope, however that ends.
  class Leaving {
   public:
    Leaving(BasicAsioExecutor& e, bool nested) noexcept
        : executor_(nested ? nullptr : &e) {
      if (!nested) e.reactor().set_kick_unasked(false);
    }
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;
    ~Leaving() {
      if (executor_ != nullptr) executor_->Leave();
    }

   private:
    BasicAsioExecutor* const executor_;
  };

  // How long a nested run relies on being woken. Another thread in run() may
  // have taken our handler, which then leaves a note and wakes nobody.
  static constexpr std::chrono::milliseconds kNestedWait{10};

  BasicAsioExecutor(ReactorParts parts, asio::io_context& io);

  absl::Status Attach();
  absl::Status Elsewhere() const {
    return absl::FailedPreconditionError(
        descriptor_ ? "another thread is on the Asio loop"
                    : "the io_context is gone");
  }

  bool Mail(internal_reactor::Node* node);
  void RunTurn();
  void Wait();
  void Settle();
  void Leave() noexcept;
  void AnswerNote();
  template <class Done>
  bool RunUntil(Done& done, Deadline until);

  asio::io_context& io_;
  const std::shared_ptr<Cell> cell_;

  // The rest belongs to the thread on the loop.
  std::optional<Descriptor> descriptor_;  // Empty once io_ is gone.
  Pending pending_ = Pending::kNone;
};

using AsioExecutor = BasicAsioExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Brand>
absl::StatusOr<std::unique_ptr<BasicAsioExecutor<Brand>>>
BasicAsioExecutor<Brand>::Create(asio::io_context& io) {
  // Asio gives no turn a timeout of ours.
  absl::StatusOr<ReactorParts> parts =
      ReactorParts::Create(ReactorParts::Timing::kTimerFd);
  if (!parts.ok()) return parts.status();
  std::unique_ptr<BasicAsioExecutor> executor(
      new BasicAsioExecutor(*std::move(parts), io));
  if (absl::Status status = executor->Attach(); !status.ok()) return status;
  return executor;
}

template <class Brand>
BasicAsioExecutor<Brand>::BasicAsioExecutor(ReactorParts parts,
                                            asio::io_context& io)
    : Base(std::move(parts), "Asio"), io_(io), cell_(std::make_shared<Cell>()) {
  cell_->executor = this;
  cell_->turn = [](void* executor, bool nested) {
    auto& self = *static_cast<BasicAsioExecutor*>(executor);
    Leaving leaving(self, nested);
    self.pending_ = Pending::kNone;
    // What it runs nested ends with a wait: Asio must not run out of work.
    if (nested) self.Wait();
    self.RunTurn();
  };
  cell_->host = &io;
  cell_->note_left = [](void* host) noexcept {
    auto& io = *static_cast<asio::io_context*>(host);
    io.get_executor().on_work_started();
  };
  cell_->host_gone = [](void* executor) noexcept {
    auto& self = *static_cast<BasicAsioExecutor*>(executor);
    self.descriptor_->release();
    self.descriptor_.reset();
  };
}

template <class Brand>
absl::Status BasicAsioExecutor<Brand>::Attach() {
#if defined(__cpp_exceptions)
  try {
#endif
    descriptor_.emplace(io_);
    asio::error_code error;
    descriptor_->assign(this->reactor().poll_fd(), error);
    if (error) return ErrnoStatus(error.value(), "epoll_ctl");
    // After the descriptor's own service, so that it is told first.
    asio::use_service<Service>(static_cast<asio::execution_context&>(io_))
        .Add(cell_.get());
#if defined(__cpp_exceptions)
  } catch (const std::system_error& error) {
    // Asio makes its own epoll set when it is first needed.
    return ErrnoStatus(error.code().value(), "io_context");
  }
#endif
  return absl::OkStatus();
}

template <class Brand>
BasicAsioExecutor<Brand>::~BasicAsioExecutor() {
  // From here on a handler that is still under way does nothing.
  if (!cell_->strand.Close()) {
    internal_diagnostics::Die(
        "qio: an AsioExecutor was destroyed while its loop runs");
  }
  if (descriptor_) {
    asio::use_service<Service>(static_cast<asio::execution_context&>(io_))
        .Remove(cell_.get());
    if (this->reactor().in_child()) {
      // Taken out of Asio's epoll set it would be out of the parent's.
      internal_asio::LeaveAlone(*std::move(descriptor_));
    } else {
      // It is the reactor's to close.
      descriptor_->release();
    }
  }
  this->reactor().Close();
}

template <class Brand>
template <class F>
Status BasicAsioExecutor<Brand>::Enter(F&& f) {
  static_assert(std::is_invocable_v<F&, On&>,
                "qio: Enter(f) calls f(on): let it take an OnLoop<E>& of this "
                "loop");
  const Entered entered = cell_->strand.TryEnter();
  if (entered <= Entered::kBusy) return Elsewhere();
  Leaving leaving(*this, entered == Entered::kNested);
  if (!descriptor_) return Elsewhere();
  f(this->on());
  // Nobody may run the io_context for a while.
  this->reactor().FlushWork();
  return absl::OkStatus();
}

template <class Brand>
absl::StatusOr<bool> BasicAsioExecutor<Brand>::Drain(Deadline deadline) {
  const Entered entered = cell_->strand.TryEnter();
  if (entered <= Entered::kBusy) return Elsewhere();
  Leaving leaving(*this, entered == Entered::kNested);
  if (!descriptor_) return Elsewhere();
  auto done = [&] {
    return this->reactor().outstanding() == 0 ||
           std::chrono::steady_clock::now() >= deadline;
  };
  if (!RunUntil(done, deadline)) {
    return absl::FailedPreconditionError(
        "the io_context is stopped; restart() it first");
  }
  return this->reactor().outstanding() == 0;
}

// Queues `node` for the loop, also if nothing is outstanding there, so that no
// wait is armed that would find it. False: it is still the caller's. Any
// thread.
template <class Brand>
bool BasicAsioExecutor<Brand>::Mail(internal_reactor::Node* node) {
  // Once it is queued, somebody may be through with it and with the executor.
  const std::shared_ptr<Cell> cell = cell_;
  if (!internal_reactor::Access::core(this->reactor())->Post(node))
    return false;
  if (cell->strand.EnterOrTellOfMail() == Entered::kOutermost) {
    Leaving leaving(*this, false);
  }
  return true;
}

template <class Brand>
void BasicAsioExecutor<Brand>::RunTurn() {
  Reactor& reactor = this->reactor();
  reactor.PollDescriptors(0);
  reactor.RunQueuedAndSpin();
}

template <class Brand>
void BasicAsioExecutor<Brand>::Wait() {
  if (pending_ != Pending::kNone) return;
  pending_ = Pending::kWaiting;
  descriptor_->async_wait(Descriptor::wait_read, Handler{cell_});
}

// Sees to it that a turn comes if one is needed, and that run() may return if
// none is: a handler of ours is with Asio for as long as something is
// outstanding, and counts as Asio's work.
template <class Brand>
void BasicAsioExecutor<Brand>::Settle() {
  if (!descriptor_) return;
  Reactor& reactor = this->reactor();
  const bool now = reactor.HasMail() || !reactor.Park();
  const bool later = reactor.outstanding() != 0;
  reactor.set_kick_unasked(later);
  if (pending_ == Pending::kWaiting && (now || !later)) {
    pending_ = Pending::kComing;
    asio::error_code ignored;
    descriptor_->cancel(ignored);
  } else if (pending_ == Pending::kNone && now) {
    pending_ = Pending::kComing;
    asio::post(io_, Handler{cell_});
  } else if (later) {
    Wait();
  }
}

template <class Brand>
void BasicAsioExecutor<Brand>::Leave() noexcept {
  for (;;) {
    Settle();
    // From here on another thread may have destroyed the executor.
    if (cell_->strand.Leave()) return;
    AnswerNote();
  }
}

// Posts a handler in place of the one that left the note; always, so that
// Asio's count of work does not go to zero here, outside of run().
template <class Brand>
void BasicAsioExecutor<Brand>::AnswerNote() {
  if (!cell_->strand.TakeNote()) return;
  pending_ = Pending::kComing;
  asio::post(io_, Handler{cell_});
  io_.get_executor().on_work_finished();
}

template <class Brand>
template <class Done>
bool BasicAsioExecutor<Brand>::RunUntil(Done& done, Deadline until) {
  Reactor& reactor = this->reactor();
  while (!done()) {
    if (!descriptor_ || io_.stopped()) return false;
    Wait();
    if (reactor.HasMail() || !reactor.Park()) {
      RunTurn();
      io_.poll_one();
      continue;
    }
    const bool ran =
        io_.run_one_until(std::min(
            until, std::chrono::steady_clock::now() + kNestedWait)) != 0;
    AnswerNote();
    if (!ran) RunTurn();
  }
  return true;
}

static_assert(Executor<AsioExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_ASIO_H_
