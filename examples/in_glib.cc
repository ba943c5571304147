// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/in_glib.cc: qio in a program that has a GMainLoop.

#include <cstdio>

#include "absl/status/statusor.h"
#include "qio/executors/glib.h"
#include "qio/task.h"

using Loop = qio::GlibExecutor;

int main() {
  GMainLoop* main_loop = g_main_loop_new(nullptr, FALSE);
  auto qio_loop = Loop::Create();  // On the default context, like main_loop.
  if (!qio_loop.ok()) return 1;
  // A callback of GLib's, which knows nothing of qio, starts a task.
  auto on_idle = [&]() {
    return (*qio_loop)
                   ->Enter([&](qio::OnLoop<Loop>& on) {
                     qio::RunInThread(on, [] {
                       return 6 * 7;
                     }).Then([&](auto&, absl::StatusOr<int> answer) {
                       std::printf("%d\n", *answer);
                       g_main_loop_quit(main_loop);
                     });
                   })
                   .ok()
               ? G_SOURCE_REMOVE
               : G_SOURCE_CONTINUE;
  };
  g_idle_add(
      [](gpointer f) -> gboolean {
        return (*static_cast<decltype(on_idle)*>(f))();
      },
      &on_idle);
  g_main_loop_run(main_loop);
  qio_loop->reset();
  g_main_loop_unref(main_loop);
  return 0;
}
