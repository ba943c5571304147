// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/worker_thread.h
//
// Threads for workers: started without exceptions, deaf to signals, and
// counted in a roster that knows what each of them is doing.

#ifndef QIO_INTERNAL_WORKER_THREAD_H_
#define QIO_INTERNAL_WORKER_THREAD_H_

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "qio/config.h"
#include "qio/internal/type_name.h"
#include "qio/status.h"
#include "qio/workers.h"

namespace qio::inline QIO_ABI {
namespace internal_worker_thread {

// Starts a thread that calls main(argument), with all signals blocked before
// its first instruction (TK-21): a handler of the program's never interrupts a
// worker. `name` has 15 characters at most (pthread_setname_np(3)).
//
// Returns 0, or the errno of pthread_create(3).
inline int StartThread(pthread_t* thread, const char* name,
                       void* (*main)(void*), void* argument) noexcept {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(thread, nullptr, main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) pthread_setname_np(*thread, name);
  return error;
}

// Why a piece of work gets no thread: `error` is of StartThread(), ENOMEM, or
// ESHUTDOWN. Also without memory: a task is told whatever happens (EX-07).
inline absl::Status NotStarted(int error) noexcept {
  const absl::StatusCode code = error == ESHUTDOWN
                                    ? absl::StatusCode::kUnavailable
                                    : internal_status::CodeOf(error);
  return internal_status::MakeOrCode(code, [error] {
    return error == ESHUTDOWN ? ShutdownError("the workers were shut down")
                              : ErrnoStatus(error, "start a worker thread");
  });
}

// Why a forked child gets no work done: the threads are its parent's.
inline absl::Status IsTheParents() noexcept {
  return internal_status::MakeOrCode(absl::StatusCode::kFailedPrecondition, [] {
    return absl::FailedPreconditionError(
        "the workers are those of the process that forked this one");
  });
}

// Lets go of `shared` without giving its share back: what it points to stays.
template <class T>
void Leak(std::shared_ptr<T>&& shared) noexcept {
  union Kept {
    explicit Kept(std::shared_ptr<T>&& s) noexcept : ptr(std::move(s)) {}
    ~Kept() {}
    std::shared_ptr<T> ptr;
  } kept(std::move(shared));
}

// Where a thread is: what it runs, and with whom it is in line.
struct Member {
  Member* prev = nullptr;
  Member* next = nullptr;
  // The name of its work, or null while it waits for some. Written by the
  // thread alone; relaxed, a report may be a moment late.
  std::atomic<const char*> doing{nullptr};
};

// The threads there are. Every function wants the owner's mutex held.
class Roster {
 public:
  void Add(Member& member) noexcept {
    member.prev = nullptr;
    member.next = first_;
    if (first_ != nullptr) first_->prev = &member;
    first_ = &member;
    ++size_;
  }
  void Remove(Member& member) noexcept {
    (member.prev != nullptr ? member.prev->next : first_) = member.next;
    if (member.next != nullptr) member.next->prev = member.prev;
    if (--size_ == 0) empty_.notify_all();
  }
  int size() const noexcept { return size_; }

  // Waits until nobody is left, or `deadline`. True: nobody is left.
  bool WaitUntilEmpty(std::unique_lock<std::mutex>& lock,
                      std::chrono::steady_clock::time_point deadline) {
    return empty_.wait_until(lock, deadline, [this] { return size_ == 0; });
  }

  void WaitUntilEmpty(std::unique_lock<std::mutex>& lock) {
    empty_.wait(lock, [this] { return size_ == 0; });
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Member* member = first_; member != nullptr;
         member = member->next) {
      if (const char* name = member->doing.load(std::memory_order_relaxed)) {
        names.emplace_back(internal_type_name::TypeIn(name));
      }
    }
    return names;
  }

 private:
  Member* first_ = nullptr;
  int size_ = 0;
  std::condition_variable empty_;
};

// "a, b and c".
inline std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace internal_worker_thread
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_WORKER_THREAD_H_
