// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// A program that knows its loop only as Loop: fails unless the worker ran on
// another thread and the completion on this one.

#include <cstdio>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "loop.h"
#include "qio/task.h"

namespace {

struct Greeting {
  std::string text;
  bool on_main_thread;
};

bool IsMainThread() {
  static const std::thread::id main_thread = std::this_thread::get_id();
  return std::this_thread::get_id() == main_thread;
}

}  // namespace

int main() {
  bool ok = IsMainThread();
  int completions = 0;
  RunProgram([&](qio::OnLoop<Loop>& on) {
    qio::RunInThread(
        on,
        [](std::string name) {
          return Greeting{"Hello, " + name + ".", IsMainThread()};
        },
        std::string("downstream"))
        .Then([&](qio::OnLoop<Loop>&, absl::StatusOr<Greeting> greeting) {
          ++completions;
          ok = ok && greeting.ok() && !greeting->on_main_thread &&
               IsMainThread();
          std::puts(greeting.ok() ? greeting->text.c_str()
                                  : greeting.status().ToString().c_str());
        });
  });
  return ok && completions == 1 ? 0 : 1;
}
