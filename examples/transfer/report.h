// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/examples/transfer/report.h
//
// What one run of the experiment has seen, and how it is told.

#ifndef QIO_EXAMPLES_TRANSFER_REPORT_H_
#define QIO_EXAMPLES_TRANSFER_REPORT_H_

#include <chrono>
#include <cstdint>
#include <set>
#include <string>

namespace four_streams {

// Used on the loop alone.
struct Report {
  using Clock = std::chrono::steady_clock;

  bool is_told = true;  // Thread ids are printed as they come.
  std::string executor;
  std::uint64_t streams = 0;
  std::uint64_t bytes = 0;
  std::int64_t loop_thread = 0;
  std::set<std::int64_t> worker_threads;
  std::set<std::int64_t> completion_threads;
  std::string checksum;
  Clock::time_point begin = Clock::now();
  Clock::time_point end = Clock::now();

  // The promise of this project, for this run.
  bool Holds() const {
    return worker_threads.size() == streams &&
           completion_threads == std::set<std::int64_t>{loop_thread} &&
           !worker_threads.contains(loop_thread);
  }

  void Worker(std::uint64_t stream, std::int64_t thread_id);
  void Completion(std::uint64_t stream);

  static std::string Header();
  std::string Row() const;
};

// A bar on standard error, if that is a terminal.
class ProgressBar {
 public:
  // `done` of `all` bytes have been sent.
  void Show(std::uint64_t done, std::uint64_t all);
  // Takes the bar away.
  void Clear();

 private:
  int percent_ = -1;
};

}  // namespace four_streams

#endif  // QIO_EXAMPLES_TRANSFER_REPORT_H_
