// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// One program uses qio twice, as two libraries that were compiled with and
// without run-time checks.

#ifndef QIO_TESTS_COEXIST_LOOP_USER_H_
#define QIO_TESTS_COEXIST_LOOP_USER_H_

// A worker, a timer, a group of tasks, a post from elsewhere and a connection,
// on a loop of its own. True if all that came about.
bool UseCheckedLoop();
bool UseUncheckedLoop();

#endif  // QIO_TESTS_COEXIST_LOOP_USER_H_
