#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""RS-07: qio has no global state that can be written.

    no_globals_test.py PROGRAM...

Looks at the symbols of programs in whose writable sections something of qio's
would be. (Tables of pointers, which are written once by the loader, and what
is thread_local have sections of their own.)
"""

import re
import subprocess
import sys

WRITABLE = re.compile(r"^\.(data|bss|ldata|lbss)(?!\.rel\.ro)")
OURS = re.compile(r"^qio::v\d+\w*::")
# What is written there, and is no state.
ALLOWED = (
    # An address that tells Asio's services apart.
    re.compile(r"internal_asio::Service::id$"),
    # A table that g_source_new() takes a pointer to, not to const.
    re.compile(r"BasicGlibExecutor<.*::functions$"),
)


def complaints(table):
    """Names of ours in writable sections; of what `objdump -tC` prints."""
    for line in table.splitlines():
        match = re.match(r"^[0-9a-f]+ .{7} (\S+)\s+([0-9a-f]+)\s+(.*)$", line)
        if not match or not WRITABLE.match(match[1]):
            continue
        name = re.sub(r"^(\.hidden|\.protected|\.internal)\s+", "", match[3])
        if OURS.search(name) and not any(a.search(name) for a in ALLOWED):
            yield f"{match[1]}: {name}"


def self_test():
    def found(section, name):
        return list(complaints(
            f"000000000000a0a0 l     O {section}\t0000000000000004 {name}"))

    assert found(".bss", "qio::v0_checked::internal_x::count")
    assert found(".data", "qio::v0::F()::calls")
    assert not found(".data.rel.ro", "vtable for qio::v0::Workers")
    assert not found(".tbss", "qio::v0::cache")
    assert not found(".bss", "qio::support::allocations")
    assert not found(".bss", "qio::v0::internal_asio::Service::id")


def main():
    self_test()
    wrong = []
    for program in sys.argv[1:]:
        table = subprocess.check_output(["objdump", "-tC", program], text=True)
        if "qio::v0" not in table:
            wrong.append(f"{program}: nothing of qio's to look at")
        wrong += [f"{program}: {name}" for name in complaints(table)]
    print("\n".join(wrong) or "none")
    return 1 if wrong or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
