#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the list of clauses in README.md."""

import collections
import re

Clause = collections.namedtuple("Clause", "id priority text")

_ID = r"[A-Z]{2}-\d{2}"
_CLAUSE = re.compile(rf"^- \*\*({_ID})\*\* (P\d) (.*)$", re.M)
_BASE = re.compile(r"^The base: (.*?)\n\n", re.M | re.S)
_WITHOUT = re.compile(r"^Without a case of their own: (.*?)\.?\n\n",
                      re.M | re.S)
_OF_SOME = re.compile(r"^Of some executors alone: (.*?)\.?\n\n", re.M | re.S)


class Clauses:
    """What README.md says."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = [Clause(*match) for match in _CLAUSE.findall(text)]
        self.by_id = {clause.id: clause for clause in found}
        if len(self.by_id) != len(found):
            raise ValueError(f"{path}: a clause is listed twice")
        # In the order of the list, families together.
        families = list(dict.fromkeys(clause.id[:2] for clause in found))
        self.all = sorted(found, key=lambda clause: (
            families.index(clause.id[:2]), clause.id))
        self.base = self._base(_BASE.search(text)[1])
        without = _WITHOUT.search(text)
        # Families or clauses without cases; the list says why.
        self.without_cases = set(re.findall(rf"{_ID}|[A-Z]{{2}}",
                                            without[1] if without else ""))

        # Clauses that an executor without a case for them does not promise.
        of_some = _OF_SOME.search(text)
        self.of_some = set(re.findall(_ID, of_some[1] if of_some else ""))

    def _base(self, text):
        """IDs of "EX, TI, P0; NL-01 to NL-06, NL-09; ..."."""
        base = set()
        for part in text.split(";"):
            words = re.findall(rf"{_ID}(?: to {_ID})?|[A-Z]{{2}}\b|P\d",
                               " ".join(part.split()))
            priorities = {word for word in words if re.fullmatch(r"P\d", word)}
            for word in words:
                first, _, last = word.partition(" to ")
                for clause in self.all:
                    if clause.id[:2] == word and clause.priority in priorities:
                        base.add(clause.id)
                    elif first <= clause.id <= (last or first) and \
                            clause.id[:2] == first[:2] and "-" in first:
                        base.add(clause.id)
        return base

    def is_without_cases(self, clause_id):
        return bool({clause_id, clause_id[:2]} & self.without_cases)


def rule(clause):
    """The clause as one line, without the fault in italics behind it."""
    text = re.sub(r"\s*\*[^*]+\*$", "", clause.text)
    return text.rstrip(".")
