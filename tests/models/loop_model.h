// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// tests/models/loop_model.h
//
// A loop for models: the real reactor on the checker's kernel, and the smallest
// executor around it.

#ifndef QIO_TESTS_MODELS_LOOP_MODEL_H_
#define QIO_TESTS_MODELS_LOOP_MODEL_H_

#include "qio/models/checker.h"
//
#include "qio/executor.h"
#include "qio/loop_ref.h"
#include "qio/on_loop.h"
#include "qio/reactor.h"
#include "qio/reactor_host.h"

namespace models {

class Loop final : public qio::ReactorHost<Loop> {
 public:
  using On = qio::OnLoop<Loop>;

  static std::unique_ptr<Loop> Create() {
    auto parts =
        qio::ReactorParts::Create(qio::ReactorParts::Timing::kTimeouts);
    auto loop = std::unique_ptr<Loop>(new Loop(*std::move(parts)));
    loop->reactor().set_spin_limit(0);
    // What is lost is what a model is about.
    loop->reactor().set_diagnostics({[](void*, std::string_view) {}, nullptr});
    return loop;
  }
  ~Loop() { reactor().Close(); }

  void RunUntilIdle() {
    while (reactor().outstanding() != 0) {
      reactor().RunQueued();
      if (reactor().outstanding() == 0) break;
      const bool sleeps = reactor().Park();
      reactor().PollDescriptors(sleeps ? reactor().TimeoutMs() : 0);
    }
  }
  // Runs what is there, and says that it will sleep.
  void RunOnceAndPark() {
    reactor().RunQueued();
    (void)reactor().Park();
  }

  template <class F>
  absl::Status Enter(F&& f) {
    f(on());
    reactor().FlushWork();
    return absl::OkStatus();
  }
  bool IsOnLoop() const noexcept { return true; }
  bool RunsElsewhere() const noexcept { return false; }

 private:
  explicit Loop(qio::ReactorParts parts) noexcept
      : ReactorHost(std::move(parts), "model") {}
};

static_assert(qio::Executor<Loop>);

// A value that crosses threads: what was written is seen, and each copy ends.
class Letter {
 public:
  using qio_sendable = Letter;

  explicit Letter(int number) : number_(number), text_(number) { ++alive; }
  Letter(Letter&& other) noexcept
      : number_(std::exchange(other.number_, -1)), text_(other.text_) {
    ++alive;
  }
  Letter& operator=(Letter&& other) noexcept {
    number_ = std::exchange(other.number_, -1);
    text_ = other.text_;
    return *this;
  }
  ~Letter() { --alive; }

  // -1: it was moved elsewhere.
  int number() const { return number_; }
  int Read() const { return text_.get(); }

  static inline int alive = 0;

 private:
  int number_;
  Plain<int> text_;
};

}  // namespace models

#endif  // QIO_TESTS_MODELS_LOOP_MODEL_H_
