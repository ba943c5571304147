// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/examples/transfer/part_file.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "qio/status.h"

namespace four_streams {
namespace {

constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;

class Sha256 {
 public:
  void Add(const std::string& bytes) {
    g_checksum_update(sum_, reinterpret_cast<const guchar*>(bytes.data()),
                      static_cast<gssize>(bytes.size()));
  }
  std::string Hex() const { return g_checksum_get_string(sum_); }

  Sha256() = default;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256() { g_checksum_free(sum_); }

 private:
  GChecksum* const sum_ = g_checksum_new(G_CHECKSUM_SHA256);
};

std::string Unfinished(const std::string& path) { return path + ".part"; }

}  // namespace

Part PartOf(std::uint64_t file_size, std::uint64_t streams,
            std::uint64_t stream) {
  const std::uint64_t share = file_size / streams;
  const std::uint64_t offset = share * stream;
  const bool is_last = stream + 1 == streams;
  return Part{stream, offset, is_last ? file_size - offset : share};
}

absl::StatusOr<qio::OwnedFd> MakeFile(std::uint64_t size) {
  qio::OwnedFd file(::memfd_create("four_streams", MFD_CLOEXEC));
  if (!file.valid()) return qio::ErrnoStatus(errno, "make a file in memory");
  std::mt19937_64 random(size);
  std::string block(kBlock, '\0');
  for (std::uint64_t at = 0; at < size; at += kBlock) {
    for (std::size_t i = 0; i < block.size(); i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      block.replace(i, sizeof word, reinterpret_cast<const char*>(&word),
                    sizeof word);
    }
    block.resize(std::min(kBlock, size - at));
    absl::Status status = WriteAt(file, at, block);
    if (!status.ok()) return status;
  }
  return file;
}

absl::StatusOr<qio::OwnedFd> OpenForReading(const std::string& path) {
  qio::OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return qio::ErrnoStatus(errno, "open " + path);
  struct stat about{};
  if (::fstat(file.get(), &about) != 0) {
    return qio::ErrnoStatus(errno, "look at " + path);
  }
  if (!S_ISREG(about.st_mode)) {
    return absl::InvalidArgumentError(path + " is not a regular file");
  }
  return file;
}

absl::StatusOr<qio::OwnedFd> CreateForWriting(const std::string& path) {
  if (path.empty()) {
    qio::OwnedFd file(::memfd_create("four_streams", MFD_CLOEXEC));
    if (!file.valid()) return qio::ErrnoStatus(errno, "make a file in memory");
    return file;
  }
  qio::OwnedFd file(::open(Unfinished(path).c_str(),
                           O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) {
    return qio::ErrnoStatus(errno, "create " + Unfinished(path));
  }
  return file;
}

absl::Status Keep(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  if (::rename(Unfinished(path).c_str(), path.c_str()) != 0) {
    return qio::ErrnoStatus(errno, "create " + path);
  }
  return absl::OkStatus();
}

void Discard(const std::string& path) {
  if (!path.empty()) ::unlink(Unfinished(path).c_str());
}

absl::StatusOr<std::uint64_t> SizeOf(const qio::OwnedFd& file) {
  struct stat about{};
  if (::fstat(file.get(), &about) != 0) {
    return qio::ErrnoStatus(errno, "look at a file");
  }
  return static_cast<std::uint64_t>(about.st_size);
}

absl::StatusOr<PreparedPart> Prepare(qio::OwnedFd file, Part part) {
  absl::StatusOr<std::uint64_t> size = SizeOf(file);
  if (!size.ok()) return size.status();
  if (*size < part.offset + part.size) {
    return absl::DataLossError("the file has shrunk");
  }
  Sha256 sum;
  for (std::uint64_t done = 0; done < part.size;) {
    absl::StatusOr<std::string> bytes =
        ReadAt(file, part.offset + done, std::min(kBlock, part.size - done));
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return absl::DataLossError("the file has shrunk");
    sum.Add(*bytes);
    done += bytes->size();
  }
  return PreparedPart{std::move(file), part, sum.Hex(), ThreadId()};
}

absl::StatusOr<std::string> ReadAt(const qio::OwnedFd& file,
                                   std::uint64_t offset,
                                   std::uint64_t size_max) {
  std::string bytes(size_max, '\0');
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n =
        ::pread(file.get(), bytes.data() + got, bytes.size() - got,
                static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return qio::ErrnoStatus(errno, "read from the file");
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

absl::Status WriteAt(const qio::OwnedFd& file, std::uint64_t offset,
                     const std::string& bytes) {
  std::size_t put = 0;
  while (put < bytes.size()) {
    const ssize_t n =
        ::pwrite(file.get(), bytes.data() + put, bytes.size() - put,
                 static_cast<off_t>(offset + put));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return qio::ErrnoStatus(errno, "write to the file");
    put += static_cast<std::size_t>(n);
  }
  return absl::OkStatus();
}

std::string Combine(const std::string& checksums) {
  Sha256 sum;
  sum.Add(checksums);
  return sum.Hex();
}

std::int64_t ThreadId() { return ::gettid(); }

}  // namespace four_streams
