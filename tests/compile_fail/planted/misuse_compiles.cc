// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: planted: never printed

#ifdef QIO_COMPILE_FAIL
inline constexpr int kNothingWrongHere = 1;
#endif
