// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: Take: T must be one byte

template <class T>
void Take(T) {
  static_assert(sizeof(T) == 1, "Take: T must be one byte");
}

inline void Caller() {
  Take('1');
#ifdef QIO_COMPILE_FAIL
  Take(1);
#endif
}
