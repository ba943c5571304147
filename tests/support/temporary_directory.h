// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/support/temporary_directory.h
//
// TemporaryDirectory is an empty directory, gone with its files at its end. Its
// path is short enough for unix sockets, which those of Bazel's tests are not.

#ifndef QIO_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
#define QIO_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace qio::support {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char path[] = "/tmp/qio-XXXXXX";
    if (::mkdtemp(path) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = path;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  // The path of a file in it.
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace qio::support

#endif  // QIO_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
