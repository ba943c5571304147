// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: a copy would be a second owner

struct Owner {
  Owner() = default;
  Owner(const Owner&) = delete;  // a copy would be a second owner
};

inline void Caller() {
  Owner owner;
#ifdef QIO_COMPILE_FAIL
  Owner copy = owner;
  (void)copy;
#endif
  (void)owner;
}
