// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/executors/simulated_options.h
//
// SimulatedOptions is what a SimulatedWorld (qio/executors/simulated.h) is made
// of: its seed, what goes wrong in it, and how long things take.

#ifndef QIO_EXECUTORS_SIMULATED_OPTIONS_H_
#define QIO_EXECUTORS_SIMULATED_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "qio/config.h"
#include "qio/diagnostics.h"

namespace qio::inline QIO_ABI {

// How often something goes wrong: chances in thousandths, of each time that it
// could. What is short, any program must bear; the rest is off at first.
struct SimulatedFaults {
  int short_read = 250;
  int short_write = 250;
  int reset = 0;             // A connection breaks when it is written to.
  int accept_exhausted = 0;  // EMFILE; the client stays in the backlog.
  int accept_aborted = 0;    // ECONNABORTED; the client is gone.
  int connect_exhausted = 0;
  int connect_refused = 0;
  int connect_timeout = 0;     // After two minutes of the simulated clock.
  int worker_not_started = 0;  // There is no thread to be had: EAGAIN.
  int worker_at_once = 50;     // It is done before the call that started it.

  static SimulatedFaults None() { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }
  // Everything, often enough to be met in a short run.
  static SimulatedFaults All() {
    return {500, 500, 20, 100, 50, 30, 50, 20, 100, 100};
  }
};

struct SimulatedOptions {
  std::uint64_t seed = 1;
  SimulatedFaults faults{};

  // How long bytes, and connections, are on their way; how long a worker waits
  // for a thread, and works; how long a turn of a loop takes.
  std::chrono::nanoseconds latency_min = std::chrono::microseconds(10);
  std::chrono::nanoseconds latency_max = std::chrono::microseconds(1000);
  std::chrono::nanoseconds worker_time_max = std::chrono::microseconds(1000);
  std::chrono::nanoseconds turn_time_max = std::chrono::microseconds(20);

  // How many bytes of a connection are on their way or unread, at most.
  std::size_t buffer_size = 65536;

  // Where the executors report, unless they are told otherwise.
  Diagnostics diagnostics{};

  // Keeps what happens for TraceText(). Its hash is there without.
  bool keep_trace = false;

  // Where the clock begins: the same for all, or it would be in the trace.
  std::chrono::steady_clock::time_point start{std::chrono::seconds(1000)};
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_EXECUTORS_SIMULATED_OPTIONS_H_
