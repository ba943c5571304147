// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#ifdef QIO_COMPILE_FAIL
static_assert(sizeof(int) == 1, "planted: nobody expects this");
#endif
