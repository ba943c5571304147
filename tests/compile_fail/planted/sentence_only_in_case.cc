// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#ifdef QIO_COMPILE_FAIL
// Compilers quote the line of an error: this one names itself.
// EXPECT: planted: only a comment says so
static_assert(sizeof(int) == 1, "");  // EXPECT: planted: only a comment says so
#endif
