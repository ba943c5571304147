#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the list of clauses and the cases to each other.

    clauses_test.py README.md HEADERS... OTHERS... PROGRAMS...

HEADERS define the cases, PROGRAMS are tests of the suite. OTHERS are sources and
BUILD files of tests outside of it, for clauses of RS, whose names carry the ID.
"""

import json
import re
import subprocess
import sys

import clauses

_CASE = re.compile(r"^struct ([A-Z][a-z]\d\d_\w+)", re.M)
_OTHER = re.compile(
    r"^(?:BOOST_AUTO_TEST_CASE\(| +name = \")(Rs\d\d_\w+)", re.M)


def clause_of(case_name):
    return f"{case_name[:2].upper()}-{case_name[2:4]}"


def complaints(listed, defined, programs, others=frozenset()):
    """Yields what is wrong, as sentences.

    listed: Clauses. defined: names of the cases that headers define.
    programs: what each program says of itself. others: names of tests outside
    of the suite.
    """
    ran = {case["name"] for program in programs for case in program["cases"]}
    for name in sorted(ran | defined | others):
        if clause_of(name) not in listed.by_id:
            yield f"{name}: README.md has no clause {clause_of(name)}"
    for name in sorted(defined - ran):
        yield f"{name} is defined and not listed with its family's cases"
    for clause in listed.all:
        has_cases = any(clause_of(name) == clause.id for name in ran | others)
        if has_cases and listed.is_without_cases(clause.id):
            yield f"{clause.id} has cases; README.md says that it has none"
        if clause.id in listed.base and not has_cases and \
                not listed.is_without_cases(clause.id):
            yield f"{clause.id} has no case"
    for program in programs:
        for what in program["exemptions"]:
            if what not in listed.by_id and what not in ran:
                yield f"{program['suite']} is exempt from {what}, " \
                    "which is neither a clause of README.md nor a case"


def self_test(listed):
    """A planted fault of each kind has to be found."""
    class Planted:
        all = [clauses.Clause("EX-01", "P0", ""), clauses.Clause("EX-02", "P1", ""),
               clauses.Clause("TK-01", "P0", "")]
        by_id = {clause.id: clause for clause in all}
        base = {"EX-01", "TK-01"}

        @staticmethod
        def is_without_cases(clause_id):
            return clause_id == "TK-01"

    def found(defined, ran, exempt=(), others=()):
        program = {"suite": "S", "exemptions": {e: "" for e in exempt},
                   "cases": [{"name": name} for name in ran]}
        return len(list(complaints(Planted, set(defined), [program],
                                   set(others))))

    assert found(["Ex01_A"], ["Ex01_A"]) == 0
    assert found(["Ex01_A", "Ex01_B"], ["Ex01_A"]) == 1  # Not listed.
    assert found(["Ex01_A"], ["Ex01_A", "Ex09_C"]) == 1  # No clause.
    assert found([], ["Ex02_A"]) == 1  # Of the base, without a case.
    assert found([], [], others=["Ex01_A"]) == 0
    assert found([], ["Ex01_A"], others=["Rs77_A"]) == 1
    assert found([], ["Ex01_A", "Tk01_A"]) == 1  # Said to have none.
    assert found([], ["Ex01_A"], ["EX-77"]) == 1
    assert found([], ["Ex01_A"], ["Ex01_A"]) == 0
    assert found([], ["Ex01_A"], ["Ex01_B"]) == 1
    assert len(listed.all) > 80 and "EX-01" in listed.base
    assert "NL-05" in listed.base and "NL-07" not in listed.base


def main():
    readme, *rest = sys.argv[1:]
    listed = clauses.Clauses(readme)
    self_test(listed)
    defined, others, programs = set(), set(), []
    for path in rest:
        if path.endswith(".h"):
            with open(path, encoding="utf-8") as file:
                defined |= set(_CASE.findall(file.read()))
        elif path.endswith((".cc", ".bazel")):
            with open(path, encoding="utf-8") as file:
                others |= set(_OTHER.findall(file.read()))
        else:
            programs.append(json.loads(
                subprocess.check_output([path, "--describe"])))
    wrong = list(complaints(listed, defined, programs, others))
    print("\n".join(wrong) or f"{len(defined)} cases agree with README.md")
    return 1 if wrong or not defined or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
