// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/libevent_server.cc
//
// libevent as its users use it, for server.h: evconnlistener, and
// --loop=event: an event for each descriptor, with the system calls by hand;
// --loop=bufferevent: its buffered streams.

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "absl/flags/flag.h"
#include "qio/benchmarks/server.h"

namespace {

using bench::Workload;

Workload workload;
event_base* base;

void Gone() {
  if (bench::LastHasGone()) event_base_loopbreak(base);
}

void OnReady(evutil_socket_t fd, short, void* self) {
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
  if (done > 0) return;
  event_free(*static_cast<event**>(self));
  delete static_cast<event**>(self);
  ::close(fd);
  Gone();
}

void Fill(bufferevent* stream, void*) {
  if (workload == Workload::kSource) {
    bufferevent_write(stream, bench::chunk.data(), bench::kChunk);
  }
}

void OnData(bufferevent* stream, void*) {
  evbuffer* in = bufferevent_get_input(stream);
  if (workload == Workload::kEcho) {
    bufferevent_write_buffer(stream, in);
  } else {
    evbuffer_drain(in, evbuffer_get_length(in));
  }
}

void OnEnd(bufferevent* stream, short, void*) {
  bufferevent_free(stream);
  Gone();
}

void OnClient(evconnlistener*, evutil_socket_t fd, sockaddr*, int, void*) {
  if (workload == Workload::kAccept) {
    ::close(fd);
    return Gone();
  }
  bench::NoDelay(fd);
  if (absl::GetFlag(FLAGS_loop) == "bufferevent") {
    bufferevent* stream =
        bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(stream, &OnData, &Fill, &OnEnd, nullptr);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
    return Fill(stream, nullptr);
  }
  auto** self = new event*;
  const short wanted = workload == Workload::kSource ? EV_WRITE : EV_READ;
  *self = event_new(base, fd, static_cast<short>(wanted | EV_PERSIST), &OnReady,
                    self);
  event_add(*self, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::ListeningSocket(argc, argv);
  workload = bench::WorkloadOfFlags();
  base = event_base_new();
  evconnlistener_new(base, &OnClient, nullptr,
                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
  event_base_dispatch(base);
  return 0;
}
