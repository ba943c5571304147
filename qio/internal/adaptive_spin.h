// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/adaptive_spin.h
//
// Looks a few times before sleeping, as long as that pays. Across two cores a
// parked wake-up costs 30 to 50 microseconds, and the same round trip with
// spinning a quarter of one; but a fixed spin on a shared core is harmful.

#ifndef QIO_INTERNAL_ADAPTIVE_SPIN_H_
#define QIO_INTERNAL_ADAPTIVE_SPIN_H_

#include <cstdint>

#include "qio/config.h"
#include "qio/internal/sys.h"

namespace qio::inline QIO_ABI {
namespace internal_adaptive_spin {

// How many pauses at most. 400 of them last 10 to 20 microseconds, less than
// the wake-up they may save.
inline constexpr std::uint32_t kSpinLimit = 400;

class AdaptiveSpin {
 public:
  // 0 never spins.
  explicit AdaptiveSpin(std::uint32_t limit_max = kSpinLimit) noexcept
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
      // Spinning has failed too often. Try again now and then.
      if (++parks_ % kProbeEvery != 0) return false;
      limit = limit_max_;
    }
    for (std::uint32_t i = 0; i < limit; ++i) {
      if (ready()) {
        limit_ = limit_ < kWorthwhile ? kWorthwhile : limit_;
        limit_ = limit_ > limit_max_ / 2 ? limit_max_ : limit_ * 2;
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

  std::uint32_t limit_;
  std::uint32_t limit_max_;
  std::uint32_t parks_ = 0;
};

}  // namespace internal_adaptive_spin
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_ADAPTIVE_SPIN_H_
