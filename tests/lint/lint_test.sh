#!/bin/bash
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
# Lints the source tree that the runfiles link to. $1: the list of the public
# headers that headers_alone_test compiles; what follows, lint.py describes.
exec python3 tests/lint/lint.py --headers="$1" "${@:2}" \
  "$(dirname "$(readlink -f LICENSE)")"
