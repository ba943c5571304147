// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/internal/type_name.h
//
// What the compiler calls a type: for reports, which name a worker or an
// operation so. And what it calls a class template, for qio/sendable.h.

#ifndef QIO_INTERNAL_TYPE_NAME_H_
#define QIO_INTERNAL_TYPE_NAME_H_

#include <string>
#include <string_view>

#include "qio/config.h"

namespace qio::inline QIO_ABI {
namespace internal_type_name {

// "const char* Spelled() [with T = X]": a static string.
template <class T>
constexpr const char* Spelled() {
  return __PRETTY_FUNCTION__;
}

// The same of a class template: "std::__cxx11::list", without arguments.
template <template <class...> class T>
constexpr const char* Spelled() {
  return __PRETTY_FUNCTION__;
}

// X of it, as g++ and clang spell a function.
constexpr std::string_view TypeIn(std::string_view function) {
  const std::size_t at = function.find("T = ");
  if (at == function.npos || !function.ends_with(']')) return function;
  return function.substr(at + 4, function.size() - at - 5);
}

template <class T>
std::string Of() {
  return std::string(TypeIn(Spelled<T>()));
}

}  // namespace internal_type_name
}  // namespace qio::inline QIO_ABI

#endif  // QIO_INTERNAL_TYPE_NAME_H_
