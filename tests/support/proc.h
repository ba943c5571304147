// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/proc.h
//
// What the kernel knows of this process: its descriptors, its threads, and
// whether a thread sleeps.

#ifndef QIO_TESTS_SUPPORT_PROC_H_
#define QIO_TESTS_SUPPORT_PROC_H_

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

namespace qio::support {

inline pid_t ThisThread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// The names in a directory of /proc, which are numbers.
inline std::set<int> NumbersIn(const char* directory) {
  std::set<int> numbers;
  DIR* open = ::opendir(directory);
  if (open == nullptr) return numbers;
  while (const dirent* entry = ::readdir(open)) {
    if (entry->d_name[0] != '.') numbers.insert(::atoi(entry->d_name));
  }
  const int own = ::dirfd(open);
  ::closedir(open);
  if (std::string_view(directory) == "/proc/self/fd") numbers.erase(own);
  return numbers;
}

// Every open descriptor, with what it is: "pipe:[…]", "anon_inode:[eventfd]".
inline std::map<int, std::string> OpenDescriptors() {
  std::map<int, std::string> open;
  for (const int fd : NumbersIn("/proc/self/fd")) {
    char target[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
    if (size >= 0) {
      open[fd] = std::string(target, static_cast<std::size_t>(size));
    }
  }
  return open;
}

inline std::string FileText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string DescriptorInfo(int fd) {
  return FileText("/proc/self/fdinfo/" + std::to_string(fd));
}

// The word after `key` in the lines of a file of /proc, or "".
inline std::string FieldOf(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, second;
    if (words >> first >> second && first == key) return second;
  }
  return "";
}

// The sum of the counters of all eventfds of this process: how often anybody
// wrote to one, as long as nobody reads.
inline std::uint64_t EventFdWrites() {
  std::uint64_t sum = 0;
  for (const auto& [fd, target] : OpenDescriptors()) {
    if (target.find("[eventfd]") == std::string::npos) continue;
    sum +=
        std::stoull(FieldOf(DescriptorInfo(fd), "eventfd-count:"), nullptr, 16);
  }
  return sum;
}

// How often descriptor number `fd` is registered in epoll sets of this process.
inline int EpollRegistrations(int fd) {
  int count = 0;
  for (const auto& [epoll, target] : OpenDescriptors()) {
    if (target.find("[eventpoll]") == std::string::npos) continue;
    std::istringstream lines(DescriptorInfo(epoll));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string key;
      int number = -1;
      if (words >> key >> number && key == "tfd:") count += number == fd;
    }
  }
  return count;
}

// The same of those that an epoll set watches, so of the loops' own.
inline std::uint64_t WatchedEventFdWrites() {
  std::uint64_t sum = 0;
  for (const auto& [fd, target] : OpenDescriptors()) {
    if (target.find("[eventfd]") == std::string::npos) continue;
    if (EpollRegistrations(fd) == 0) continue;
    sum +=
        std::stoull(FieldOf(DescriptorInfo(fd), "eventfd-count:"), nullptr, 16);
  }
  return sum;
}

// True if `thread` sleeps in a call that waits for descriptors.
inline bool SleepsInItsWait(pid_t thread) {
  const std::string task = "/proc/self/task/" + std::to_string(thread);
  std::istringstream words(FileText(task + "/syscall"));
  long number = -1;
  if (!(words >> number)) return false;  // "running"
  switch (number) {
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
    case SYS_poll:
    case SYS_select:
#endif
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_io_uring_enter:
      return true;
    default:
      return false;
  }
}

// How often `thread` went to sleep by itself so far.
inline std::uint64_t TimesSlept(pid_t thread) {
  return std::stoull(
      FieldOf(FileText("/proc/self/task/" + std::to_string(thread) + "/status"),
              "voluntary_ctxt_switches:"));
}

// The descriptors and threads that there are now, to be compared later.
class Baseline {
 public:
  Baseline() : descriptors_(OpenDescriptors()), threads_(Threads()) {}

  // What there is more or less than then, or "". A thread that was joined may
  // still be on its way out: it is given time.
  std::string Difference() const {
    const auto now = OpenDescriptors();
    for (const auto& [fd, target] : now) {
      const auto before = descriptors_.find(fd);
      if (before == descriptors_.end() || before->second != target) {
        return "descriptor " + std::to_string(fd) + " was left open: " + target;
      }
    }
    if (now.size() != descriptors_.size()) return "a descriptor was closed";
    using Clock = std::chrono::steady_clock;
    for (const auto deadline = Clock::now() + std::chrono::seconds(10);;) {
      const std::size_t threads = Threads();
      if (threads == threads_) return "";
      if (Clock::now() > deadline) {
        return "there were " + std::to_string(threads_) + " threads and are " +
               std::to_string(threads);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  static std::size_t Threads() { return NumbersIn("/proc/self/task").size(); }

  std::map<int, std::string> descriptors_;
  std::size_t threads_;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_PROC_H_
