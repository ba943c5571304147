// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

// EXPECT: planted: something else

#ifdef QIO_COMPILE_FAIL
static_assert(sizeof(int) == 1, "planted: what the compiler prints");
#endif
