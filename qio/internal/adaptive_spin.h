// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/adaptive_spin.h
//
// Looks a few times before sleeping, as long as that pays. Across two cores a
// parked wake-up costs 30 to 50 microseconds, and the same round trip with
// spinning a third of one; but a fixed spin on a shared core is harmful.

#ifndef QIO_INTERNAL_ADAPTIVE_SPIN_H_
#define QIO_INTERNAL_ADAPTIVE_SPIN_H_

#include <algorithm>
#include <cstdint>

#include "qio/config.h"
#include "qio/internal/sys.h"

namespace qio::inline QIO_ABI {
namespace internal_adaptive_spin {

// How many pauses at most, each 25 to 45 nanoseconds. A loop, which looks at
// nothing else meanwhile, spins for less than the wake-up that it may save.
inline constexpr std::uint32_t kLoopSpinLimit = 400;
// A worker, which has nothing else to do, spins for as long as the loop takes
// to be woken by a result and to send the next work. If it slept by then, the
// loop would sleep before the worker is awake, and so on: two that wake each
// other in turn never come to spin.
inline constexpr std::uint32_t kWorkerSpinLimit = 1600;

class AdaptiveSpin {
 public:
  // 0 never spins.
  explicit AdaptiveSpin(std::uint32_t limit_max) noexcept
      : limit_(limit_max), limit_max_(limit_max) {}

  bool enabled() const noexcept { return limit_max_ != 0; }
  void set_limit_max(std::uint32_t limit_max) noexcept {
    limit_ = limit_max_ = limit_max;
  }

  // True as soon as `ready()` is; false when it does not pay to look longer.
  template <class Ready>
  bool Until(Ready ready) noexcept {
    std::uint32_t limit = limit_;
    if (limit < kWorthwhile) {
      // Spinning has failed too often. Try again now and then, the less often
      // the longer that fails.
      if (++parks_ < probe_every_) return false;
      parks_ = 0;
      probe_every_ = std::min(2 * probe_every_, kProbeEveryMax);
      limit = limit_max_;
    }
    for (std::uint32_t i = 0; i < limit; ++i) {
      if (ready()) {
        limit_ = std::min(2 * std::max(limit_, kWorthwhile), limit_max_);
        probe_every_ = kProbeEvery;
        return true;
      }
      internal_sys::Pause();
    }
    limit_ /= 2;
    return false;
  }

 private:
  static constexpr std::uint32_t kWorthwhile = 16;
  static constexpr std::uint32_t kProbeEvery = 8;
  static constexpr std::uint32_t kProbeEveryMax = 32;

  std::uint32_t limit_;
  std::uint32_t limit_max_;
  std::uint32_t parks_ = 0;  // Since the last probe.
  std::uint32_t probe_every_ = kProbeEvery;
};

}  // namespace internal_adaptive_spin
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_ADAPTIVE_SPIN_H_
