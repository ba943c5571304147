// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/examples/transfer/part_file.h
//
// The blocking half of the experiment: files, their parts and their checksums.
// All of it runs on worker threads.

#ifndef QIO_EXAMPLES_TRANSFER_PART_FILE_H_
#define QIO_EXAMPLES_TRANSFER_PART_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/owned_fd.h"

namespace four_streams {

// A range of a file, and which stream carries it.
struct Part {
  std::uint64_t stream = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// What a worker has found out about a part before it is sent.
struct PreparedPart {
  qio::OwnedFd file;
  Part part;
  std::string sha256;  // 64 hexadecimal digits.
  std::int64_t thread_id = 0;
};

// The part of stream `stream` if `file_size` bytes travel on `streams` streams.
Part PartOf(std::uint64_t file_size, std::uint64_t streams,
            std::uint64_t stream);

// An unnamed file in memory, of `size` bytes that look random; it is gone with
// its last descriptor.
absl::StatusOr<qio::OwnedFd> MakeFile(std::uint64_t size);

absl::StatusOr<qio::OwnedFd> OpenForReading(const std::string& path);
// A file that gets its name when it is whole; no path, no name.
absl::StatusOr<qio::OwnedFd> CreateForWriting(const std::string& path);
absl::Status Keep(const std::string& path);
void Discard(const std::string& path);
absl::StatusOr<std::uint64_t> SizeOf(const qio::OwnedFd& file);

// Checks that the part is there, and reads all of it for its checksum.
absl::StatusOr<PreparedPart> Prepare(qio::OwnedFd file, Part part);

// Reads up to `size_max` bytes at `offset`; fewer only at the end of the file.
absl::StatusOr<std::string> ReadAt(const qio::OwnedFd& file,
                                   std::uint64_t offset,
                                   std::uint64_t size_max);
absl::Status WriteAt(const qio::OwnedFd& file, std::uint64_t offset,
                     const std::string& bytes);

// The checksum of several.
std::string Combine(const std::string& checksums);

std::int64_t ThreadId();

}  // namespace four_streams

#endif  // QIO_EXAMPLES_TRANSFER_PART_FILE_H_
