// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/diagnostics.h
//
// Where qio says what no caller is there to be told: work lost with its
// executor, a watch disarmed because nobody looked at its hang-up, a pool that
// waits for a stuck worker. One function per executor or pool, set by the
// program; by default a line on standard error.

#ifndef QIO_DIAGNOSTICS_H_
#define QIO_DIAGNOSTICS_H_

#include <unistd.h>

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "qio/config.h"

namespace qio::inline QIO_ABI {

// Receives one sentence, without a line end. It must not throw; `user` is what
// was set beside it and has to outlive the executor or pool.
//
// Affinity:  owning loop for an executor's, any thread for a pool's.
using DiagnosticsFunction = void (*)(void* user, std::string_view sentence);

// A diagnostics function with its first argument.
struct Diagnostics {
  inline static void WriteToStderr(void*, std::string_view sentence) {
    std::string line(sentence);
    line += '\n';
    // Nobody is there to be told that this write failed.
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
  }

  void Report(std::string_view sentence) const { function(user, sentence); }

  // Reports what make() returns, a std::string, or only that there is something
  // to report if there is no memory for that.
  template <class Make>
  void ReportMade(Make make) const noexcept {
#if defined(__cpp_exceptions)
    try {
      Report(make());
    } catch (const std::bad_alloc&) {
      ReportWithoutMemory();
    }
#else
    Report(make());
#endif
  }

  DiagnosticsFunction function = &WriteToStderr;
  void* user = nullptr;

 private:
#if defined(__cpp_exceptions)
  void ReportWithoutMemory() const noexcept {
    constexpr std::string_view kLine =
        "qio: something is to be reported, and there is no memory to say "
        "what\n";
    try {
      Report(kLine.substr(0, kLine.size() - 1));
    } catch (const std::bad_alloc&) {
      // Nobody is there to be told that this write failed.
      if (::write(STDERR_FILENO, kLine.data(), kLine.size()) < 0) return;
    }
  }
#endif
};

namespace internal_diagnostics {

// Ends the program with one sentence: a contract is broken and going on would
// corrupt memory.
[[noreturn]] inline void Die(std::string_view sentence) {
  Diagnostics::WriteToStderr(nullptr, sentence);
  std::abort();
}

}  // namespace internal_diagnostics

}  // namespace qio::inline QIO_ABI

#endif  // QIO_DIAGNOSTICS_H_
