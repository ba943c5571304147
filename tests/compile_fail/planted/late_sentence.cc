// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: planted: the second error

#ifdef QIO_COMPILE_FAIL
static_assert(sizeof(int) == 1, "planted: the first error");
static_assert(sizeof(int) == 2, "planted: the second error");
#endif
