// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/posts.h
//
// Loops that post to each other while some of them end: what was accepted is
// called once, in order, or destroyed with its loop; what was refused is handed
// back.

#ifndef QIO_TESTS_SIMULATION_POSTS_H_
#define QIO_TESTS_SIMULATION_POSTS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "qio/executors/simulated.h"
#include "qio/loop_ref.h"
#include "qio/post.h"
#include "qio/sendable.h"
#include "qio/simulation/schedule.h"
#include "qio/timer.h"

namespace qio::simulation {

class Posts {
 public:
  static SimulatedOptions Options(std::uint64_t seed) {
    SimulatedOptions options;
    options.seed = seed;
    return options;
  }

  static void Run(Schedule& schedule) { Posts(schedule).Run(); }

 private:
  static constexpr std::size_t kLoops = 3;
  static constexpr std::size_t kMessagesMax = 48;

  struct Message {
    Posts* posts = nullptr;
    Life life;
    std::size_t to = 0;
    int calls = 0;
    bool is_accepted = false;
    std::size_t order = 0;  // Among those that were accepted there.
  };

  struct Place {
    explicit Place(Schedule& schedule) : home(schedule) {}

    std::optional<LoopRef<Loop>> ref;
    Timer<Loop> timer;
    std::size_t accepted = 0;
    std::size_t called = 0;
    Home home;
  };

  explicit Posts(Schedule& schedule) : s_(schedule) {
    for (auto& place : places_) {
      place.emplace(schedule);
      place->home.Enter([&](On& on) { place->ref.emplace(on); });
    }
  }

  void Run() {
    for (std::uint64_t i = 8 + s_.Choose(60); i > 0; --i) Act();
    if (s_.OneIn(4)) {
      for (auto& place : places_) End(*place);
    }
    s_.RunUntilIdle();
    for (const Message& message : Sent()) {
      const Place& place = *places_[message.to];
      s_.Check(message.life.IsOver(), "what was posted is destroyed");
      if (!message.is_accepted) {
        s_.Check(message.calls == 0, "what was refused is not called");
      } else if (place.home.is_open()) {
        s_.Check(message.calls == 1, "what was accepted is called");
      }
      s_.Check(message.calls <= 1, "what was accepted is called once");
    }
    for (auto& place : places_) place->ref.reset();
    s_.RunUntilIdle();
    for (auto& place : places_) {
      if (!place->home.is_open()) continue;
      place->home.Enter([&](On& on) {
        place->timer.Stop(on);
        s_.Check(on.executor().outstanding(on) == 0,
                 "no reference is counted that is gone");
      });
    }
  }

  std::span<Message> Sent() { return {messages_.data(), sent_}; }

  void Act() {
    const std::size_t at = s_.Choose(kLoops);
    Place& place = *places_[at];
    switch (s_.Choose(10)) {
      case 0:
        if (s_.OneIn(6)) End(place);
        return;
      case 1:
      case 2:
        return Send(at);  // From a thread of its own, as it were.
      case 3:
      case 4:
        if (!place.home.is_open()) return;
        return place.home.Enter([this](On&) { Send(s_.Choose(kLoops)); });
      case 5:
        if (!place.home.is_open()) return;
        return place.home.Enter([&](On& on) {
          place.timer.StartAfter(on, std::chrono::milliseconds(s_.Choose(3)),
                                 [this](On&) { Send(s_.Choose(kLoops)); });
        });
      case 6:
        // The last reference goes, and there is a new one.
        if (!place.home.is_open()) return;
        if (s_.OneIn(2)) place.ref.reset();
        return place.home.Enter([&](On& on) { place.ref.emplace(on); });
      default:
        s_.Steps(1 + s_.Choose(5));
    }
  }

  void Send(std::size_t to) {
    Place& place = *places_[to];
    if (sent_ == kMessagesMax || !place.ref) return;
    Message& message = messages_[sent_++];
    message.posts = this;
    message.to = to;
    message.life.schedule = &s_;
    const bool is_open = place.home.is_open();
    Token token(message.life);
    const absl::Status status =
        place.ref->Post([](On&, const Token& token,
                           Message* m) { m->posts->Called(token, *m); },
                        std::move(token), AssumeSendable(&message));
    s_.Check(status.ok() == is_open, "a loop that is gone says so, no other");
    s_.Check(token.is_here() != status.ok(), "what is refused is handed back");
    s_.Check(message.calls == 0, "nothing is called by Post()");
    message.is_accepted = status.ok();
    if (!status.ok()) return;
    // It ends on that loop.
    message.life.home = &place.home;
    message.order = place.accepted++;
  }

  void Called(const Token& token, Message& message) {
    Place& place = *places_[message.to];
    s_.world.Note(message.order);
    s_.Check(token.is_here(), "what is called has its arguments");
    s_.Check(place.home.IsHere(), "what is posted is called on its loop");
    s_.Check(message.order == place.called++, "one thread's posts keep order");
    ++message.calls;
    if (s_.OneIn(3)) Send(s_.Choose(kLoops));
    if (s_.OneIn(6)) {
      (void)place.home.loop().Enter([this](On& on) {
        Post(on, [this](On&) { Send(s_.Choose(kLoops)); });
      });
    }
  }

  void End(Place& place) {
    if (place.home.is_open()) place.home.End();
  }

  Schedule& s_;
  std::array<Message, kMessagesMax> messages_;
  std::size_t sent_ = 0;
  std::array<std::optional<Place>, kLoops> places_;
};

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_POSTS_H_
