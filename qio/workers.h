// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/workers.h
//
// Workers is where blocking work runs: threads that belong to no loop. A
// WorkerPool keeps some, ThreadPerTask makes one for each piece of work as
// QEMU does. An executor has a default pool, or is given one to share.

#ifndef QIO_WORKERS_H_
#define QIO_WORKERS_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_workers {

struct Work;

// What can be done with a piece of work. All are noexcept in effect: what the
// user's function throws is caught inside `run`.
struct WorkOps {
  // Worker thread. Runs it and keeps the result.
  void (*run)(Work*) noexcept;
  // The same thread, after `run`: gives the result to the loop. Nothing of the
  // work may be touched after.
  void (*publish)(Work*) noexcept;
  // Any thread, instead of both: it will not be run, and this is why.
  void (*refuse)(Work*, const absl::Status& why) noexcept;
  // What a report calls it: the type of the worker, as the compiler spells it.
  const char* name;
};

// A piece of work, linked to what was handed over with it.
struct Work {
  Work* next;
  const WorkOps* ops;
};

}  // namespace internal_workers

// The processors on which a loop that uses these workers, and one of them, ran
// last. Neither spins for the other if they share one. Relaxed: a hint.
struct ProcessorHints {
  std::atomic<int> loop{-1};
  std::atomic<int> worker{-2};
};

class Workers {
 public:
  Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  virtual ~Workers() = default;

  // Takes over the works from `first` to the last that is linked to it. Each
  // is run once or refused once.
  //
  // Affinity:  any thread.
  virtual void Submit(internal_workers::Work* first) noexcept = 0;

  // Takes no more work, refuses what has not started, and waits until all
  // workers have returned or `deadline` has passed. Returns the names of those
  // that still run; what becomes of them is the program's decision.
  //
  // Affinity:  any thread but a worker's own.
  virtual std::vector<std::string> Shutdown(
      std::chrono::steady_clock::time_point deadline) = 0;

  // Runs some of what was taken over on this thread, which waits for it: for
  // workers that are no threads. False: there is nothing to be run here.
  //
  // Affinity:  the loop that waits.
  virtual bool RunHere() noexcept { return false; }

  // Null if waiting for these workers is never short enough to spin.
  //
  // Affinity:  any thread.
  virtual ProcessorHints* processor_hints() noexcept { return nullptr; }
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_WORKERS_H_
