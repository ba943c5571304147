// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/reactor.h
//
// For authors of executors. The Reactor is everything about a loop that does
// not depend on whose loop it is: one epoll set, one wake-up descriptor, the
// mailbox, timers and watches. Its epoll descriptor is itself pollable, so a
// host needs to do five things:
//
//   1. call Park() before it sleeps (false: do not sleep),
//   2. call Unpark() after it slept,
//   3. when poll_fd() is readable, or HasWork(): PollDescriptors(0), then
//      RunQueued() or RunQueuedAndSpin(),
//   4. after Enter(), if HasWork(), Kick() so that it looks again,
//   5. if it stops when idle: keep running while outstanding() is not zero.
//
// An executor derives from ReactorHost<E> (reactor_host.h), which owns the
// reactor and the witness. executors/README.md walks through one.

#ifndef QIO_REACTOR_H_
#define QIO_REACTOR_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <source_location>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/condition.h"
#include "qio/config.h"
#include "qio/diagnostics.h"
#include "qio/internal/adaptive_spin.h"
#include "qio/internal/loop_core.h"
#include "qio/internal/mailbox.h"
#include "qio/internal/sys.h"
#include "qio/internal/timer_wheel.h"
#include "qio/internal/type_name.h"
#include "qio/on_loop.h"
#include "qio/owned_fd.h"
#include "qio/stall.h"
#include "qio/status.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {

class Reactor;

namespace internal_reactor {

using internal_loop_core::LoopCore;
using internal_mailbox::Node;
using internal_timer_wheel::Link;

// One watch, in place for as long as it is armed; of a Watch or of a socket.
// What is small comes last, here and below: so there is room behind it for what
// a HeldCallback adds, and a small callback has one cache line.
struct WatchNode {
  // What depends on whose it is.
  struct Ops {
    void (*ready)(WatchNode*, Condition, void* on);
    // The executor goes away: destroy the callback. The node stays its owner's.
    // Null: there is nothing to destroy.
    void (*closed)(WatchNode*) noexcept;
  };

  WatchNode* prev = nullptr;
  WatchNode* next = nullptr;
  const Ops* ops = nullptr;
  // The batch in which it was armed: it has no part in that batch's events.
  std::uint64_t armed_in = 0;
  int fd = -1;  // -1: not armed.
  Condition wanted = Condition::kNone;
  // Calls in a row after which an error or a hang-up still stood (WA-08).
  std::uint8_t standing = 0;
  // Nobody waits for it: see Reactor::SetIdle().
  bool idle = false;
};

struct TimerNode : internal_timer_wheel::WheelNode {
  struct Ops {
    void (*fire)(TimerNode*, void* on);
    void (*closed)(TimerNode*) noexcept;  // As a watch's.
  };

  const Ops* ops = nullptr;
  std::int64_t deadline_ns = 0;  // From now on, while it counts from now.
  bool counts_from_now = false;
};

// What net/ keeps at a reactor: made on first use, destroyed with it.
struct Extension {
  virtual ~Extension() = default;
};

// Reaches the reactor behind a witness; for the library's own templates.
struct Access;

}  // namespace internal_reactor

// Which of an executor's two kinds of workers: a slow name server must not
// keep file I/O waiting, nor the other way round (TK-19).
enum class Lane : std::uint8_t { kDefault, kDns };

// The descriptors and the memory of a reactor, made before it so that a
// failure is a Status.
struct ReactorParts {
  enum class Timing {
    kTimeouts,  // The host sleeps no longer than TimeoutMs().
    kTimerFd,   // The host cannot: a timerfd in the epoll set wakes it.
  };

  // Errors:  of epoll_create1(2), eventfd(2), timerfd_create(2), epoll_ctl(2);
  //          nothing is left open then.
  static absl::StatusOr<ReactorParts> Create(Timing timing);

  // Where the clock stands; one that is virtual may begin anywhere.
  std::int64_t now_ns = internal_sys::MonotonicNs();
  OwnedFd epoll;
  OwnedFd wake;
  OwnedFd timer;  // Only with kTimerFd.
  std::unique_ptr<internal_loop_core::LoopCore> core;
};

// Affinity:  owning loop, all of it, unless a function says otherwise.
class Reactor {
 public:
  using Node = internal_reactor::Node;
  using WatchNode = internal_reactor::WatchNode;
  using TimerNode = internal_reactor::TimerNode;

  // How many queued calls and timers one turn runs before the descriptors, and
  // the host's other sources, have their turn: some 20 microseconds of small
  // calls, while one look at the descriptors costs about one.
  static constexpr int kBudget = 256;

  // What a host tells its reactor about itself.
  struct Host {
    const char* kind;  // "epoll": what reports call the loop.
    void* executor;
    void* witness;  // An OnLoop<E>*, for E's callbacks.
    // Whether another thread is on the loop now. Any thread.
    bool (*runs_elsewhere)(const void* executor) noexcept;
    // Makes the workers of a lane, when they are first needed.
    std::shared_ptr<Workers> (*make_workers)(Lane lane);
  };

  Reactor(ReactorParts parts, Host host) noexcept;
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor() { Close(); }

  // ---- For hosts.

  // Readable when there is something to do. Stays the reactor's.
  int poll_fd() const noexcept { return epoll_.get(); }

  // There are calls to be made without looking at any descriptor or clock.
  bool HasMail() const noexcept {
    return !queue_.empty() || firing_.linked() || !core_->mailbox().empty();
  }

  // Some watch is armed: without one there is no descriptor to look at.
  bool HasWatches() const noexcept { return watches_ != 0; }

  // The same, or a timer is due.
  bool HasWork() noexcept {
    return HasMail() || (timers_ != 0 && TimeoutMs() == 0);
  }

  // To be called before sleeping: hands over the work that was started and
  // gets ready to be woken. False: there is mail, do not sleep.
  bool Park() noexcept;

  // To be called when awake. Being parked while awake costs a poster one
  // write; being unparked while asleep would lose its wake-up.
  void Unpark() noexcept { core_->mailbox().Unpark(); }

  // How long the host may sleep, in milliseconds, rounded up; -1: for ever.
  int TimeoutMs() noexcept;

  // Waits for descriptors, unparks, and calls the watches of those that are
  // ready. Re-entrant. May throw what a callback throws: what else was ready
  // is found again the next time.
  void PollDescriptors(int timeout_ms);

  // Fires timers that are due and makes queued calls, `budget_max` of each at
  // most, then hands over the work that was started. Re-entrant; may throw what
  // a callback throws, after which the rest of the queue is as it was.
  void RunQueued(int budget_max = kBudget);

  // The same, and again for what workers send while it pays to spin for that
  // instead of sleeping: a few times, then the descriptors, and the host's
  // other sources, have their turn. Not once `stop` is true, if that is given.
  void RunQueuedAndSpin(const std::atomic<bool>* stop = nullptr);

  // Makes poll_fd() readable. Any number of kicks costs one look.
  void Kick() noexcept { core_->Kick(); }

  // This process was forked off the one that made the executor, which can only
  // be destroyed here: its descriptors are the parent's, and its threads are
  // not there.
  bool in_child() const noexcept { return core_->in_child(); }

  // Ends the program with a sentence if that is so.
  void CheckProcess() const noexcept {
    if (in_child()) [[unlikely]]
      DieInChild();
  }

  // The same from any thread or a signal handler, while the executor lives.
  void KickFromAnywhere() noexcept { core_->WriteWake(); }

  // For a host that nobody asks before it sleeps, or that may stop: kick when a
  // destructor, which takes no witness and so needs no Enter(), leaves a call
  // to be made or ends what was outstanding last. Off during turns.
  void set_kick_unasked(bool kick) noexcept { kick_unasked_ = kick; }

  // Hands over the work that was started, and has the clocks of timers run: at
  // the end of Enter(), since nobody may run the loop for a while.
  void FlushWork() noexcept;

  // What keeps a loop running that stops when idle: started tasks, armed
  // watches and timers, queued calls, live LoopRefs.
  std::int64_t outstanding() const noexcept {
    return tasks_[0] + tasks_[1] + watches_ + timers_ + calls_ + refs_;
  }

  // Ends it all: no callback starts any more, captures are destroyed here and
  // now, running workers are asked to stop, and what was lost is reported
  // (EX-10). A second call does nothing.
  //
  // In a forked child nothing that the parent has too is touched, and nothing
  // reported: it is the parent's to do.
  //
  // Affinity:  the thread that destroys the executor; nobody else is on the
  //            loop.
  void Close() noexcept;

  // A program's test clock in place of the monotonic one.
  void set_virtual_now_ns(std::int64_t now_ns) noexcept {
    PlaceTimers();
    virtual_now_ns_ = now_ns;
  }

  // How often, at most, to look at the mailbox before sleeping while a worker
  // is out; 0 never spins.
  void set_spin_limit(std::uint32_t pauses_max) noexcept {
    spin_.set_limit_max(pauses_max);
  }

  void set_diagnostics(Diagnostics diagnostics) noexcept {
    diagnostics_ = diagnostics;
  }
  void set_stall_hook(StallHook hook) noexcept { stall_hook_ = hook; }
  const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend struct internal_reactor::Access;

  using LoopCore = internal_reactor::LoopCore;

  // A descriptor number and its watches. The generation tells one use of a
  // number from the next.
  struct Descriptor {
    WatchNode* first = nullptr;
    WatchNode* last = nullptr;
    std::uint32_t generation = 0;
    Condition interest = Condition::kNone;  // What the kernel was told.
  };

  // A walk over a descriptor's watches, which may change meanwhile: whichever
  // is removed is taken out of every walk.
  class Walk : public internal_reactor::Link {
   public:
    // Not inline, or g++ 12 warns of a link to what is on the stack, although
    // the destructor takes it back.
    [[gnu::noinline]] Walk(internal_reactor::Link& walks,
                           WatchNode* first) noexcept
        : next_(first) {
      walks.PushBack(*this);
    }
    ~Walk() { Unlink(); }

    // The next watch, or null.
    WatchNode* Next() noexcept {
      WatchNode* node = next_;
      if (node != nullptr) next_ = node->next;
      return node;
    }

    void LeaveOut(const WatchNode& node) noexcept {
      if (next_ == &node) next_ = node.next;
    }

   private:
    WatchNode* next_;
  };

  static constexpr int kEventsMax = 64;
  static constexpr int kRoundsMax = 16;  // Spins of a turn.
  // So much work is handed over together, so that a worker begins while the
  // loop goes on. If they share a processor neither goes on while the other
  // does, and a switch costs as much as some hundred tasks: then it is whatever
  // is started in turns that are busy starting, up to this.
  static constexpr int kChainMax = 32;
  static constexpr int kChainMaxOnOneProcessor = 1024;
  static constexpr std::uint8_t kStandingMax = 16;
  static constexpr Condition kAlways = Condition::kErr | Condition::kHup;
  static constexpr std::int64_t kNsPerTick = 1'000'000;

  // ---- For the library's templates, through Access.

  // Arms `node` for `wanted` on `fd`. Returns 0, or the errno for which it is
  // not armed.
  int AddWatch(WatchNode& node, int fd, Condition wanted) noexcept;
  // Takes effect before the next poll, also for events already taken from the
  // kernel. Returns 0 or an errno; the old interest stands then.
  int SetInterest(WatchNode& node, Condition wanted) noexcept;
  // Not armed: does nothing.
  void RemoveWatch(WatchNode& node) noexcept;
  // An idle watch stays armed and does not count as outstanding: it will soon
  // be wanted again, and costs no system call then.
  void SetIdle(WatchNode& node, bool idle) noexcept {
    if (node.idle == idle) return;
    node.idle = idle;
    watches_ += idle ? -1 : 1;
  }
  // Removes all watches of `fd`, which is about to be closed by its owner, and
  // ends their callbacks.
  void EndWatches(int fd) noexcept;

  // A timer goes to the wheel when its turn ends: the clock is read once for
  // all that were armed, and not at all for those that are cancelled by then.
  void ArmTimer(TimerNode& node, std::int64_t deadline_ns) noexcept {
    node.deadline_ns = deadline_ns;
    node.counts_from_now = false;
    armed_.PushBack(node);
    ++timers_;
  }
  void ArmTimerAfter(TimerNode& node, std::int64_t delay_ns) noexcept {
    ArmTimer(node, delay_ns);
    node.counts_from_now = true;
  }
  void PlaceTimers() noexcept {
    if (armed_.linked()) PlaceArmedTimers();
  }
  void PlaceArmedTimers() noexcept;
  void CancelTimer(TimerNode& node) noexcept;
  std::int64_t NowNs() const noexcept {
    return virtual_now_ns_ >= 0 ? virtual_now_ns_ : internal_sys::MonotonicNs();
  }

  // Queues a call from the loop itself: no atomics, no system call.
  void Defer(Node& node) noexcept {
    queue_.Append(&node);
    if (kick_unasked_) [[unlikely]]
      Kick();
  }

  // Starts work of a task, new and unlinked; it is handed over in chains.
  void StartWork(internal_workers::Work& work, Workers& workers) noexcept;

  // Looks at the mailbox for a while instead of sleeping, if a worker is out
  // and it pays. True: there is mail.
  bool Spin() noexcept;

  // Blocks until `node` comes by mail, and runs it; the rest of the mail is
  // queued in its order.
  void AwaitMail(Node& node);

  // Makes the workers of the lanes that were given none. Throws std::bad_alloc.
  void EnsureWorkers() {
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
      if (lanes_[lane] == nullptr) UseWorkers(static_cast<Lane>(lane), nullptr);
    }
  }
  // Those there are since the first task.
  Workers& workers(Lane lane) noexcept {
    return *lanes_[static_cast<std::size_t>(lane)];
  }
  void UseWorkers(Lane lane, std::shared_ptr<Workers> workers);

  void KickIfIdle() noexcept {
    if (kick_unasked_ && outstanding() == 0) [[unlikely]]
      Kick();
  }

  // Ends the program if another thread is on the loop. Only in checked builds.
  void CheckMayTouch(const char* what) const noexcept;

  [[noreturn]] void DieInChild() const noexcept;

  bool watches_stalls() const noexcept { return stall_hook_.call != nullptr; }
  template <bool kTimed>
  void RunQueuedAs(int budget_max);
  template <bool kTimed>
  void DispatchAs(const struct epoll_event* events, int count);
  template <class Function>
  void CallTimed(Function call);
  void TellIfStalled();

  void Dispatch(const struct epoll_event* events, int count);
  void CallWatches(int fd, std::uint32_t generation, Condition happened,
                   std::uint64_t batch);
  void CallWatch(WatchNode& node, Condition happened, std::uint64_t batch);
  void DisarmIfStanding(WatchNode& node) noexcept;
  void Unlink(WatchNode& node) noexcept;
  void Orphan(int fd) noexcept;
  void ReportClosedUnder(int fd) const noexcept;
  // Once for one call that fails again and again.
  void ReportCall(const char* call, int error) noexcept;
  void FireTimers(int budget_max);
  void ArmTimerFd() noexcept;
  TimerNode* PopAnyTimer() noexcept;
  void ReportLosses(std::int64_t tasks, std::int64_t watches,
                    std::int64_t timers) const noexcept;

  static Condition InterestOf(const Descriptor& descriptor) noexcept;
  static epoll_event EventOf(int fd, const Descriptor& descriptor,
                             Condition interest) noexcept;

  OwnedFd epoll_;
  OwnedFd wake_;
  OwnedFd timer_fd_;
  LoopCore* core_;  // Null once closed.
  const Host host_;

  internal_mailbox::NodeQueue queue_;
  std::vector<Descriptor> descriptors_;
  internal_reactor::Link walks_;  // Those under way.
  std::uint64_t batch_ = 0;       // Numbers the calls of Dispatch().

  internal_timer_wheel::TimerWheel wheel_;
  internal_reactor::Link armed_;     // Not in the wheel yet.
  internal_reactor::Link firing_;    // Due, and taken out of the wheel.
  std::uint64_t timer_fd_tick_ = 0;  // 0: not set.
  std::int64_t virtual_now_ns_ = -1;

  // Work that was started and not yet handed over, oldest first.
  internal_workers::Work* chain_first_ = nullptr;
  internal_workers::Work** chain_end_ = &chain_first_;
  int chain_size_ = 0;
  int chain_max_ = kChainMax;
  bool kick_unasked_ = false;
  Workers* chain_to_ = nullptr;
  std::array<std::shared_ptr<Workers>, 2> lanes_;
  internal_adaptive_spin::AdaptiveSpin spin_{
      internal_adaptive_spin::kLoopSpinLimit};

  // Outstanding, by kind.
  std::array<std::int64_t, 2> tasks_{};  // The second: of workers.
  std::int64_t watches_ = 0;
  std::int64_t timers_ = 0;
  std::int64_t calls_ = 0;
  std::int64_t refs_ = 0;        // 1 while LoopRefs are alive.
  std::int64_t calls_lost_ = 0;  // Destroyed un-invoked by Close().
  // Objects that own a block of the core's memory, and so keep it alive.
  std::int64_t blocks_held_ = 0;

  // Of qio/task.h, which the reactor knows nothing else of.
  void* free_tasks_ = nullptr;
  internal_reactor::Link tasks_list_;
  internal_reactor::Link scopes_;
  std::int64_t (*abandon_tasks_)(Reactor&) noexcept = nullptr;

  std::unique_ptr<internal_reactor::Extension> extension_;
  StallHook stall_hook_;
  Stall call_;                      // The call that is timed.
  std::int64_t call_since_ns_ = 0;  // Its start, or the end of a nested one.
  Diagnostics diagnostics_;
  int call_error_ = 0;  // What ReportCall() told last.
};

namespace internal_reactor {

struct Access {
  template <class E>
  static Reactor& Of(OnLoop<E>& on) noexcept {
    return on.executor().ReactorHost<E>::reactor();
  }
  template <class E>
  static LoopCore& CoreOf(OnLoop<E>& on) noexcept {
    return *Of(on).core_;
  }

  static LoopCore* core(Reactor& r) noexcept { return r.core_; }
  static void* witness(const Reactor& r) noexcept { return r.host_.witness; }

  static int AddWatch(Reactor& r, WatchNode& node, int fd,
                      Condition wanted) noexcept {
    return r.AddWatch(node, fd, wanted);
  }
  static int SetInterest(Reactor& r, WatchNode& node,
                         Condition wanted) noexcept {
    return r.SetInterest(node, wanted);
  }
  static void RemoveWatch(Reactor& r, WatchNode& node) noexcept {
    r.RemoveWatch(node);
  }
  static void SetIdle(Reactor& r, WatchNode& node, bool idle) noexcept {
    r.SetIdle(node, idle);
  }
  static void EndWatches(Reactor& r, int fd) noexcept { r.EndWatches(fd); }
  static void ArmTimer(Reactor& r, TimerNode& node, std::int64_t ns) noexcept {
    r.ArmTimer(node, ns);
  }
  static void ArmTimerAfter(Reactor& r, TimerNode& node,
                            std::int64_t ns) noexcept {
    r.ArmTimerAfter(node, ns);
  }
  static void CancelTimer(Reactor& r, TimerNode& node) noexcept {
    r.CancelTimer(node);
  }
  static std::int64_t NowNs(const Reactor& r) noexcept { return r.NowNs(); }
  static void Defer(Reactor& r, Node& node) noexcept { r.Defer(node); }
  static void StartWork(Reactor& r, internal_workers::Work& work,
                        Workers& workers) noexcept {
    r.StartWork(work, workers);
  }
  static void AwaitMail(Reactor& r, Node& node) { r.AwaitMail(node); }
  static void EnsureWorkers(Reactor& r) { r.EnsureWorkers(); }
  static Workers& workers(Reactor& r, Lane lane) noexcept {
    return r.workers(lane);
  }
  static void UseWorkers(Reactor& r, Lane lane,
                         std::shared_ptr<Workers> workers) {
    r.UseWorkers(lane, std::move(workers));
  }
  static void CheckMayTouch(const Reactor& r, const char* what) noexcept {
    r.CheckMayTouch(what);
  }

  static std::int64_t& tasks(Reactor& r, bool is_worker) noexcept {
    return r.tasks_[is_worker ? 1 : 0];
  }
  static std::int64_t& calls(Reactor& r) noexcept { return r.calls_; }
  static std::int64_t& calls_lost(Reactor& r) noexcept { return r.calls_lost_; }
  static std::int64_t& refs(Reactor& r) noexcept { return r.refs_; }
  static std::int64_t& blocks_held(Reactor& r) noexcept {
    return r.blocks_held_;
  }
  static void*& free_tasks(Reactor& r) noexcept { return r.free_tasks_; }
  static Link& tasks_list(Reactor& r) noexcept { return r.tasks_list_; }
  static Link& scopes(Reactor& r) noexcept { return r.scopes_; }
  static void set_abandon_tasks(
      Reactor& r, std::int64_t (*hook)(Reactor&) noexcept) noexcept {
    r.abandon_tasks_ = hook;
  }

  // To be said before a callback of type F is called, for a stall hook.
  template <class F>
  static void Calling(Reactor& r) noexcept {
    if (r.watches_stalls()) [[unlikely]]
      r.call_.callback = internal_type_name::Spelled<F>();
  }
  static void GoingOn(Reactor& r, const std::source_location& where) noexcept {
    if (r.watches_stalls()) [[unlikely]]
      r.call_.where = where;
  }
  static std::unique_ptr<Extension>& extension(Reactor& r) noexcept {
    return r.extension_;
  }
};

// A block of the loop's memory for an object that may outlive the executor: it
// keeps the core alive until it is given back.
//
// Affinity:  owning loop; after the executor is gone, where its owner is.
inline void* HoldBlock(Reactor& reactor, std::size_t size) {
  void* memory = Access::core(reactor)->blocks().Allocate(size);
  ++Access::blocks_held(reactor);
  return memory;
}
inline void ReleaseBlock(LoopCore& core, void* memory,
                         std::size_t size) noexcept {
  if (core.reactor() != nullptr) {
    core.blocks().Free(memory, size);
    --Access::blocks_held(*core.reactor());
  } else {
    // Perhaps on several threads at a time.
    internal_block_pool::BlockPool::FreeFromElsewhere(memory, size);
    core.Returned();
  }
}

// Ends the program if `on` is not a witness of the loop that `core` belongs
// to: two loops of one brand, which types cannot tell apart. Checked builds.
template <class E>
void CheckSameLoop([[maybe_unused]] OnLoop<E>& on,
                   [[maybe_unused]] const LoopCore& core,
                   [[maybe_unused]] const char* what) noexcept {
#if QIO_CHECKED
  const LoopCore& given = Access::CoreOf(on);
  if (&given == &core) [[likely]]
    return;
  internal_diagnostics::Die(std::string("qio: ") + what + " belongs to loop " +
                            std::to_string(core.id()) +
                            " but was given the witness of loop " +
                            std::to_string(given.id()));
#endif
}

// Ends the program if another thread is on the loop of `core`, as far as that
// can be seen: for destructors, which take no witness. Checked builds.
inline void CheckMayTouch([[maybe_unused]] LoopCore& core,
                          [[maybe_unused]] const char* what) noexcept {
#if QIO_CHECKED
  if (core.reactor() != nullptr) Access::CheckMayTouch(*core.reactor(), what);
#endif
}

}  // namespace internal_reactor

// ---------------------------------------------------------------------------

inline absl::StatusOr<ReactorParts> ReactorParts::Create(Timing timing) {
  ReactorParts parts;
  parts.epoll = OwnedFd(internal_sys::EpollCreate());
  if (!parts.epoll.valid()) return ErrnoStatus(errno, "epoll_create1");
  parts.wake = OwnedFd(internal_sys::EventFd());
  if (!parts.wake.valid()) return ErrnoStatus(errno, "eventfd");
  if (timing == Timing::kTimerFd) {
    parts.timer = OwnedFd(internal_sys::TimerFd());
    if (!parts.timer.valid()) return ErrnoStatus(errno, "timerfd_create");
  }
  // Both edge-triggered, so that they need never be read. A descriptor's event
  // has its number in the lower half, which these can not be.
  for (const OwnedFd* fd : {&parts.wake, &parts.timer}) {
    if (!fd->valid()) continue;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = ~std::uint64_t{0};
    if (internal_sys::EpollCtl(parts.epoll.get(), EPOLL_CTL_ADD, fd->get(),
                               &event) != 0) {
      return ErrnoStatus(errno, "epoll_ctl");
    }
  }
  parts.core = std::make_unique<internal_loop_core::LoopCore>(parts.wake.get());
  return parts;
}

inline Reactor::Reactor(ReactorParts parts, Host host) noexcept
    : epoll_(std::move(parts.epoll)),
      wake_(std::move(parts.wake)),
      timer_fd_(std::move(parts.timer)),
      core_(parts.core.release()),
      host_(host),
      wheel_(static_cast<std::uint64_t>(parts.now_ns / kNsPerTick)) {
  core_->set_reactor(this);
  core_->set_note([](Node* note, void*) {
    LoopCore& core = LoopCore::FromNote(note);
    if (core.NoteArrived()) core.reactor()->refs_ = 0;
  });
}

inline bool Reactor::Park() noexcept {
  CheckProcess();
  if (!queue_.empty()) return false;
  FlushWork();
  if (timer_fd_.valid()) ArmTimerFd();
  return core_->mailbox().Park();
}

inline int Reactor::TimeoutMs() noexcept {
  if (HasMail()) return 0;
  if (timers_ == 0) return -1;
  PlaceTimers();
  const std::uint64_t next = wheel_.NextTick();
  const std::int64_t now_ns = NowNs();
  const auto next_ns = static_cast<std::int64_t>(next) * kNsPerTick;
  if (next_ns <= now_ns) return 0;
  const std::int64_t ms = (next_ns - now_ns + kNsPerTick - 1) / kNsPerTick;
  return ms > INT_MAX ? INT_MAX : static_cast<int>(ms);
}

inline bool Reactor::Spin() noexcept {
  if (tasks_[1] == 0 || chain_to_ == nullptr || !spin_.enabled()) {
    return false;
  }
  FlushWork();
  ProcessorHints* hints = chain_to_->processor_hints();
  if (hints == nullptr) return false;
  const int cpu = internal_sys::CurrentCpu();
  hints->loop.store(cpu, std::memory_order_relaxed);
  chain_max_ = kChainMax;
  if (cpu == hints->worker.load(std::memory_order_relaxed)) {
    chain_max_ = kChainMaxOnOneProcessor;
    // It can only run if this thread does not. That costs one system call, and
    // saves two if the worker is quick: its wake-up of the loop, and a sleep.
    internal_sys::Yield();
    return !core_->mailbox().empty();
  }
  return spin_.Until([this] { return !core_->mailbox().empty(); });
}

inline void Reactor::PollDescriptors(int timeout_ms) {
  CheckProcess();
  epoll_event events[kEventsMax];
  const int count =
      internal_sys::EpollWait(epoll_.get(), events, kEventsMax, timeout_ms);
  Unpark();
  if (count < 0 && errno != EINTR) [[unlikely]] {
    // Somebody has closed it. Timers and mail go on, without a spin.
    ReportCall("epoll_wait", errno);
    if (timeout_ms != 0) internal_sys::Poll(nullptr, 0, 1);
  }
  Dispatch(events, count);
}

inline void Reactor::Dispatch(const epoll_event* events, int count) {
  if (watches_stalls()) [[unlikely]] {
    DispatchAs</*kTimed=*/true>(events, count);
  } else {
    DispatchAs</*kTimed=*/false>(events, count);
  }
}

template <bool kTimed>
void Reactor::DispatchAs(const epoll_event* events, int count) {
  const std::uint64_t batch = ++batch_;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = events[i].data.u64;
    if (data == ~std::uint64_t{0}) continue;  // Mail, or a timer.
    const int fd = static_cast<int>(static_cast<std::uint32_t>(data));
    const auto generation = static_cast<std::uint32_t>(data >> 32);
    const Condition happened{events[i].events};
    if constexpr (kTimed) {
      CallTimed([&] { CallWatches(fd, generation, happened, batch); });
    } else {
      CallWatches(fd, generation, happened, batch);
    }
    // A nested poll has seen everything that is still ready.
    if (batch_ != batch) return;
  }
}

[[gnu::always_inline]] inline void Reactor::CallWatches(
    int fd, std::uint32_t generation, Condition happened, std::uint64_t batch) {
  const Descriptor& descriptor = descriptors_[static_cast<std::size_t>(fd)];
  // The number may have been closed and used again since the kernel said so.
  if (descriptor.generation != generation) return;
  if (descriptor.first == descriptor.last) [[likely]] {
    CallWatch(*descriptor.first, happened, batch);
    return;
  }
  Walk walk(walks_, descriptor.first);
  while (WatchNode* next = walk.Next()) {
    CallWatch(*next, happened, batch);
    if (batch_ != batch) return;
  }
}

inline void Reactor::CallWatch(WatchNode& node, Condition happened,
                               std::uint64_t batch) {
  const Condition ready = happened & (node.wanted | kAlways);
  if (ready == Condition::kNone || node.armed_in == batch) return;
  if (!Has(ready, kAlways)) [[likely]] {
    node.standing = 0;
  } else if (++node.standing > kStandingMax) {
    DisarmIfStanding(node);
    if (node.fd < 0) return;
  }
  node.ops->ready(&node, ready, host_.witness);
}

// An error or a hang-up that nobody deals with would make the loop spin. One
// that is read down to its end, or cleared and raised anew, is dealt with.
inline void Reactor::DisarmIfStanding(WatchNode& node) noexcept {
  pollfd now{node.fd, 0, 0};
  const int polled = internal_sys::Poll(&now, 1, 0);
  // If it cannot be asked, what epoll said so often stands.
  const bool stands =
      polled < 0 ||
      (polled > 0 && Has(Condition{static_cast<std::uint32_t>(now.revents)},
                         kAlways | Condition::kNval));
  const bool progresses = Has(node.wanted, Condition::kIn) &&
                          internal_sys::BytesReadable(node.fd) > 0;
  node.standing = 0;
  if (!stands || progresses) return;
  const int fd = node.fd;
  RemoveWatch(node);
  diagnostics_.ReportMade([fd] {
    return "qio: disarmed a watch on descriptor " + std::to_string(fd) +
           ": its error or hang-up stood for " + std::to_string(kStandingMax) +
           " calls";
  });
}

inline Condition Reactor::InterestOf(const Descriptor& descriptor) noexcept {
  Condition interest = Condition::kNone;
  for (const WatchNode* node = descriptor.first; node != nullptr;
       node = node->next) {
    interest |= node->wanted;
  }
  return interest;
}

inline epoll_event Reactor::EventOf(int fd, const Descriptor& descriptor,
                                    Condition interest) noexcept {
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(interest);
  event.data.u64 = std::uint64_t{descriptor.generation} << 32 |
                   static_cast<std::uint32_t>(fd);
  return event;
}

inline int Reactor::AddWatch(WatchNode& node, int fd,
                             Condition wanted) noexcept {
  CheckProcess();
  if (fd < 0) return EBADF;
  const auto at = static_cast<std::size_t>(fd);
  if (at >= descriptors_.size()) {
#if defined(__cpp_exceptions)
    try {
      descriptors_.resize(at + at / 2 + 16);
    } catch (const std::bad_alloc&) {
      return ENOMEM;
    }
#else
    descriptors_.resize(at + at / 2 + 16);
#endif
  }
  Descriptor& descriptor = descriptors_[at];
  Condition interest = wanted;
  if (descriptor.first != nullptr) {
    // Told to the kernel even if it is nothing new: so a number that was
    // closed under its watches, and perhaps used again, is found out here.
    interest |= InterestOf(descriptor);
    epoll_event event = EventOf(fd, descriptor, interest);
    if (internal_sys::EpollCtl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
      if (errno != ENOENT && errno != EBADF) return errno;
      Orphan(fd);
      interest = wanted;
    }
  }
  if (descriptor.first == nullptr) {
    ++descriptor.generation;
    epoll_event event = EventOf(fd, descriptor, interest);
    if (internal_sys::EpollCtl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return errno;
    }
  }
  descriptor.interest = interest;
  node.fd = fd;
  node.wanted = wanted;
  node.standing = 0;
  node.armed_in = batch_;
  node.prev = descriptor.last;
  node.next = nullptr;
  (descriptor.last != nullptr ? descriptor.last->next : descriptor.first) =
      &node;
  descriptor.last = &node;
  ++watches_;
  return 0;
}

inline int Reactor::SetInterest(WatchNode& node, Condition wanted) noexcept {
  CheckProcess();
  Descriptor& descriptor = descriptors_[static_cast<std::size_t>(node.fd)];
  const Condition before = node.wanted;
  node.wanted = wanted;
  const Condition interest = InterestOf(descriptor);
  if (interest == descriptor.interest) return 0;
  epoll_event event = EventOf(node.fd, descriptor, interest);
  if (internal_sys::EpollCtl(epoll_.get(), EPOLL_CTL_MOD, node.fd, &event) !=
      0) {
    node.wanted = before;
    return errno;
  }
  descriptor.interest = interest;
  return 0;
}

inline void Reactor::Unlink(WatchNode& node) noexcept {
  Descriptor& descriptor = descriptors_[static_cast<std::size_t>(node.fd)];
  (node.prev != nullptr ? node.prev->next : descriptor.first) = node.next;
  (node.next != nullptr ? node.next->prev : descriptor.last) = node.prev;
  for (auto* walk = walks_.next; walk != &walks_; walk = walk->next) {
    static_cast<Walk*>(walk)->LeaveOut(node);
  }
  node.fd = -1;
  if (!std::exchange(node.idle, false)) --watches_;
  KickIfIdle();
}

inline void Reactor::RemoveWatch(WatchNode& node) noexcept {
  if (node.fd < 0) return;
  const int fd = node.fd;
  Unlink(node);
  Descriptor& descriptor = descriptors_[static_cast<std::size_t>(fd)];
  int failed = 0;
  if (in_child()) {
    // The epoll set is the parent's too, which goes on watching.
  } else if (descriptor.first == nullptr) {
    // Events of this use of the number, already taken, find another one.
    ++descriptor.generation;
    failed = internal_sys::EpollCtl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  } else if (const Condition interest = InterestOf(descriptor);
             interest != descriptor.interest) {
    epoll_event event = EventOf(fd, descriptor, interest);
    failed = internal_sys::EpollCtl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
    if (failed == 0) descriptor.interest = interest;
  }
  if (failed != 0) ReportClosedUnder(fd);
}

inline void Reactor::EndWatches(int fd) noexcept {
  const auto at = static_cast<std::size_t>(fd);
  while (at < descriptors_.size() && descriptors_[at].first != nullptr) {
    WatchNode& node = *descriptors_[at].first;
    RemoveWatch(node);
    if (node.ops->closed != nullptr) node.ops->closed(&node);
  }
}

// The number was closed under its watches. They stay with their owners, inert.
inline void Reactor::Orphan(int fd) noexcept {
  Descriptor& descriptor = descriptors_[static_cast<std::size_t>(fd)];
  while (descriptor.first != nullptr) Unlink(*descriptor.first);
  ++descriptor.generation;
  ReportClosedUnder(fd);
}

inline void Reactor::ReportClosedUnder(int fd) const noexcept {
  diagnostics_.ReportMade([fd] {
    return "qio: descriptor " + std::to_string(fd) +
           " was closed before its watch was stopped";
  });
}

inline void Reactor::ReportCall(const char* call, int error) noexcept {
  if (std::exchange(call_error_, error) == error) return;
  diagnostics_.ReportMade([this, call, error] {
    return std::string("qio: ") + call + " of " + host_.kind + " loop " +
           std::to_string(core_->id()) +
           " failed: " + std::generic_category().message(error);
  });
}

inline void Reactor::RunQueued(int budget_max) {
  CheckProcess();
  if (watches_stalls()) [[unlikely]] {
    RunQueuedAs</*kTimed=*/true>(budget_max);
  } else {
    RunQueuedAs</*kTimed=*/false>(budget_max);
  }
}

template <bool kTimed>
void Reactor::RunQueuedAs(int budget_max) {
  const int chain_size = chain_size_;
  if (timers_ != 0) FireTimers(budget_max);
  // Mail is taken at the start even if calls are queued: neither of the two
  // starves the other.
  if (!core_->mailbox().empty()) core_->Take(queue_);
  for (int budget = budget_max; budget > 0; --budget) {
    if (queue_.empty()) {
      // A worker that is quick has done its work before the host is asked.
      FlushWork();
      core_->returned().Flush();
      if (core_->mailbox().empty()) break;
      core_->Take(queue_);
      if (queue_.empty()) break;
    }
    Node* node = queue_.Pop();
    if constexpr (kTimed) {
      CallTimed([&] { node->run(node, host_.witness); });
    } else {
      node->run(node, host_.witness);
    }
  }
  // Unless this turn has started a lot, and so will the next.
  if (chain_max_ == kChainMax || chain_size_ - chain_size < kChainMax) {
    FlushWork();
  }
  core_->returned().Flush();
}

inline void Reactor::RunQueuedAndSpin(const std::atomic<bool>* stop) {
  // What is still queued after RunQueued() has used up its budget waits for
  // the next turn.
  int rounds = kRoundsMax;
  do {
    RunQueued();
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return;
  } while (!HasMail() && Spin() && --rounds > 0);
}

inline void Reactor::FireTimers(int budget_max) {
  PlaceTimers();
  wheel_.Advance(static_cast<std::uint64_t>(NowNs() / kNsPerTick));
  if (wheel_.now() >= timer_fd_tick_) timer_fd_tick_ = 0;  // It has expired.
  // A timer armed from here on waits for the next turn, also if it is due.
  if (!firing_.linked()) wheel_.TakeDue(firing_);
  for (int budget = budget_max; budget > 0 && firing_.linked(); --budget) {
    auto* node = static_cast<TimerNode*>(firing_.next);
    node->Unlink();
    --timers_;
    if (watches_stalls()) [[unlikely]] {
      CallTimed([&] { node->ops->fire(node, host_.witness); });
    } else {
      node->ops->fire(node, host_.witness);
    }
  }
}

template <class Function>
void Reactor::CallTimed(Function call) {
  struct Timing {
    ~Timing() {
      reactor.TellIfStalled();
      reactor.call_ = outer;
    }
    Reactor& reactor;
    const Stall outer;
  } timing{*this, call_};
  call_ = Stall();
  call_since_ns_ = internal_sys::MonotonicNs();
  call();
}

// A call around this one is timed from here on: it has turned the loop.
[[gnu::cold]] inline void Reactor::TellIfStalled() {
  const std::int64_t start_ns = call_since_ns_;
  call_.duration =
      std::chrono::nanoseconds(internal_sys::MonotonicNs() - start_ns);
  if (call_.duration > stall_hook_.longer_than && watches_stalls()) {
    call_.callback = internal_type_name::TypeIn(call_.callback);
    call_.thread_id = internal_sys::ThreadId();
    stall_hook_.call(stall_hook_.context, call_);
  }
  call_since_ns_ = internal_sys::MonotonicNs();
}

// In the order in which they were armed, which is kept among equals (TI-07).
inline void Reactor::PlaceArmedTimers() noexcept {
  const std::int64_t now_ns = NowNs();
  while (armed_.linked()) {
    auto& node = static_cast<TimerNode&>(*armed_.next);
    node.Unlink();
    if (std::exchange(node.counts_from_now, false)) {
      node.deadline_ns =
          internal_timer_wheel::SaturatedAdd(now_ns, node.deadline_ns);
    }
    // Rounded up: never before its deadline.
    const std::int64_t tick =
        node.deadline_ns <= 0 ? 0 : (node.deadline_ns - 1) / kNsPerTick + 1;
    wheel_.Arm(node, static_cast<std::uint64_t>(tick));
  }
}

inline void Reactor::CancelTimer(TimerNode& node) noexcept {
  if (!node.linked()) return;
  wheel_.Cancel(node);
  --timers_;
  KickIfIdle();
}

// One timerfd behind all timers, set only when the earliest one changes.
inline void Reactor::ArmTimerFd() noexcept {
  std::uint64_t tick = 0;
  if (timers_ != 0) {
    PlaceTimers();
    tick = wheel_.NextTick();
    if (tick == 0) tick = 1;  // Due: any time in the past, but not "disarm".
  }
  if (tick == timer_fd_tick_) return;
  timer_fd_tick_ = tick;
  if (internal_sys::TimerFdSet(
          timer_fd_.get(), static_cast<std::int64_t>(tick) * kNsPerTick) != 0) {
    timer_fd_tick_ = 0;
    ReportCall("timerfd_settime", errno);
  }
}

inline void Reactor::StartWork(internal_workers::Work& work,
                               Workers& workers) noexcept {
  if (chain_to_ != &workers) {
    FlushWork();
    chain_to_ = &workers;
  }
  *chain_end_ = &work;
  chain_end_ = &work.next;
  if (++chain_size_ == chain_max_) FlushWork();
}

inline void Reactor::FlushWork() noexcept {
  PlaceTimers();
  if (chain_first_ == nullptr) return;
  internal_workers::Work* first = std::exchange(chain_first_, nullptr);
  chain_end_ = &chain_first_;
  chain_size_ = 0;
  chain_to_->Submit(first);
}

inline void Reactor::AwaitMail(Node& node) {
  CheckProcess();
  FlushWork();
  for (;;) {
    internal_mailbox::NodeQueue mail;
    core_->Take(mail);
    bool has_come = false;
    while (!mail.empty()) {
      Node* next = mail.Pop();
      if (next == &node) {
        has_come = true;
      } else {
        queue_.Append(next);
      }
    }
    if (has_come) break;
    if (chain_to_ != nullptr && chain_to_->RunHere()) continue;
    if (Spin() || !core_->mailbox().Park()) continue;
    pollfd woken{wake_.get(), POLLIN, 0};
    internal_sys::Poll(&woken, 1, -1);
    // Read, or the next poll would return at once.
    core_->ReadWakes();
    Unpark();
  }
  node.run(&node, host_.witness);
}

inline void Reactor::UseWorkers(Lane lane, std::shared_ptr<Workers> workers) {
  if (workers == nullptr) workers = host_.make_workers(lane);
  FlushWork();
  chain_to_ = nullptr;
  lanes_[static_cast<std::size_t>(lane)] = std::move(workers);
}

inline void Reactor::CheckMayTouch(const char* what) const noexcept {
  if (!host_.runs_elsewhere(host_.executor)) return;
  internal_diagnostics::Die(std::string("qio: ") + what + " of " + host_.kind +
                            " loop " + std::to_string(core_->id()) +
                            " was touched while another thread runs that loop");
}

inline void Reactor::DieInChild() const noexcept {
  internal_diagnostics::Die(
      std::string("qio: a forked child used ") + host_.kind + " loop " +
      std::to_string(core_->id()) +
      ", which is its parent's; it can only destroy it, or exec");
}

inline Reactor::TimerNode* Reactor::PopAnyTimer() noexcept {
  PlaceTimers();
  if (!firing_.linked()) {
    internal_timer_wheel::WheelNode* node = wheel_.PopAny();
    return static_cast<TimerNode*>(node);
  }
  auto* node = static_cast<TimerNode*>(firing_.next);
  node->Unlink();
  return node;
}

inline void Reactor::Close() noexcept {
  if (core_ == nullptr) return;
  kick_unasked_ = false;
  // Counted first: what is lost is what was there before any of it went.
  const std::int64_t watches = watches_, timers = timers_;
  const std::int64_t tasks =
      abandon_tasks_ != nullptr ? abandon_tasks_(*this) : 0;
  FlushWork();
  extension_.reset();
  for (std::size_t fd = 0; fd < descriptors_.size(); ++fd) {
    EndWatches(static_cast<int>(fd));
  }
  while (TimerNode* node = PopAnyTimer()) {
    --timers_;
    if (node->ops->closed != nullptr) node->ops->closed(node);
  }
  core_->Close(queue_);
  // Again for tasks that a destructor has started.
  do {
    while (!queue_.empty()) {
      Node* node = queue_.Pop();
      node->run(node, nullptr);
    }
    if (abandon_tasks_ != nullptr) abandon_tasks_(*this);
    FlushWork();
  } while (!queue_.empty());
  if (!in_child()) ReportLosses(tasks, watches, timers);
  core_->set_reactor(nullptr);
  // Tasks whose result is still to come keep the core's memory alive, too.
  std::exchange(core_, nullptr)
      ->Retire(tasks_[0] + tasks_[1] + blocks_held_ + refs_);
}

inline void Reactor::ReportLosses(std::int64_t tasks, std::int64_t watches,
                                  std::int64_t timers) const noexcept {
  if (tasks + watches + timers + calls_lost_ == 0) return;
  diagnostics_.ReportMade([=, this] {
    return "qio: " + std::string(host_.kind) +
           " executor destroyed with work outstanding: tasks " +
           std::to_string(tasks) +
           " (their workers still out: " + std::to_string(tasks_[1]) +
           "), watches " + std::to_string(watches) + ", timers " +
           std::to_string(timers) + ", queued calls " +
           std::to_string(calls_lost_);
  });
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_REACTOR_H_
