#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Holds every file of the source tree to the project's rules.

    tests/lint/lint.py [--headers=LIST] [--absent=HEADER]... [ROOT]

LIST: a file that names the public headers which are compiled alone. HEADER: one
that cannot be, because its library is not installed here.
"""

import pathlib
import re
import sys

OURS = ("qio", "executors", "net", "tests", "benchmarks", "examples")
LIBRARY = ("qio", "executors", "net")
SOURCES = (".h", ".cc")
SCRIPTS = (".py", ".sh", ".bzl", ".bazel", ".bazelrc", ".clang-tidy")

# What a quoted include may begin with besides "qio/". Boost, GLib and the
# system's headers are included in angle brackets.
THIRD_PARTY = ("absl/", "asio/", "asio.hpp", "benchmark/")

# Where a host's library may be included from the library's own headers.
HOSTS = {
    "asio": ("executors/asio.h", "executors/asio_async.h"),
    "event2": ("executors/libevent.h",),
    "gio": ("executors/glib_async.h",),
    "glib": ("executors/glib.h",),
    "systemd": ("executors/sd_event.h",),
    "uv": ("executors/libuv.h",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]*)"|<([^>]*)>)')
LICENSE = "SPDX-License-Identifier: Apache-2.0"
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\([a-z]+, #\d+\): )")
# Cannot be broken: a compiler quotes one line of source, and a URL is one word.
LONG = re.compile(r"^\s*// (EXPECT: |\S+://)|= (delete|default);  // |^\s*#include ")


def include_complaint(path, name, angled):
    """What is wrong with including `name` in the file `path`, or None."""
    top = path.parts[0]
    downstream = path.parts[:2] == ("tests", "downstream")
    if name.startswith(tuple(f"{root}/" for root in OURS[1:])):
        return "is a root that other projects have too: say \"qio/...\""
    if angled:
        if name.startswith("qio/"):
            return "is ours: use quotes"
    elif not name.startswith(("qio/",) + THIRD_PARTY):
        if not (downstream and "/" not in name):
            return "is neither \"qio/...\" nor a library's"
    if top in LIBRARY:
        for host, places in HOSTS.items():
            if re.match(rf"{host}\b", name) and path.as_posix() not in places:
                return f"belongs in {' and '.join(places)} alone"
        if name.startswith("qio/executors/") and top != "executors":
            return f"is an adapter's: {top}/ knows no particular loop"
        if name.startswith("qio/net/") and top != "net":
            return f"is the network's: {top}/ knows no socket"
    if "/internal/" in name:
        owner = name.split("/internal/")[0].split("/")[-1]
        if downstream or top not in (owner, "tests"):
            return f"is internal to {owner}/"
    return None


def guard_of(path):
    words = path.parts if path.parts[0] == "qio" else ("qio",) + path.parts
    return re.sub(r"[^A-Za-z0-9]", "_", "/".join(words)).upper() + "_"


def lint_source(path, lines):
    """Yields (line number, complaint) of a .h or .cc file."""
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            name = match[1] if match[1] is not None else match[2]
            complaint = include_complaint(path, name, match[1] is None)
            if complaint:
                yield number, f"{name} {complaint}"
        if len(line) > 80 and not LONG.search(line):
            yield number, f"{len(line)} columns, 80 are allowed"
        if line != line.rstrip():
            yield number, "white space at the end"
    if path.parts[0] in LIBRARY and path.suffix == ".h":
        words = path.parts if path.parts[0] == "qio" else ("qio",) + path.parts
        title = "// " + "/".join(words)
        if lines[3:4] != [title]:
            yield 4, f"a header's comment begins with: {title}"
        guard = guard_of(path)
        if f"#ifndef {guard}" not in lines or f"#define {guard}" not in lines:
            yield 1, f"the guard is {guard}"


def lint_file(path, text):
    """Yields (line number, complaint) of the file at `path` within the tree."""
    lines = text.splitlines()
    script = path.suffix in SCRIPTS or path.name in SCRIPTS or text[:2] == "#!"
    if (path.suffix in SOURCES or script) and \
            not any(LICENSE in line for line in lines[:4]):
        yield 1, f"no license line: {LICENSE}"
    if path.name != "lint_self_test.py":
        for number, line in enumerate(lines, 1):
            if path.name != "lint.py" and TODO.search(line):
                yield number, "write it as: TODO(kind, #issue): what"
    if path.suffix in SOURCES and path.parts[0] in OURS:
        yield from lint_source(path, lines)
    if path.suffix == ".md":
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match and match[1] is not None and \
                    match[1].startswith(tuple(f"{root}/" for root in OURS[1:])):
                yield number, f"{match[1]} is not what users include: \"qio/...\""


LINK = re.compile(r"\]\(([^)#]+\.(?:h|cc|sh|bazel|bazelrc)|[^)#]*WORKSPACE)\)")


def blocks(text):
    """Yields (line number, the paragraph before, text) of each block of code."""
    paragraph, is_over, block, begin = [], False, None, 0
    for number, line in enumerate(text.splitlines(), 1):
        if block is not None:
            if line == "```":
                yield begin, " ".join(paragraph), "".join(block)
                paragraph, block = [], None
            else:
                block.append(line + "\n")
        elif line.startswith("```"):
            block, begin = [], number + 1
        elif line:
            paragraph = [line] if is_over else paragraph + [line]
        is_over = line == ""


def quote_complaints(text, read):
    """Yields (line number, complaint) of code that a text quotes.

    Where a paragraph links to a source file and ends with a colon, what follows
    it in a block stands in that file, line by line. A line "..." leaves out.
    read: returns the text of a file, given as the link says, or None.
    """
    for number, paragraph, block in blocks(text):
        links = LINK.findall(paragraph)
        if not links or not paragraph.endswith(":"):
            continue
        quoted, at = read(links[0]), 0
        if quoted is None:
            yield number, f"{links[0]} does not exist"
            continue
        for piece in re.split(r"^\.\.\.\n", block, flags=re.M):
            piece = piece.strip("\n")
            found = f"\n{quoted}".find(f"\n{piece}\n", at)
            if found < 0:
                first = piece.split("\n", 1)[0]
                yield number, f"{links[0]} has no such lines, from: {first}"
                break
            at = found + len(piece)


def read_beside(path):
    """For quote_complaints(), of the file at `path`."""
    def read(link):
        file = path.parent / link
        return file.read_text(encoding="utf-8") if file.is_file() else None
    return read


def files_of(root):
    for path in sorted(root.iterdir()):
        if path.name.startswith("bazel-") and path.is_symlink():
            continue
        if path.is_dir() and path.name not in (".git", ".cache", "__pycache__"):
            yield from files_of(path)
        elif path.is_file():
            yield path


def lint_tree(root, compiled=None):
    """Returns all complaints, as lines."""
    complaints = []
    for path in files_of(root):
        inside = path.relative_to(root)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # Data.
        complaints += [f"{inside}:{number}: {complaint}"
                       for number, complaint in lint_file(inside, text)]
        if path.suffix == ".md":
            complaints += [f"{inside}:{number}: {complaint}" for number, complaint
                           in quote_complaints(text, read_beside(path))]
        if compiled is not None and inside.suffix == ".h" and \
                inside.parts[0] in LIBRARY and "internal" not in inside.parts:
            words = inside.parts
            name = "/".join(words if words[0] == "qio" else ("qio",) + words)
            if name not in compiled:
                complaints.append(
                    f"{inside}:1: not compiled alone: give its library to "
                    "_LIBRARIES in tests/lint/BUILD.bazel, or to //:qio")
    return complaints


def main():
    compiled, root = None, pathlib.Path(".")
    absent = set()
    for argument in sys.argv[1:]:
        if argument.startswith("--headers="):
            listing = pathlib.Path(argument.partition("=")[2])
            compiled = set(listing.read_text().split())
        elif argument.startswith("--absent="):
            absent.add(argument.partition("=")[2])
        else:
            root = pathlib.Path(argument)
    if compiled is not None:
        compiled |= absent
    complaints = lint_tree(root, compiled)
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
