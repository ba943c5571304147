#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the experiment as its users do, and as they get it wrong."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
WAIT_S = 60


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True,
                          text=True, timeout=WAIT_S)


def start(*arguments):
    return subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


class FourStreams(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.original = self.folder / "original"
        self.original.write_bytes(os.urandom(3_000_001))
        self.copy = self.folder / "copy"

    def listen(self, *arguments):
        """A destination, and the address it listens at."""
        end = start("--listen=127.0.0.1:0", f"--output={self.copy}",
                    *arguments)
        self.addCleanup(end.kill)
        for line in end.stdout:
            if line.startswith("listening at "):
                return end, line.split()[-1]
        self.fail(end.stderr.read())

    def assertOneLine(self, errors):
        self.assertRegex(errors, r"\Afour_streams: [^\n]+\n\Z")

    def test_all_executors_keep_the_promise(self):
        done = run("--size_mib=8", "--streams=4")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        rows = re.findall(r"^(epoll|glib|asio) +4 +[\d.]+ +4 +1 +(\w{16})$",
                          done.stdout, re.MULTILINE)
        self.assertEqual([name for name, _ in rows], ["epoll", "glib", "asio"])
        self.assertEqual(len({checksum for _, checksum in rows}), 1)
        loops = set(re.findall(r"loop runs in thread id = (\d+)", done.stdout))
        completions = set(re.findall(
            r"Completion running in thread id = (\d+)", done.stdout))
        workers = re.findall(r"Worker running in thread id = (\d+)",
                             done.stdout)
        self.assertEqual(completions, loops)
        self.assertEqual(len(set(workers)), 12)
        self.assertTrue(loops.isdisjoint(workers))

    def test_two_processes_on_different_loops(self):
        destination, address = self.listen("--executor=asio")
        source = run(f"--connect={address}", f"--file={self.original}",
                     "--executor=glib", "--streams=3")
        self.assertEqual(source.returncode, 0, source.stdout + source.stderr)
        output, errors = destination.communicate(timeout=WAIT_S)
        self.assertEqual(destination.returncode, 0, output + errors)
        self.assertEqual(self.copy.read_bytes(), self.original.read_bytes())
        self.assertRegex(output, r"(?m)^asio +3 +[\d.]+ +3 +1 ")

    def test_a_source_that_dies(self):
        destination, address = self.listen()
        source = start(f"--connect={address}", "--size_mib=800")
        for line in source.stdout:  # It has begun to send.
            if "Completion" in line:
                break
        source.kill()
        source.communicate()
        _, errors = destination.communicate(timeout=WAIT_S)
        self.assertEqual(destination.returncode, 1)
        self.assertOneLine(errors)
        self.assertEqual(os.listdir(self.folder), ["original"])

    def test_a_destination_that_dies(self):
        destination, address = self.listen()
        source = start(f"--connect={address}", "--size_mib=800")
        for line in source.stdout:
            if "Completion" in line:
                break
        destination.kill()
        destination.communicate()
        _, errors = source.communicate(timeout=WAIT_S)
        self.assertEqual(source.returncode, 1)
        # On a busy machine its end has to say for which workers it waits.
        self.assertOneLine(re.sub(r"(?m)^qio: the end of .*\n", "", errors))

    def test_a_client_that_speaks_something_else(self):
        destination, address = self.listen()
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n" + b" " * 300)
            _, errors = destination.communicate(timeout=WAIT_S)
        self.assertEqual(destination.returncode, 1)
        self.assertOneLine(errors)

    def test_bad_arguments(self):
        for arguments in (["--streams=0"], ["--streams=1000"],
                          ["--executor=qt"], ["--file=/no/such/file"],
                          ["--file=/dev/null"], ["--listen=nonsense:x"],
                          ["--connect=:"], ["stray"],
                          ["--listen=:0", "--connect=h:1"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertOneLine(done.stderr)
            self.assertEqual(done.stdout, "")

    def test_nobody_listens(self):
        done = run("--connect=127.0.0.1:1", f"--file={self.original}")
        self.assertEqual(done.returncode, 1)
        self.assertOneLine(done.stderr)

    def test_no_place_for_the_output(self):
        done = run("--listen=127.0.0.1:0", "--output=/no/such/folder/copy")
        self.assertEqual(done.returncode, 1)
        self.assertOneLine(done.stderr)


if __name__ == "__main__":
    unittest.main()
