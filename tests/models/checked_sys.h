// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// tests/models/checked_sys.h
//
// Stands in for qio/internal/sys.h, and for what asks it for memory: a kernel
// with eventfds, an epoll set that has one of them, futexes and threads.
// Included after checked_std.h and before any header of qio.

#ifndef QIO_TESTS_MODELS_CHECKED_SYS_H_
#define QIO_TESTS_MODELS_CHECKED_SYS_H_

#ifdef QIO_INTERNAL_SYS_H_
#error "include checked_sys.h before any header of qio"
#endif
#define QIO_INTERNAL_SYS_H_
#define QIO_INTERNAL_POST_BLOCKS_H_

#include "qio/config.h"

namespace models {

// A call of the kernel is one step; before it a thread may be preempted.
class Kernel {
 public:
  static Kernel& Get() {
    static Kernel* kernel = new Kernel;
    return *kernel;
  }

  // Numbers that no descriptor of this process has.
  static constexpr int kEventFd = 1'000'000;
  static constexpr int kEpoll = 2'000'000;

  void BeginRun() { *this = Kernel(); }

  int EventFd() {
    is_open_ = true;
    return kEventFd;
  }
  void Close(int fd) {
    Preempt();
    if (fd == kEventFd) is_open_ = false;
  }

  void Write(int fd) {
    Preempt();
    CheckOpen(fd);
    ++count_;
    ++writes_;
    sleepers_.WakeAll();
  }
  // False: the count is zero.
  bool Read(int fd, std::uint64_t* count) {
    Preempt();
    CheckOpen(fd);
    if (IsPlanted("an eventfd that says more than was written")) count_ += 9;
    *count = std::exchange(count_, 0);
    return *count != 0;
  }
  // Edge-triggered: true once for any number of writes.
  bool EpollWait(bool sleeps) {
    Preempt();
    while (sleeps && writes_ == writes_seen_) sleepers_.Sleep();
    return std::exchange(writes_seen_, writes_) != writes_;
  }
  // Level-triggered.
  void PollUntilReadable() {
    Preempt();
    while (count_ == 0) sleepers_.Sleep();
  }

  void FutexWait(Atomic<std::uint32_t>& word, std::uint32_t expected) {
    Preempt();
    if (word.newest() == expected) {
      futexes_[&word].Sleep();
    } else {
      // Who reads an old value again and again sees the new one at last.
      rl::yield(1, InfoOf(Where::current()));
    }
  }
  void FutexWakeOne(Atomic<std::uint32_t>& word) {
    Preempt();
    futexes_[&word].WakeOne();
  }

 private:
  void CheckOpen(int fd) {
    Expect(fd == kEventFd && is_open_, "the descriptor is open");
  }

  bool is_open_ = false;
  std::uint64_t count_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t writes_seen_ = 0;
  Sleepers sleepers_;
  rl::map<const void*, Sleepers>::type futexes_;
};

}  // namespace models

inline int qio_checked_close(int fd) {
  models::Kernel::Get().Close(fd);
  return 0;
}
inline int qio_checked_sched_yield() {
  rl::yield(1, models::InfoOf(models::Where::current()));
  return 0;
}

namespace qio::inline QIO_ABI {

// Stands in for qio/internal/post_blocks.h, whose cache belongs to a thread of
// the system: all of a model share that, and keep it from run to run.
namespace internal_post_blocks {

template <class T>
inline constexpr std::size_t kSizeOf = sizeof(T);

template <class T>
void Free(void* memory) noexcept {
  ::operator delete(memory, std::align_val_t{64});
}

inline void FreeCache() noexcept {}

class Returned {
 public:
  template <class T>
  void Give(void* memory) noexcept {
    Free<T>(memory);
  }
  void Flush() noexcept {}
};

template <class T>
void* Allocate(Returned&) noexcept {
  return ::operator new(sizeof(T), std::align_val_t{64});
}

}  // namespace internal_post_blocks

namespace internal_sys {

// Nobody forks.
inline void* MapWipedOnFork() noexcept { return nullptr; }
inline void Unmap(void*) noexcept {}
inline int EpollCreate() noexcept { return models::Kernel::kEpoll; }
inline int EpollCtl(int, int, int, epoll_event*) noexcept { return 0; }
inline int EpollWait(int, epoll_event* events, int, int timeout_ms) noexcept {
  if (!models::Kernel::Get().EpollWait(timeout_ms != 0)) return 0;
  events[0].events = 0;
  events[0].data.u64 = ~std::uint64_t{0};
  return 1;
}
inline int EventFd() noexcept { return models::Kernel::Get().EventFd(); }
inline int TimerFd() noexcept { return -1; }
inline int TimerFdSet(int, std::int64_t) noexcept { return -1; }
inline ssize_t Write(int fd, const void*, std::size_t size) noexcept {
  models::Kernel::Get().Write(fd);
  return static_cast<ssize_t>(size);
}
inline ssize_t Read(int fd, void* data, std::size_t size) noexcept {
  const bool read =
      models::Kernel::Get().Read(fd, static_cast<std::uint64_t*>(data));
  return read ? static_cast<ssize_t>(size) : -1;
}
inline int Poll(pollfd*, nfds_t, int) noexcept {
  models::Kernel::Get().PollUntilReadable();
  return 1;
}
inline int BytesReadable(int) noexcept { return 0; }
inline std::int64_t MonotonicNs() noexcept { return 1; }
inline int CurrentCpu() noexcept { return 0; }
inline std::int64_t ThreadId() noexcept { return 1; }
inline void Yield() noexcept { qio_checked_sched_yield(); }
inline void Pause() noexcept { Yield(); }
inline void FutexWait(std::atomic<std::uint32_t>& word,
                      std::uint32_t expected) noexcept {
  models::Kernel::Get().FutexWait(word, expected);
}
inline void FutexWakeOne(std::atomic<std::uint32_t>& word) noexcept {
  models::Kernel::Get().FutexWakeOne(word);
}

}  // namespace internal_sys
}  // namespace qio::inline QIO_ABI

#endif  // QIO_TESTS_MODELS_CHECKED_SYS_H_
