// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/task_block.h
//
// One task in one block of 128 bytes, recycled: worker, inputs, result and
// completion. Blocks twice as large, which leave the first-level cache, halve
// the throughput of many small tasks.
//
// The life of a task:
//
//   kLazy ──Then──> kRunning ──its result arrives──────────────> kDone
//                      │ Cancel                                    ^
//                      └──> kCancelling ──delivered as Cancelled───┘
//   kRunning, kCancelling ──scope or executor ends──> kAbandoned
//
// A block is recycled when its state is kDone or kAbandoned, its worker or
// completer has come back, and no node of it is queued.

#ifndef QIO_INTERNAL_TASK_BLOCK_H_
#define QIO_INTERNAL_TASK_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {
namespace internal_task_block {

using internal_loop_core::LoopCore;
using internal_mailbox::Node;
using internal_reactor::Access;
using internal_reactor::Link;
using internal_workers::Work;
using internal_workers::WorkOps;

struct TaskBlock;

// What depends on how the result comes about.
struct TaskOps {
  // Its result comes from a worker, which does this; null: through the loop.
  const WorkOps* work;
  // Owning loop, inside Then(), if it is not a worker's.
  void (*start)(TaskBlock*);
  // A task that never started is dropped: its inputs, here.
  void (*drop_inputs)(TaskBlock*) noexcept;
  // Loop or worker, whoever has it.
  void (*drop_result)(TaskBlock*) noexcept;
  // Owning loop: nobody wants the result any more. Null: nobody to tell.
  void (*give_up)(TaskBlock*) noexcept;
  // What it is waiting for, in words. Owning loop.
  std::string (*describe)(const TaskBlock*);
  // Ends what the spill holds besides the inputs and the result, when the task
  // is over. Null: nothing.
  void (*end_state)(TaskBlock*) noexcept;
  // Size of the block that the inputs, and perhaps the result, spilled to; or
  // 0: all is in the payload.
  std::uint32_t spill_size;
  // Where the inputs are: in the spill if there is one.
  std::uint32_t input_at;
  // Where in the payload the pointer to the spill is.
  std::uint8_t spill_at;
  // The first byte of the payload that is free for the completion.
  std::uint8_t payload_end;
};

// What depends on the completion.
struct CompletionOps {
  // Owning loop. Calls it with the result, or with `instead` if that is not
  // null, then ends it and the result; also if it throws.
  void (*finish)(TaskBlock*, void* on, const absl::Status* instead);
  void (*drop)(TaskBlock*) noexcept;
  // Owning loop. The result has arrived: TaskBlock::OnMail with `finish`.
  Node::Run* on_mail;
};

enum class State : std::uint8_t {
  kLazy,
  kRunning,
  kCancelling,
  kAbandoned,
  kDone
};

struct TaskBlock {
  static constexpr std::size_t kSize = 128;
  static constexpr std::size_t kHeaderSize = 80;
  static constexpr std::size_t kPayloadSize = kSize - kHeaderSize;
  static constexpr std::size_t kPayloadAlignment = 16;

  explicit TaskBlock(LoopCore& c) noexcept
      : mail{}, core(&c), completion_ops(nullptr) {}
  TaskBlock(const TaskBlock&) = delete;
  TaskBlock& operator=(const TaskBlock&) = delete;

  // Whoever works on the result owns this: first the pool, which queues it as
  // work, then the mailbox or the loop's queue. Then the free list's link.
  union {
    Node mail;
    Work work;
  };
  // In the loop's queue when cancelled. A cancelled task can be in the mailbox
  // at the same time.
  Node local;
  Link link;  // In its scope, or in the reactor's list.
  LoopCore* const core;
  const TaskOps* ops = nullptr;
  union {
    Lane lane;  // While lazy.
    const CompletionOps* completion_ops;
  };
  std::uint32_t generation = 0;  // A handle is a block and its generation.

  // The loop's, like all above once it is back.
  State state = State::kDone;
  bool is_back : 1 = false;   // The worker or completer is done with it.
  bool is_local : 1 = false;  // `local` is queued, or delivers just now.
  // Its worker sends more than its result, for which the loop has to turn.
  bool needs_turns : 1 = false;
  bool hook_describes : 1 = false;  // A DescribedHook has been set.
  // Written by whoever makes the result, before it publishes it.
  bool has_result = false;
  // Loop to worker: nobody wants the result. Relaxed: the worker may see it
  // late, and the loop drops what comes then.
  std::atomic<bool> skip{false};

  alignas(kPayloadAlignment) std::byte payload[kPayloadSize];

  // ---- Owning loop.

  // A lazy task. Throws std::bad_alloc.
  static TaskBlock* New(Reactor& reactor, const TaskOps& ops);

  Reactor& reactor() const noexcept { return *core->reactor(); }

  // Begins: from here on the result is on its way. `to` is for workers' tasks.
  void Start(Reactor& r, Link& list, Workers* to) {
    --Access::blocks_held(r);
    ++Access::tasks(r, is_worker());
    state = State::kRunning;
    list.PushBack(link);
    if (is_worker()) {
      ::new (static_cast<void*>(&work)) Work{nullptr, ops->work};
      Access::StartWork(r, work, *to);
    } else {
      ops->start(this);
    }
  }

  bool is_worker() const noexcept { return ops->work != nullptr; }

  // A lazy task whose inputs could not be made.
  void Discard() noexcept {
    Reactor& r = reactor();
    --Access::blocks_held(r);
    Recycle(r);
  }

  // It was never started. Also where the executor is gone already.
  void DropLazy() noexcept {
    ops->drop_inputs(this);
    if (core->reactor() == nullptr) {
      LeaveBehind();
      return;
    }
    Discard();
  }

  // True: the completion will run with Cancelled, soon, and the result, if
  // there will be one, is dropped.
  bool Cancel() noexcept {
    if (state != State::kRunning) return false;
    state = State::kCancelling;
    skip.store(true, std::memory_order_relaxed);
    local.run = &OnLocal;
    is_local = true;
    Access::Defer(reactor(), local);
    GiveUp();
    return true;
  }

  // It was started, and its completion has neither run nor been destroyed.
  bool is_pending() const noexcept {
    return state == State::kRunning || state == State::kCancelling;
  }

  // The completion is destroyed now and never runs. Only if it is pending.
  void Abandon() noexcept {
    const bool was_running = state == State::kRunning;
    skip.store(true, std::memory_order_relaxed);
    state = State::kAbandoned;
    link.Unlink();
    completion_ops->drop(this);
    if (was_running) GiveUp();
  }

  // Returns how many there were.
  static std::int64_t AbandonAll(Link& list) noexcept {
    std::int64_t count = 0;
    for (; list.linked(); ++count) FromLink(list.next)->Abandon();
    return count;
  }

  static TaskBlock* FromMail(Node* node) noexcept {
    return reinterpret_cast<TaskBlock*>(node);
  }
  static TaskBlock* FromWork(Work* work) noexcept {
    return reinterpret_cast<TaskBlock*>(work);
  }
  static TaskBlock* FromLocal(Node* node) noexcept {
    return reinterpret_cast<TaskBlock*>(reinterpret_cast<std::byte*>(node) -
                                        sizeof(Node));
  }
  static TaskBlock* FromLink(Link* member) noexcept {
    return reinterpret_cast<TaskBlock*>(reinterpret_cast<std::byte*>(member) -
                                        2 * sizeof(Node));
  }

  // ---- Whoever makes the result.

  void*& spill() noexcept {
    return *std::launder(reinterpret_cast<void**>(payload + ops->spill_at));
  }
  void* inputs() noexcept {
    return (ops->spill_size != 0 ? static_cast<std::byte*>(spill()) : payload) +
           ops->input_at;
  }

  void DropResult() noexcept {
    if (std::exchange(has_result, false)) ops->drop_result(this);
  }

  // From another thread: the last touch of the task. If the executor is gone,
  // the result dies here.
  void PublishFromElsewhere() noexcept {
    mail.run = completion_ops->on_mail;
    LoopCore* const c = core;
    if (!c->Post(&mail)) LeaveBehind();
  }

  // The result has arrived: what the mail runs. `kFinish` is that of the
  // completion, which this way is part of it.
  template <auto kFinish>
  static void OnMail(Node* node, void* on) {
    TaskBlock& task = *FromMail(node);
    task.is_back = true;
    if (task.state == State::kRunning && on != nullptr) [[likely]] {
      // Not cancelled, so `local` is not queued.
      task.Complete(kFinish, on, nullptr, [&task] { task.EndNow(); });
    } else {
      task.ComeTooLate();
    }
  }

  // From the loop. Queued, never inline.
  void PublishOnLoop() noexcept {
    if (core->reactor() == nullptr) {
      LeaveBehind();
      return;
    }
    mail.run = completion_ops->on_mail;
    Access::Defer(reactor(), mail);
  }

 private:
  // More free blocks, and somebody to work on them. Throws std::bad_alloc.
  static void Refill(Reactor& reactor);
  static void* AllocateSpill(Reactor& reactor, std::size_t size);

  void GiveUp() noexcept {
    if (ops->give_up != nullptr && !is_back) ops->give_up(this);
  }

  void EndState() noexcept {
    if (ops->end_state != nullptr) ops->end_state(this);
  }

  // Runs the completion once and ends it, and the result unless `instead` came
  // for it; then calls end(). All of it also if the completion throws.
  template <class Finish, class End>
  [[gnu::always_inline]] void Complete(Finish finish, void* on,
                                       const absl::Status* instead, End end) {
    struct AtEnd {
      ~AtEnd() { end(); }
      End end;
    } at_end{end};
    state = State::kDone;
    link.Unlink();
    finish(this, on, instead);
  }

  // The result has arrived, and nobody wants it.
  [[gnu::cold]] void ComeTooLate() noexcept {
    DropResult();
    if (state == State::kRunning) Abandon();
    EndIfBack();
  }

  // It was cancelled some calls ago. If the result is back, it is gone too.
  static void OnLocal(Node* node, void* on) {
    TaskBlock& task = *FromLocal(node);
    if (task.state == State::kCancelling && on != nullptr) {
      const absl::Status cancelled = absl::CancelledError();
      task.Complete(task.completion_ops->finish, on, &cancelled,
                    [&task] { task.EndLocal(); });
      return;
    }
    if (task.state == State::kCancelling) task.Abandon();
    task.EndLocal();
  }
  void EndLocal() noexcept {
    is_local = false;
    EndIfBack();
  }

  void EndIfBack() noexcept {
    if (is_back && !is_local) EndNow();
  }

  // Nobody has anything of it any more.
  [[gnu::always_inline]] void EndNow() noexcept {
    Reactor& r = reactor();
    --Access::tasks(r, is_worker());
    Recycle(r);
  }

  [[gnu::always_inline]] void Recycle(Reactor& r) noexcept {
    if (ops->spill_size != 0) FreeSpill();
    ++generation;
    state = State::kDone;
    mail.next = static_cast<Node*>(Access::free_tasks(r));
    Access::free_tasks(r) = &mail;
  }

  // Apart, so that tasks without one save no registers for it.
  [[gnu::noinline]] void FreeSpill() noexcept {
    EndState();
    core->blocks().Free(spill(), ops->spill_size);
  }

  // The executor is gone; its slabs go with the core.
  [[gnu::cold]] void LeaveBehind() noexcept {
    DropResult();
    if (ops->spill_size != 0) {
      EndState();
      internal_block_pool::BlockPool::FreeFromElsewhere(spill(),
                                                        ops->spill_size);
    }
    core->Returned();
  }
};

static_assert(sizeof(TaskBlock) == TaskBlock::kSize);
static_assert(offsetof(TaskBlock, local) == sizeof(Node));
static_assert(offsetof(TaskBlock, link) == 2 * sizeof(Node));
static_assert(offsetof(TaskBlock, payload) == TaskBlock::kHeaderSize);

// What a TaskScope<E> is without its E: a list of tasks in the reactor's list
// of scopes.
struct Scope : Link {
  Link tasks;
  LoopCore* core = nullptr;  // Null once the executor is gone.
};

// The executor goes away. Returns how many completions will never run.
inline std::int64_t AbandonAllTasks(Reactor& reactor) noexcept {
  std::int64_t count = 0;
  Link& scopes = Access::scopes(reactor);
  Link& tasks = Access::tasks_list(reactor);
  // Again for what a destructor has started.
  while (scopes.linked() || tasks.linked()) {
    while (scopes.linked()) {
      auto* scope = static_cast<Scope*>(scopes.next);
      scope->Unlink();
      scope->core = nullptr;
      // Out of the scope, which may end with one of its completions.
      tasks.TakeAll(scope->tasks);
    }
    count += TaskBlock::AbandonAll(tasks);
  }
  return count;
}

// Inlined, as `ops` is a constant there.
[[gnu::always_inline]] inline TaskBlock* TaskBlock::New(Reactor& reactor,
                                                        const TaskOps& ops) {
  void*& free = Access::free_tasks(reactor);
  if (free == nullptr) [[unlikely]]
    Refill(reactor);
  void* const spill =
      ops.spill_size != 0 ? AllocateSpill(reactor, ops.spill_size) : nullptr;
  TaskBlock* task = FromMail(static_cast<Node*>(free));
  free = task->mail.next;
  if (spill != nullptr) {
    ::new (static_cast<void*>(task->payload + ops.spill_at)) void*(spill);
  }
  task->ops = &ops;
  task->state = State::kLazy;
  task->is_back = task->is_local = task->needs_turns = false;
  task->hook_describes = task->has_result = false;
  task->skip.store(false, std::memory_order_relaxed);
  ++Access::blocks_held(reactor);
  return task;
}

[[gnu::noinline]] inline void* TaskBlock::AllocateSpill(Reactor& reactor,
                                                        std::size_t size) {
  return Access::core(reactor)->blocks().Allocate(size);
}

[[gnu::cold]] inline void TaskBlock::Refill(Reactor& reactor) {
  constexpr std::size_t kCount = 64;
  Access::EnsureWorkers(reactor);
  LoopCore& core = *Access::core(reactor);
  void*& free = Access::free_tasks(reactor);
  auto* at = static_cast<std::byte*>(core.blocks().AllocateSlab(kSize, kCount));
  for (std::size_t i = 0; i < kCount; ++i, at += kSize) {
    auto* block = ::new (at) TaskBlock(core);
    block->mail.next = static_cast<Node*>(free);
    free = &block->mail;
  }
  Access::set_abandon_tasks(reactor, &AbandonAllTasks);
}

}  // namespace internal_task_block
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_TASK_BLOCK_H_
