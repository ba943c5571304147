// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/simulated.h
//
// SimulatedExecutor runs a whole program, its loops, workers and network, on
// one thread and in a world of its own: the clock is virtual, workers are steps
// between two calls of a loop, sockets exist only in memory, and a seed chooses
// what happens next, and what goes wrong. The same seed gives the same trace,
// byte for byte; so a bug that one schedule in a million shows is found by
// trying seeds, and is found again by its seed.
//
//   qio::SimulatedOptions options;
//   options.seed = seed;
//   options.faults = qio::SimulatedFaults::All();
//   qio::SimulatedWorld world(options);
//   auto server = *qio::SimulatedExecutor::Create(world);
//   auto client = *qio::SimulatedExecutor::Create(world);
//   ...                                  // Start both sides by Enter().
//   if (!world.RunUntilIdle()) ...       // It never comes to rest.
//   ...                                  // Check what must hold.
//
// For tests of programs that are templates over their executor. A program
// under simulation takes the time from its world and starts no thread;
// addresses are to be numbers, since a name is looked up for real. Loops are
// made in the same order each time. Watches on descriptors work, and are not
// simulated.

#ifndef QIO_EXECUTORS_SIMULATED_H_
#define QIO_EXECUTORS_SIMULATED_H_

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/executor.h"
#include "qio/executors/internal/simulated_network.h"
#include "qio/executors/internal/simulation.h"
#include "qio/executors/simulated_options.h"
#include "qio/on_loop.h"
#include "qio/owner_thread.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"
#include "qio/status.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

template <class Brand>
class BasicSimulatedExecutor;

namespace internal_simulation {
// For the library's own tests, which speak to the network without a loop.
struct Access;
}  // namespace internal_simulation

// What the executors of one simulation share: clock, network, workers, and the
// seed that orders them. Outlives its executors.
//
// Affinity:  one thread, all of it; that of the executors.
class SimulatedWorld {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SimulatedWorld(const SimulatedOptions& options)
      : simulation_(options),
        network_(simulation_),
        workers_(std::make_shared<internal_simulation::SimulatedWorkers>(
            simulation_)) {}
  SimulatedWorld(const SimulatedWorld&) = delete;
  SimulatedWorld& operator=(const SimulatedWorld&) = delete;
  // Workers that are still out return here.
  ~SimulatedWorld() {
    if (simulation_.has_loops()) {
      internal_diagnostics::Die(
          "qio: a SimulatedWorld was destroyed before its executors");
    }
    workers_->FinishAll();
  }

  // The functions below let through what a callback throws, and can then be
  // called again. In a callback they run the same world, nested.

  // Lets one thing happen: a turn of a loop, an event of a socket, a step of a
  // worker; the clock goes on to it. False: nothing ever will.
  bool Step() { return simulation_.Step(internal_simulation::kNever); }

  // The same, of what is due now: the clock does not go on to anything.
  bool StepNow() { return simulation_.Step(simulation_.now_ns()); }

  // Until nothing will ever happen. False: it goes on after `steps_max` steps.
  [[nodiscard("qio: it may never come to rest")]]
  bool RunUntilIdle(std::uint64_t steps_max = 1'000'000) {
    for (; steps_max > 0; --steps_max) {
      if (!Step()) return true;
    }
    return false;
  }

  // Until done(), which is asked between steps. False: nothing more happens, or
  // there were `steps_max` steps, and it is not done.
  template <class Done>
  bool RunUntil(Done done, std::uint64_t steps_max = 1'000'000);

  // Everything of the next `time`, after which the clock has moved by that.
  void RunFor(std::chrono::nanoseconds time) {
    const std::int64_t end_ns = simulation_.now_ns() + time.count();
    while (simulation_.Step(end_ns)) {
    }
    simulation_.AdvanceTo(end_ns);
  }

  // Moves the clock without letting anything happen: as if all were late.
  void SkipTo(Clock::time_point time) {
    simulation_.AdvanceTo(time.time_since_epoch().count());
  }

  Clock::time_point now() const {
    return Clock::time_point(std::chrono::nanoseconds(simulation_.now_ns()));
  }

  // What goes wrong from now on; None() lets a program come to its end.
  void SetFaults(const SimulatedFaults& faults) {
    simulation_.options.faults = faults;
  }

  // A number less than `end`: what the program itself leaves to the seed.
  std::uint64_t Choose(std::uint64_t end) {
    return simulation_.random.Below(end);
  }
  // Puts a number of the program's own into the trace.
  void Note(std::uint64_t value) {
    simulation_.Note(internal_simulation::What::kNote, 0, value);
  }

  // Sockets that are open, and clients that wait to be accepted.
  std::uint32_t open_sockets() const { return network_.open_count(); }

  // All that has happened, as one number; and, if the options say so, as text:
  // a line each with the time in nanoseconds, what, its number and its value.
  std::uint64_t trace_hash() const { return simulation_.trace.hash(); }
  std::uint64_t trace_size() const { return simulation_.trace.size(); }
  std::string TraceText() const { return simulation_.trace.Text(); }

 private:
  template <class Brand>
  friend class BasicSimulatedExecutor;
  friend struct internal_simulation::Access;

  internal_simulation::Simulation simulation_;
  internal_simulation::SimulatedNetwork network_;
  std::shared_ptr<internal_simulation::SimulatedWorkers> workers_;
};

template <class Brand>
class BasicSimulatedExecutor final
    : public ReactorHost<BasicSimulatedExecutor<Brand>> {
 public:
  using On = OnLoop<BasicSimulatedExecutor>;
  using Io = internal_simulation::SimulatedIo<BasicSimulatedExecutor>;

  // One more loop of `world`.
  //
  // Errors:  of epoll_create1(2) and eventfd(2), with their errno.
  static absl::StatusOr<std::unique_ptr<BasicSimulatedExecutor>> Create(
      SimulatedWorld& world) {
    absl::StatusOr<ReactorParts> parts =
        ReactorParts::Create(ReactorParts::Timing::kTimeouts);
    if (!parts.ok()) return parts.status();
    parts->now_ns = world.simulation_.now_ns();
    return std::unique_ptr<BasicSimulatedExecutor>(
        new BasicSimulatedExecutor(*std::move(parts), world));
  }

  // Ends everything that is outstanding, its sockets too, and reports it.
  //
  // Affinity:  any thread while nobody runs the world; not from a callback.
  ~BasicSimulatedExecutor() {
    owner_.DieUnlessFree("a SimulatedExecutor");
    this->reactor().Close();
    // Of what was opened by destructors meanwhile.
    io_.End();
    world_.simulation_.RemoveLoop(loop_);
  }

  SimulatedWorld& world() const { return world_; }
  Io& io() { return io_; }

  // Calls f(on) now, on this thread.
  //
  // Affinity:  becomes the loop for the length of the call.
  // Errors:    kFailedPrecondition if another thread is on the loop.
  template <class F>
  Status Enter(F&& f) {
    Owning owning(owner_);
    if (!owning) return Elsewhere();
    f(this->on());
    this->reactor().FlushWork();
    return absl::OkStatus();
  }

  // Waits in real time for what is not of the simulated world: a post from a
  // thread, a descriptor, whose watches are called. False: `timeout` has
  // passed.
  absl::StatusOr<bool> WaitUntilReady(std::chrono::nanoseconds timeout);

  bool IsOnLoop() const noexcept { return owner_.IsMe(); }
  bool RunsElsewhere() const noexcept { return owner_.IsAnother(); }

 private:
  using Base = ReactorHost<BasicSimulatedExecutor>;
  using Owning = OwnerThread::Owning;

  // Ends the sockets where the Io of the kernel's sockets does.
  struct IoEnd final : internal_reactor::Extension {
    explicit IoEnd(Io& its_io) : io(its_io) {}
    ~IoEnd() override { io.End(); }
    Io& io;
  };

  // What the simulation has of it. No base, or the witness would be made of an
  // object whose virtual functions are not there yet.
  struct WorldsLoop final : internal_simulation::Loop {
    explicit WorldsLoop(BasicSimulatedExecutor& its_executor)
        : executor(its_executor) {}

    Reactor& reactor() const { return executor.reactor(); }

    bool HasWork() const noexcept override { return reactor().HasWork(); }
    bool IsDescriptorReady() const noexcept override {
      if (!reactor().HasWatches()) return false;
      pollfd readable{reactor().poll_fd(), POLLIN, 0};
      return ::poll(&readable, 1, 0) > 0;
    }
    void Turn(int budget) override {
      Owning owning(executor.owner_);
      if (!owning) return;
      if (reactor().HasWatches()) reactor().PollDescriptors(0);
      reactor().RunQueued(budget);
    }
    void Tell(std::uint32_t socket) override {
      Owning owning(executor.owner_);
      if (!owning) return;
      executor.io_.Tell(executor.on(), socket);
      reactor().FlushWork();
    }
    std::int64_t NextTimerNs() const noexcept override {
      const int ms = reactor().TimeoutMs();
      if (ms < 0) return internal_simulation::kNever;
      return executor.world_.simulation_.now_ns() +
             ms * std::int64_t{1'000'000};
    }
    void SetNow(std::int64_t now_ns) noexcept override {
      reactor().set_virtual_now_ns(now_ns);
    }

    BasicSimulatedExecutor& executor;
  };

  BasicSimulatedExecutor(ReactorParts parts, SimulatedWorld& world)
      : Base(std::move(parts), "simulated"),
        world_(world),
        loop_(*this),
        io_(world.network_, loop_) {
    this->SetDiagnostics(this->on(), world.simulation_.options.diagnostics);
    this->UseWorkers(this->on(), world.workers_);
    this->UseWorkers(this->on(), world.workers_, Lane::kDns);
    internal_reactor::Access::extension(this->reactor()) =
        std::make_unique<IoEnd>(io_);
    world.simulation_.AddLoop(loop_);
  }

  static absl::Status Elsewhere() {
    return absl::FailedPreconditionError(
        "the simulated loop runs on another thread");
  }

  SimulatedWorld& world_;
  OwnerThread owner_;
  WorldsLoop loop_;
  Io io_;
};

namespace internal_simulation {
struct Access {
  static Simulation& simulation(SimulatedWorld& w) { return w.simulation_; }
  static SimulatedNetwork& network(SimulatedWorld& w) { return w.network_; }
};
}  // namespace internal_simulation

using SimulatedExecutor = BasicSimulatedExecutor<struct DefaultBrand>;

// ---------------------------------------------------------------------------

template <class Done>
bool SimulatedWorld::RunUntil(Done done, std::uint64_t steps_max) {
  for (; !done(); --steps_max) {
    if (steps_max == 0) return false;
    if (!Step()) return false;
  }
  return true;
}

template <class Brand>
absl::StatusOr<bool> BasicSimulatedExecutor<Brand>::WaitUntilReady(
    std::chrono::nanoseconds timeout) {
  Owning owning(owner_);
  if (!owning) return Elsewhere();
  Reactor& reactor = this->reactor();
  if (!reactor.Park()) return true;
  pollfd readable{reactor.poll_fd(), POLLIN, 0};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  const int ready = ::poll(
      &readable, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 0, INT_MAX)));
  reactor.PollDescriptors(0);
  return ready > 0 || reactor.HasMail();
}

static_assert(Executor<SimulatedExecutor>);

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_SIMULATED_H_
