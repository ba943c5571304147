// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// examples/glib_with_asio.cc: a GLib program with a client of Asio's inside, on
// one thread. It prints the first five bytes that a local port sends.

#include <glib.h>

#include <asio.hpp>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "qio/executors/glib.h"
#include "qio/task.h"

using Loop = qio::GlibExecutor;
using On = qio::OnLoop<Loop>;
using To = qio::SendableCompleter<Loop, std::string>;
using asio::ip::tcp;

// The client. If anything of it throws, `to` is dropped, and says kAborted.
asio::awaitable<void> Ask(unsigned short port, To to) {
  tcp::socket socket(co_await asio::this_coro::executor);
  const tcp::endpoint server(asio::ip::address_v4::loopback(), port);
  co_await socket.async_connect(server, asio::use_awaitable);
  std::string text(5, ' ');
  co_await asio::async_read(socket, asio::buffer(text), asio::use_awaitable);
  std::move(to).Post(std::move(text));
}

// GLib cannot wait for an io_context, so it looks at it every millisecond,
// until nothing is left to be done there.
gboolean Poll(gpointer io) {
  static_cast<asio::io_context*>(io)->poll();
  return !static_cast<asio::io_context*>(io)->stopped();
}

int main(int argc, char** argv) {
  GMainLoop* main_loop = g_main_loop_new(nullptr, FALSE);
  asio::io_context io;
  auto loop = Loop::Create();
  if (argc < 2 || !loop.ok()) return 2;
  const auto port = static_cast<unsigned short>(std::stoi(argv[1]));
  int exit_code = 1;
  absl::Status status = (*loop)->Enter([&](On& on) {
    qio::MakeTask<std::string>(on, [&](On&, auto completer) {
      To to = std::move(completer).ToSendable();
      asio::co_spawn(io, Ask(port, std::move(to)), asio::detached);
      g_timeout_add(1, &Poll, &io);
    }).Then([&](On&, absl::StatusOr<std::string> text) {
      if (text.ok()) exit_code = std::puts(text->c_str()) < 0;
      g_main_loop_quit(main_loop);
    });
  });
  if (status.ok()) g_main_loop_run(main_loop);
  g_main_loop_unref(main_loop);
  return exit_code;
}
