// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/config.h
//
// How this build of qio behaves, decided once and the same in every file of a
// program.
//
// QIO_CHECKED=1 (the default without NDEBUG) looks at run time for the misuse
// that types cannot see: a witness of the wrong loop, a loop-bound object
// destroyed while another thread owns its loop. It aborts with one sentence
// that names both loops. QIO_CHECKED=0 leaves those checks out.

#ifndef QIO_CONFIG_H_
#define QIO_CONFIG_H_

#ifndef QIO_CHECKED
#ifdef NDEBUG
#define QIO_CHECKED 0
#else
#define QIO_CHECKED 1
#endif
#endif

// The inline namespace everything lives in. It says which version of qio, and
// whether it checks: two kinds in one program are two sets of types, and a
// mixture fails to link instead of misbehaving.
#if QIO_CHECKED
#define QIO_ABI v0_checked
#else
#define QIO_ABI v0
#endif

#endif  // QIO_CONFIG_H_
