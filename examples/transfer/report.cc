// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/examples/transfer/report.h"

#include <unistd.h>

#include <cstdio>

#include "qio/examples/transfer/part_file.h"

namespace four_streams {

void Report::Worker(std::uint64_t stream, std::int64_t thread_id) {
  worker_threads.insert(thread_id);
  if (!is_told) return;
  std::printf("stream %ju: Worker running in thread id = %jd\n",
              static_cast<std::uintmax_t>(stream),
              static_cast<std::intmax_t>(thread_id));
}

void Report::Completion(std::uint64_t stream) {
  const std::int64_t thread_id = ThreadId();
  completion_threads.insert(thread_id);
  if (!is_told) return;
  std::printf("stream %ju: Completion running in thread id = %jd\n",
              static_cast<std::uintmax_t>(stream),
              static_cast<std::intmax_t>(thread_id));
}

std::string Report::Header() {
  char text[128];
  std::snprintf(text, sizeof text, "%-9s %7s %9s %14s %18s  %s", "executor",
                "streams", "MiB/s", "worker threads", "completion threads",
                "checksum");
  return text;
}

std::string Report::Row() const {
  const std::chrono::duration<double> took = end - begin;
  const double mib = static_cast<double>(bytes) / (1 << 20);
  char text[128];
  std::snprintf(text, sizeof text, "%-9s %7ju %9.1f %14zu %18zu  %s",
                executor.c_str(), static_cast<std::uintmax_t>(streams),
                took.count() > 0 ? mib / took.count() : 0.0,
                worker_threads.size(), completion_threads.size(),
                checksum.substr(0, 16).c_str());
  return text;
}

void ProgressBar::Show(std::uint64_t done, std::uint64_t all) {
  static const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  const int percent = all == 0 ? 100 : static_cast<int>(done * 100 / all);
  if (!is_terminal || percent == percent_) return;
  percent_ = percent;
  const std::string bar(static_cast<std::size_t>(percent / 2), '#');
  std::fprintf(stderr, "\r[%-50s] %3d%%", bar.c_str(), percent);
}

void ProgressBar::Clear() {
  if (percent_ >= 0) std::fprintf(stderr, "\r%*s\r", 60, "");
  percent_ = -1;
}

}  // namespace four_streams
