// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// benchmarks/hosts.h
//
// The three loops that ours are measured on.

#ifndef QIO_BENCHMARKS_HOSTS_H_
#define QIO_BENCHMARKS_HOSTS_H_

#include <glib.h>

#include <asio/io_context.hpp>
#include <memory>

#include "qio/executors/asio.h"
#include "qio/executors/epoll.h"
#include "qio/executors/glib.h"
#include "qio/on_loop.h"

namespace bench {

// Each: Run(first) calls first(on) on the loop, which then runs
// until Stop().

class Epoll {
 public:
  using E = qio::EpollExecutor;

  template <class F>
  void Run(F first) {
    (void)loop_->Run(first);
  }
  void Stop(qio::OnLoop<E>& on) { loop_->Stop(on); }

 private:
  std::unique_ptr<E> loop_ = *E::Create();
};

class Glib {
 public:
  using E = qio::GlibExecutor;

  template <class F>
  void Run(F first) {
    stopped_ = false;
    (void)loop_->Enter(first);
    while (!stopped_) g_main_context_iteration(nullptr, TRUE);
  }
  void Stop(qio::OnLoop<E>&) { stopped_ = true; }

 private:
  std::unique_ptr<E> loop_ = *E::Create();
  bool stopped_ = false;
};

class Asio {
 public:
  using E = qio::AsioExecutor;

  template <class F>
  void Run(F first) {
    context_.restart();
    (void)loop_->Enter(first);
    context_.run();
  }
  void Stop(qio::OnLoop<E>&) { context_.stop(); }

 private:
  asio::io_context context_;
  std::unique_ptr<E> loop_ = *E::Create(context_);
};

}  // namespace bench

#endif  // QIO_BENCHMARKS_HOSTS_H_
