// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: only the loop makes one

class Witness {
 private:
  Witness() {}  // only the loop makes one
};

#ifdef QIO_COMPILE_FAIL
inline void Forge() { Witness witness; }
#endif
