// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/loop_log.h
//
// LoopLog records what happened to the items that a test gave to a loop, and on
// which thread; then it checks what must hold of any such record, whatever the
// schedule was.
//
//   LoopLog log;
//   Post(on, [item = Traced(log, 1)](auto&) mutable { item.Run(); });
//   ...
//   BOOST_TEST(log.OnceEach() == "");
//
// Its lock orders the threads that write to it: a test that looks for data
// races must share plain data besides.

#ifndef QIO_TESTS_SUPPORT_LOOP_LOG_H_
#define QIO_TESTS_SUPPORT_LOOP_LOG_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace qio::support {

// Affinity:  any thread, all of it.
class LoopLog {
 public:
  // The first few thousand events allocate nothing: tests make memory run out.
  LoopLog() { events_.reserve(4096); }

  enum class What {
    kPosting,    // A thread is about to hand the item over,
    kPosted,     // ... it was accepted,
    kRefused,    // ... or it was not.
    kStarted,    // Its function was called,
    kEnded,      // ... and returned or threw.
    kDestroyed,  // What it held is gone.
  };

  struct Event {
    What what;
    int item;
    std::thread::id thread;
  };

  void Add(What what, int item) {
    std::lock_guard lock(mutex_);
    events_.push_back({what, item, std::this_thread::get_id()});
  }

  std::vector<Event> events() const {
    std::lock_guard lock(mutex_);
    return events_;
  }

  int Count(What what) const {
    int count = 0;
    for (const Event& event : events()) count += event.what == what;
    return count;
  }
  int Count(What what, int item) const {
    int count = 0;
    for (const Event& event : events()) {
      count += event.what == what && event.item == item;
    }
    return count;
  }

  // The invariants. Each returns the first violation as a sentence, or "".

  // Every item was called once and then destroyed, or destroyed un-called, as
  // one that was refused must be. Nothing is left.
  std::string OnceEach() const {
    for (const auto& [item, life] : Lives()) {
      const std::string name = "item " + std::to_string(item);
      if (life.started > 1) return name + " was called twice";
      if (life.started != life.ended) return name + " did not return";
      if (life.refused != 0 && life.started != 0) {
        return name + " was refused and called";
      }
      if (life.destroyed != 1) {
        return name + " was destroyed " + std::to_string(life.destroyed) +
               " times";
      }
      if (life.touched_after_end) return name + " was used after its end";
    }
    return "";
  }

  // Besides, every item that was not refused has been called.
  std::string AllCalledOnce() const {
    for (const auto& [item, life] : Lives()) {
      if (life.refused == 0 && life.started == 0) {
        return "item " + std::to_string(item) + " was not called";
      }
    }
    return OnceEach();
  }

  std::string NoneCalled() const {
    for (const auto& [item, life] : Lives()) {
      if (life.started != 0) {
        return "item " + std::to_string(item) + " was called";
      }
    }
    return "";
  }

  // No item was called by the call that handed it over.
  std::string NeverInline() const {
    std::map<int, std::thread::id> being_posted;
    for (const Event& event : events()) {
      if (event.what == What::kPosting) {
        being_posted[event.item] = event.thread;
      } else if (event.what == What::kPosted || event.what == What::kRefused) {
        being_posted.erase(event.item);
      } else if (event.what == What::kStarted) {
        const auto at = being_posted.find(event.item);
        if (at != being_posted.end() && at->second == event.thread) {
          return "item " + std::to_string(event.item) +
                 " was called by the call that posted it";
        }
      }
    }
    return "";
  }

  // Calls, and the end of what was called, happened on `loop` only.
  std::string OnlyOn(std::thread::id loop) const {
    for (const Event& event : events()) {
      if (event.what < What::kStarted || event.thread == loop) continue;
      return "item " + std::to_string(event.item) + " was " +
             (event.what == What::kDestroyed ? "destroyed" : "called") +
             " on another thread than its loop's";
    }
    return "";
  }

  // What one thread posted was called in that order.
  std::string InOrderOfEachPoster() const {
    std::map<int, std::pair<std::thread::id, std::size_t>> posted;
    std::map<std::thread::id, std::size_t> next, last_called;
    for (const Event& event : events()) {
      if (event.what == What::kPosting) {
        posted[event.item] = {event.thread, ++next[event.thread]};
      } else if (event.what == What::kStarted) {
        const auto& [thread, number] = posted[event.item];
        std::size_t& last = last_called[thread];
        if (number < last) {
          return "item " + std::to_string(event.item) +
                 " was called after one that its thread posted later";
        }
        last = number;
      }
    }
    return "";
  }

  // No call began before the one before it had ended.
  std::string NeverOverlap() const {
    int running = 0;
    for (const Event& event : events()) {
      if (event.what == What::kStarted && ++running > 1) {
        return "item " + std::to_string(event.item) +
               " was called while another one ran";
      }
      if (event.what == What::kEnded) --running;
    }
    return "";
  }

 private:
  struct Life {
    int refused = 0, started = 0, ended = 0, destroyed = 0;
    bool touched_after_end = false;
  };

  std::map<int, Life> Lives() const {
    std::map<int, Life> lives;
    for (const Event& event : events()) {
      Life& life = lives[event.item];
      switch (event.what) {
        case What::kRefused:
          ++life.refused;
          break;
        case What::kStarted:
          ++life.started;
          life.touched_after_end |= life.destroyed != 0;
          break;
        case What::kEnded:
          ++life.ended;
          life.touched_after_end |= life.destroyed != 0;
          break;
        case What::kDestroyed:
          ++life.destroyed;
          break;
        case What::kPosting:
        case What::kPosted:
          break;
      }
    }
    return lives;
  }

  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

// What an item's function holds: says when that is destroyed, and when it is
// called. Moved, never copied.
class Traced {
 public:
  using qio_sendable = Traced;

  Traced(LoopLog& log, int item) : log_(&log), item_(item) {}
  Traced(Traced&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), item_(other.item_) {}
  Traced& operator=(Traced&& other) noexcept {
    std::swap(log_, other.log_);
    std::swap(item_, other.item_);
    return *this;
  }
  ~Traced() {
    if (log_ != nullptr) log_->Add(LoopLog::What::kDestroyed, item_);
  }

  // To be called by the item's function.
  void Run() const {
    Run([] {});
  }
  template <class F>
  void Run(F f) const {
    struct Ending {
      ~Ending() { log.Add(LoopLog::What::kEnded, item); }
      LoopLog& log;
      int item;
    } ending{*log_, item_};
    log_->Add(LoopLog::What::kStarted, item_);
    f();
  }

  // False once it was moved from.
  bool holds() const { return log_ != nullptr; }

 private:
  LoopLog* log_;
  int item_;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_LOOP_LOG_H_
