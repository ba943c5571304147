#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the example of README.md to the file that is built and run."""

import pathlib
import sys

readme = pathlib.Path("README.md").read_text(encoding="utf-8")
source = pathlib.Path("examples/hash_file.cc").read_text(encoding="utf-8")
blocks = readme.split("```cpp\n")[1:]
if not blocks:
    sys.exit("README.md has no example")
example = blocks[0].split("```")[0].strip()
if example not in source:
    sys.exit("the first example of README.md is not part of "
             "examples/hash_file.cc; it says:\n" + example)
