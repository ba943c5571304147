// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/stall.h
//
// Who blocks the loop? An executor with a stall hook tells of every callback
// that took too long, when it has returned:
//
//   qio::StallHook hook;
//   hook.longer_than = std::chrono::milliseconds(50);
//   hook.call = [](void*, const qio::Stall& stall) {
//     LOG(WARNING) << qio::Describe(stall);
//   };
//   executor.SetStallHook(on, hook);
//
// With a hook a callback costs two readings of the clock more; without one,
// two instructions.

#ifndef QIO_STALL_H_
#define QIO_STALL_H_

#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include "qio/config.h"

namespace qio::inline QIO_ABI {

// A callback that held up the loop.
struct Stall {
  // Its type, as the compiler spells it, which has in it the function that it
  // was written in (and, by clang, the line). Static; empty if unknown.
  std::string_view callback;
  // Of the co_await after which a Coro went on; else line() is 0.
  std::source_location where;
  std::chrono::nanoseconds duration{};
  std::int64_t thread_id = 0;  // The kernel's: gettid(2).
};

// "qio: thread 4711 was blocked for 250 ms by Session::Load(...)::<lambda...>".
//
// Affinity:  any thread.
inline std::string Describe(const Stall& stall) {
  std::string who;
  if (stall.where.line() != 0) {
    who = std::string("the coroutine that went on at ") +
          stall.where.file_name() + ":" + std::to_string(stall.where.line());
  } else if (!stall.callback.empty()) {
    who = std::string(stall.callback);
  } else {
    who = "qio itself";
  }
  return "qio: thread " + std::to_string(stall.thread_id) +
         " was blocked for " +
         std::to_string(stall.duration.count() / 1'000'000) + " ms by " + who;
}

// Whom to tell.
struct StallHook {
  std::chrono::nanoseconds longer_than{};
  // Owning loop, behind the callback; must not throw. Null: there is no hook.
  void (*call)(void* context, const Stall& stall) = nullptr;
  void* context = nullptr;
};

}  // namespace qio::inline QIO_ABI

#endif  // QIO_STALL_H_
