#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Holds examples in the documentation to the files that are built and run."""

import pathlib
import sys

# The first example of each, or the first after these words.
_EXAMPLES = [("README.md", "", "examples/hash_file.cc"),
             ("executors/README.md", "## Testing your program",
              "examples/under_simulation.cc")]

for readme, words, program in _EXAMPLES:
    text = pathlib.Path(readme).read_text(encoding="utf-8")
    source = pathlib.Path(program).read_text(encoding="utf-8")
    blocks = text[text.index(words):].split("```cpp\n")[1:]
    if not blocks:
        sys.exit(f"{readme} has no example")
    example = blocks[0].split("```")[0].strip()
    if example not in source:
        sys.exit(f"the first example of {readme} is not part of {program}; "
                 f"it says:\n{example}")
