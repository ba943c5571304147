// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/glib_server.cc
//
// GLib as its users use it, for server.h. --loop=g_unix_fd: a source for each
// descriptor, and the system calls by hand. --loop=gsocket: GSocketService for
// --workload=accept, GSocket sources for all others.

#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "qio/benchmarks/server.h"

namespace {

using bench::Workload;

Workload workload;
GMainLoop* main_loop;

void Gone() {
  if (bench::LastHasGone()) g_main_loop_quit(main_loop);
}

namespace by_descriptor {

gboolean OnReady(gint fd, GIOCondition, gpointer) {
  ssize_t done = 0;
  if (workload == Workload::kSource) {
    done = ::send(fd, bench::chunk.data(), bench::kChunk, MSG_NOSIGNAL);
  } else {
    done = ::recv(fd, bench::chunk.data(), bench::kChunk, 0);
    if (done > 0 && workload == Workload::kEcho) {
      (void)::send(fd, bench::chunk.data(), static_cast<std::size_t>(done),
                   MSG_NOSIGNAL);
    }
  }
  if (done > 0) return G_SOURCE_CONTINUE;
  ::close(fd);
  Gone();
  return G_SOURCE_REMOVE;
}

gboolean OnClient(gint listener, GIOCondition, gpointer) {
  for (;;) {
    const int fd =
        ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return G_SOURCE_CONTINUE;
    if (workload == Workload::kAccept) {
      ::close(fd);
      Gone();
      continue;
    }
    bench::NoDelay(fd);
    g_unix_fd_add(fd, workload == Workload::kSource ? G_IO_OUT : G_IO_IN,
                  &OnReady, nullptr);
  }
}

}  // namespace by_descriptor

namespace by_socket {

gboolean OnReady(GSocket* socket, GIOCondition, gpointer) {
  gssize done = 0;
  if (workload == Workload::kSource) {
    done = g_socket_send(socket, bench::chunk.data(), bench::kChunk, nullptr,
                         nullptr);
  } else {
    done = g_socket_receive(socket, bench::chunk.data(), bench::kChunk, nullptr,
                            nullptr);
    if (done > 0 && workload == Workload::kEcho) {
      g_socket_send(socket, bench::chunk.data(), static_cast<gsize>(done),
                    nullptr, nullptr);
    }
  }
  if (done > 0) return G_SOURCE_CONTINUE;
  g_socket_close(socket, nullptr);
  Gone();
  return G_SOURCE_REMOVE;
}

gboolean OnClient(GSocketService*, GSocketConnection* connection, GObject*,
                  gpointer) {
  if (workload == Workload::kAccept) {
    g_io_stream_close(G_IO_STREAM(connection), nullptr, nullptr);
    Gone();
    return TRUE;
  }
  GSocket* socket = g_socket_connection_get_socket(connection);
  bench::NoDelay(g_socket_get_fd(socket));
  g_socket_set_blocking(socket, FALSE);
  GSource* source = g_socket_create_source(
      socket, workload == Workload::kSource ? G_IO_OUT : G_IO_IN, nullptr);
  // Lives with its source.
  g_source_set_callback(source, G_SOURCE_FUNC(&OnReady),
                        g_object_ref(connection), &g_object_unref);
  g_source_attach(source, nullptr);
  g_source_unref(source);
  return TRUE;
}

void Listen(int fd) {
  GSocket* socket = g_socket_new_from_fd(fd, nullptr);
  GSocketService* service = g_socket_service_new();
  g_socket_listener_add_socket(G_SOCKET_LISTENER(service), socket, nullptr,
                               nullptr);
  g_signal_connect(service, "incoming", G_CALLBACK(&OnClient), nullptr);
  g_socket_service_start(service);
}

}  // namespace by_socket

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::ListeningSocket(argc, argv);
  workload = bench::WorkloadOfFlags();
  main_loop = g_main_loop_new(nullptr, FALSE);
  const std::string loop = absl::GetFlag(FLAGS_loop);
  if (loop == "g_unix_fd") {
    g_unix_fd_add(fd, G_IO_IN, &by_descriptor::OnClient, nullptr);
  } else if (loop == "gsocket") {
    by_socket::Listen(fd);
  } else {
    std::fprintf(stderr, "--loop=%s: g_unix_fd or gsocket\n", loop.c_str());
    return 2;
  }
  g_main_loop_run(main_loop);
  return 0;
}
