#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""What report.py prints and writes, of clauses and programs that pretend.

    report_test.py REPORT.PY
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

_README = """
The base: EX and RS, P0.

- **EX-01** P0 Posts run | once. *Lost.*
- **EX-02** P0 Never elsewhere. *Wrong loop.*
- **EX-03** P1 In order.
- **EX-04** P2 Idle.
- **EX-05** P1 Nobody has written its case.

Of some executors alone: EX-06.

- **EX-06** P0 One promises it.
- **RS-01** P0 Not of the suite.
"""

_EXEMPT = "no kernel <here>"

# A program of the suite: says what it has, and passes, unless it is told to run
# a case that is in `fails`.
_PROGRAM = """#!{python}
import sys
if sys.argv[1] == "--describe":
    print({described!r})
elif any(name in sys.argv[1] for name in {fails!r}):
    print("red \\x1b[31m<ink> & more: lost")
    sys.exit(201)
"""


def case(name, on_demand=False):
    return {"name": name, "clause": f"{name[:2].upper()}-{name[2:4]}",
            "rule": "", "on_demand": on_demand}


_CASES = [case("Ex01_RunsOnce"), case("Ex01_RunsAtAll"), case("Ex03_InOrder"),
          case("Ex04_Idle", on_demand=True)]


class ReportTest(unittest.TestCase):
    report = None

    def run_report(self, *options, cases=tuple(_CASES), fails=(), exempt=()):
        """Returns the exit code, what was printed, and the XML's root."""
        with tempfile.TemporaryDirectory() as directory:
            here = pathlib.Path(directory)
            (here / "README.md").write_text(_README)
            (here / "program").write_text(_PROGRAM.format(
                python=sys.executable, fails=fails, described=json.dumps({
                    "suite": "S", "cases": cases,
                    "exemptions": dict.fromkeys(["EX-02", *exempt],
                                                _EXEMPT)})))
            (here / "program").chmod(0o755)
            (here / "another").write_text(_PROGRAM.format(
                python=sys.executable, fails=(), described=json.dumps({
                    "suite": "S", "cases": [case("Ex06_OfOne")],
                    "exemptions": {}})))
            (here / "another").chmod(0o755)
            run = subprocess.run(
                [sys.executable, self.report, here / "README.md",
                 f"one={here}/program", f"one={here}/another",
                 f"two={here}/program",
                 "--junit=report.xml", "--markdown=report.md", *options],
                stdout=subprocess.PIPE, check=False, text=True,
                env={**os.environ, "BUILD_WORKING_DIRECTORY": directory})
            self.assertEqual(run.stdout, (here / "report.md").read_text())
            root = xml.etree.ElementTree.parse(here / "report.xml").getroot()
            return run.returncode, run.stdout, root

    def outcomes(self, suite):
        """name -> (tag, message), which are None if it passed."""
        found = {}
        for one in suite:
            self.assertEqual(one.tag, "testcase")
            self.assertEqual(one.get("classname"), suite.get("name"))
            self.assertGreaterEqual(float(one.get("time")), 0)
            tags = [(child.tag, child.get("message")) for child in one]
            found[one.get("name")] = tags[0] if tags else (None, None)
        for tag, attribute in (("failure", "failures"), ("skipped", "skipped")):
            count = sum(outcome[0] == tag for outcome in found.values())
            self.assertEqual(suite.get(attribute), str(count))
        self.assertEqual(suite.get("tests"), str(len(suite)))
        return found

    def test_one_case_per_executor_and_clause(self):
        code, printed, suites = self.run_report()
        self.assertEqual(code, 0)
        self.assertEqual([s.get("name") for s in suites], ["one", "two"])
        of_one = [(None, None), ("skipped", "no promise of this executor")]
        for suite, outcome in zip(suites, of_one):
            self.assertEqual(self.outcomes(suite), {
                "EX-01 Posts run | once": (None, None),
                "EX-02 Never elsewhere": ("skipped", "exempt: " + _EXEMPT),
                "EX-03 In order": (None, None),
                "EX-04 Idle": ("skipped", "runs on demand"),
                "EX-06 One promises it": outcome,
            })
        self.assertIn(
            "| EX-01 | P0 | Posts run \\| once | pass | pass |\n"
            "| EX-02 | P0 | Never elsewhere | exempt | exempt |\n", printed)
        self.assertIn(f"- two, EX-02: {_EXEMPT}", printed)

    def test_a_clause_is_exempt_with_its_last_case(self):
        code, _, suites = self.run_report(
            exempt=["Ex01_RunsOnce", "Ex03_InOrder"])
        self.assertEqual(code, 0)
        outcomes = self.outcomes(suites[0])
        self.assertEqual(outcomes["EX-01 Posts run | once"], (None, None))
        self.assertEqual(outcomes["EX-03 In order"],
                         ("skipped", "exempt: " + _EXEMPT))

    def test_a_failure_is_told(self):
        code, printed, suites = self.run_report(fails=["Ex01_RunsAtAll"])
        self.assertEqual(code, 1)
        self.assertIn("| fail | fail |", printed)
        for suite in suites:
            self.assertEqual(self.outcomes(suite)["EX-01 Posts run | once"],
                             ("failure", "EX-01 fails"))
            said = suite.find("testcase/failure").text
            # XML cannot have the terminal's escape character.
            self.assertIn("red ?[31m<ink> & more: lost", said)
            self.assertIn("exit code 201", said)

    def test_a_clause_of_the_base_without_a_case_fails(self):
        code, _, suites = self.run_report(cases=_CASES[2:])
        self.assertEqual(code, 1)
        self.assertEqual(self.outcomes(suites[0])["EX-01 Posts run | once"],
                         ("failure", "of the base, and has no case"))

    def test_what_takes_long_runs_when_asked(self):
        code, _, suites = self.run_report("--on-demand", fails=["Ex04"])
        self.assertEqual(code, 1)
        self.assertEqual(self.outcomes(suites[1])["EX-04 Idle"],
                         ("failure", "EX-04 fails"))

    def test_unknown_options_are_refused(self):
        run = subprocess.run(
            [sys.executable, self.report, "README.md", "--junit"],
            stderr=subprocess.PIPE, check=False, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--junit", run.stderr)


if __name__ == "__main__":
    ReportTest.report = sys.argv[1]
    unittest.main(argv=sys.argv[:1])
