// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/condition.h
//
// Condition is what a watch waits for on a descriptor, and what it is told: a
// set of the bits of poll(2), like GLib's GIOCondition.
//
//   watch.Start(on, fd, Condition::kIn | Condition::kOut, ...);
//   if (Has(ready, Condition::kHup)) ...

#ifndef QIO_CONDITION_H_
#define QIO_CONDITION_H_

#include <poll.h>

#include <cstdint>

#include "qio/config.h"

namespace qio::inline QIO_ABI {

// The values are those of poll(2) and epoll_ctl(2), which are the same.
enum class Condition : std::uint32_t {
  kNone = 0,
  kIn = POLLIN,    // There is something to read, or the end of the stream.
  kPri = POLLPRI,  // Something exceptional, as out-of-band data on TCP.
  kOut = POLLOUT,  // A write would transfer something.
  // The three below are told whether asked for or not.
  kErr = POLLERR,    // An error stands; for a socket SO_ERROR tells which.
  kHup = POLLHUP,    // The other side is gone.
  kNval = POLLNVAL,  // Not an open descriptor. Start() returns it as a Status.
};

constexpr Condition operator|(Condition a, Condition b) {
  return Condition{static_cast<std::uint32_t>(a) |
                   static_cast<std::uint32_t>(b)};
}
constexpr Condition operator&(Condition a, Condition b) {
  return Condition{static_cast<std::uint32_t>(a) &
                   static_cast<std::uint32_t>(b)};
}
constexpr Condition operator~(Condition a) {
  return Condition{~static_cast<std::uint32_t>(a)};
}
constexpr Condition& operator|=(Condition& a, Condition b) { return a = a | b; }
constexpr Condition& operator&=(Condition& a, Condition b) { return a = a & b; }

// True if `set` has any of the bits of `bits`.
constexpr bool Has(Condition set, Condition bits) {
  return (set & bits) != Condition::kNone;
}

}  // namespace qio::inline QIO_ABI

#endif  // QIO_CONDITION_H_
