// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/libuv_server.cc
//
// libuv as its users use it, for server.h: uv_listen(), uv_read_start(), and
// uv_try_write(), which takes what the socket takes.

#include <uv.h>

#include <cstddef>

#include "absl/flags/flag.h"
#include "qio/benchmarks/server.h"

namespace {

using bench::Workload;

Workload workload;

union Stream {
  uv_handle_t handle;
  uv_stream_t stream;
  uv_tcp_t tcp;
  uv_pipe_t pipe;
};

struct Client {
  Stream stream;
  uv_write_t writing;
};

uv_buf_t ChunkOf(std::size_t size) {
  return uv_buf_init(bench::chunk.data(), static_cast<unsigned>(size));
}

void Init(uv_loop_t* loop, Stream& stream) {
  if (absl::GetFlag(FLAGS_unix_path).empty()) {
    uv_tcp_init(loop, &stream.tcp);
  } else {
    uv_pipe_init(loop, &stream.pipe, 0);
  }
}

void Close(Client* client) {
  client->stream.handle.data = client;
  uv_close(&client->stream.handle, [](uv_handle_t* handle) {
    uv_loop_t* loop = handle->loop;
    delete static_cast<Client*>(handle->data);
    if (bench::LastHasGone()) uv_stop(loop);
  });
}

void OnRead(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
  auto* client = static_cast<Client*>(stream->data);
  if (size < 0) return Close(client);
  if (workload != Workload::kEcho || size == 0) return;
  const uv_buf_t bytes = ChunkOf(static_cast<std::size_t>(size));
  uv_try_write(stream, &bytes, 1);
}

void Write(Client* client) {
  const uv_buf_t bytes = ChunkOf(bench::kChunk);
  client->writing.data = client;
  uv_write(&client->writing, &client->stream.stream, &bytes, 1,
           [](uv_write_t* writing, int status) {
             auto* client = static_cast<Client*>(writing->data);
             if (status == 0) {
               Write(client);
             } else {
               Close(client);
             }
           });
}

void OnClient(uv_stream_t* listener, int) {
  auto* client = new Client;
  Init(listener->loop, client->stream);
  if (uv_accept(listener, &client->stream.stream) != 0 ||
      workload == Workload::kAccept) {
    return Close(client);
  }
  client->stream.handle.data = client;
  if (absl::GetFlag(FLAGS_unix_path).empty()) {
    uv_tcp_nodelay(&client->stream.tcp, 1);
  }
  if (workload == Workload::kSource) return Write(client);
  uv_read_start(
      &client->stream.stream,
      [](uv_handle_t*, std::size_t, uv_buf_t* bytes) {
        *bytes = ChunkOf(bench::kChunk);
      },
      &OnRead);
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::ListeningSocket(argc, argv);
  workload = bench::WorkloadOfFlags();
  uv_loop_t* loop = uv_default_loop();
  Stream listener;
  Init(loop, listener);
  if (absl::GetFlag(FLAGS_unix_path).empty()) {
    uv_tcp_open(&listener.tcp, fd);
  } else {
    uv_pipe_open(&listener.pipe, fd);
  }
  uv_listen(&listener.stream, 4096, &OnClient);
  uv_run(loop, UV_RUN_DEFAULT);
  return 0;
}
