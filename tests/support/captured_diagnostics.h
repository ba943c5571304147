// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/captured_diagnostics.h
//
// CapturedDiagnostics keeps what an executor or a pool reports, for a test to
// read. It has to outlive what reports to it.

#ifndef QIO_TESTS_SUPPORT_CAPTURED_DIAGNOSTICS_H_
#define QIO_TESTS_SUPPORT_CAPTURED_DIAGNOSTICS_H_

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "qio/diagnostics.h"

namespace qio::support {

// Affinity:  any thread, all of it.
class CapturedDiagnostics {
 public:
  Diagnostics diagnostics() {
    return {[](void* self, std::string_view sentence) {
              static_cast<CapturedDiagnostics*>(self)->Add(sentence);
            },
            this};
  }

  std::vector<std::string> sentences() const {
    std::lock_guard lock(mutex_);
    return sentences_;
  }

  // All of them, a line each.
  std::string text() const {
    std::string text;
    for (const std::string& sentence : sentences()) text += sentence + '\n';
    return text;
  }

 private:
  void Add(std::string_view sentence) {
    std::lock_guard lock(mutex_);
    sentences_.emplace_back(sentence);
  }

  mutable std::mutex mutex_;
  std::vector<std::string> sentences_;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_CAPTURED_DIAGNOSTICS_H_
