// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/exception_status.h
//
// The exception that is being handled, as a Status that names it.

#ifndef QIO_INTERNAL_EXCEPTION_STATUS_H_
#define QIO_INTERNAL_EXCEPTION_STATUS_H_

#if defined(__cpp_exceptions)

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <string>
#include <typeinfo>

#include "absl/status/status.h"
#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_exception_status {

// "the worker threw std::runtime_error: no such file", `who` being "the
// worker". To be called in a handler.
inline absl::Status CurrentException(const char* who) {
  std::string text = std::string(who) + " threw ";
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) {
    text += "a foreign exception";
  } else {
    int failed = 0;
    char* name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &failed);
    text += failed == 0 ? name : type->name();
    std::free(name);
  }
  try {
    throw;
  } catch (const std::exception& exception) {
    text += ": ";
    text += exception.what();
  } catch (...) {
    // It has a type and nothing more to say.
  }
  return absl::UnknownError(text);
}

}  // namespace internal_exception_status
}  // namespace qio::inline QIO_ABI

#endif  // defined(__cpp_exceptions)

#endif  // QIO_INTERNAL_EXCEPTION_STATUS_H_
