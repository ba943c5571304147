#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance suite and prints a table: clauses by executors.

    tools/bazel run //tests/conformance:report -- [OPTION...]

--markdown=FILE writes the table to a file, --junit=FILE one test case per
executor and clause in JUnit's XML, exemptions as skipped, each with its reason.
--on-demand also runs what takes long. The exit code is 0 if nothing failed and
each clause of the base (README.md) has a case on each executor, or an exemption
with a reason.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

import clauses

_SECONDS_MAX = 900


class Executor:
    """A column: its programs, and what came of their cases."""

    def __init__(self, title):
        self.title = title
        self.programs = []
        self.exemptions = {}
        self.failures = {}  # clause -> what it said
        self.seconds = {}  # clause -> how long it took

    def add(self, path):
        described = json.loads(subprocess.check_output([path, "--describe"]))
        self.programs.append((path, described))
        self.exemptions.update(described["exemptions"])

    def run(self, clause_id, on_demand):
        """Runs the cases of one clause in processes of their own."""
        begin = time.monotonic()
        result = self._run(clause_id, on_demand)
        self.seconds[clause_id] = time.monotonic() - begin
        return result

    def reason(self, clause_id):
        """Why it is exempt from a clause, or from the cases of one."""
        names = [clause_id] + [
            case["name"] for _, described in self.programs
            for case in described["cases"] if case["clause"] == clause_id]
        return "; ".join(dict.fromkeys(
            self.exemptions[name] for name in names
            if name in self.exemptions))

    def _run(self, clause_id, on_demand):
        if clause_id in self.exemptions:
            return "exempt"
        result = "missing"
        for path, described in self.programs:
            cases = [case for case in described["cases"]
                     if case["clause"] == clause_id]
            if cases and result == "missing":
                result = "exempt"
            cases = [case for case in cases
                     if case["name"] not in self.exemptions]
            chosen = [case["name"] for case in cases
                      if on_demand or not case["on_demand"]]
            if cases and not chosen and result in ("missing", "exempt"):
                result = "on demand"
            if not chosen:
                continue
            filter_ = f"{described['suite']}/{','.join(chosen)}"
            try:
                run = subprocess.run(
                    [path, f"--run_test={filter_}", "--color_output=no"],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    timeout=_SECONDS_MAX, check=False)
                code, said = run.returncode, run.stdout
            except subprocess.TimeoutExpired as error:
                code, said = "hangs", error.stdout or b""
            if code != 0:
                text = said.decode(errors="replace").strip()
                self.failures[clause_id] = f"{text}\n(exit code {code})"
                return "fail"
            result = "pass"
        return result


def table(listed, executors, results):
    """The report in Markdown, as lines."""
    names = [executor.title for executor in executors]
    yield "| clause | priority | rule | " + " | ".join(names) + " |"
    yield "|---" * (3 + len(names)) + "|"
    for clause in listed.all:
        if clause.id in results:
            rule = clauses.rule(clause).replace("|", "\\|")
            yield f"| {clause.id} | {clause.priority} | {rule} | " + \
                " | ".join(results[clause.id]) + " |"
    yield ""
    cells = [cell for row in results.values() for cell in row]
    yield f"{len(results)} clauses by {len(names)} executors: " + ", ".join(
        f"{cells.count(cell)} {cell}" for cell in
        ("pass", "fail", "exempt", "missing", "on demand", "not promised")
        if cell in cells)
    exempt = [f"- {executor.title}, {what}: {reason}"
              for executor in executors
              for what, reason in sorted(executor.exemptions.items())]
    if exempt:
        yield from ["", "Exempt:", ""] + exempt
    for executor in executors:
        for clause_id, said in executor.failures.items():
            yield from ["", f"{executor.title}, {clause_id}:", "", "```"]
            yield from said.splitlines()
            yield "```"


# What XML cannot have in any form: a terminal's colours, say.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(listed, executors, results):
    """The report in JUnit's XML, as text."""
    element = xml.etree.ElementTree.Element
    child = xml.etree.ElementTree.SubElement
    suites = element("testsuites", name="conformance")
    for column, executor in enumerate(executors):
        suite = child(suites, "testsuite", name=executor.title)
        for clause in listed.all:
            if clause.id not in results:
                continue
            case = child(suite, "testcase", classname=executor.title,
                         name=f"{clause.id} {clauses.rule(clause)}",
                         time=f"{executor.seconds.get(clause.id, 0):.3f}")
            result = results[clause.id][column]
            if result == "fail":
                said = _NOT_XML.sub("?", executor.failures[clause.id])
                child(case, "failure", message=f"{clause.id} fails").text = said
            elif result == "missing" and clause.id in listed.base:
                child(case, "failure", message="of the base, and has no case")
            elif result == "exempt":
                child(case, "skipped",
                      message="exempt: " + executor.reason(clause.id))
            elif result != "pass":
                child(case, "skipped", message={
                    "missing": "has no case", "on demand": "runs on demand",
                    "not promised": "no promise of this executor",
                }[result])
        suite.set("tests", str(len(suite)))
        for word, tag in (("failures", "failure"), ("skipped", "skipped")):
            suite.set(word, str(len(suite.findall(f"testcase/{tag}"))))
        suite.set("time", f"{sum(executor.seconds.values()):.3f}")
    xml.etree.ElementTree.indent(suites)
    return xml.etree.ElementTree.tostring(
        suites, encoding="unicode", xml_declaration=True) + "\n"


def main():
    readme, *arguments = sys.argv[1:]
    files, on_demand, columns = {}, False, {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument == "--on-demand":
            on_demand = True
        elif name in ("--markdown", "--junit") and value:
            # Where the command was given, and not where Bazel runs it.
            there = os.environ.get("BUILD_WORKING_DIRECTORY", ".")
            files[name] = pathlib.Path(there) / value
        elif equals and not name.startswith("-"):
            columns.setdefault(name, Executor(name)).add(value)
        else:
            print(f"report: what is {argument}? See report.py", file=sys.stderr)
            return 2

    listed = clauses.Clauses(readme)
    executors = list(columns.values())
    results, bad = {}, 0
    for clause in listed.all:
        row = [executor.run(clause.id, on_demand) for executor in executors]
        if set(row) == {"missing"} and clause.id.startswith("RS"):
            continue  # Its test is no case of the suite; clauses_test finds it.
        if clause.id in listed.of_some and set(row) != {"missing"}:
            row = ["not promised" if cell == "missing" else cell
                   for cell in row]
        in_base = clause.id in listed.base
        if in_base or set(row) != {"missing"}:
            results[clause.id] = row
            bad += row.count("fail") + (row.count("missing") if in_base else 0)
    text = "\n".join(table(listed, executors, results)) + "\n"
    sys.stdout.write(text)
    if "--markdown" in files:
        files["--markdown"].write_text(text, encoding="utf-8")
    if "--junit" in files:
        files["--junit"].write_text(junit(listed, executors, results),
                                    encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
