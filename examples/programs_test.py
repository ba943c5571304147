#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs an example as its users do.

    programs_test.py PROGRAM TEST_CLASS
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
WAIT_S = 60


class Example(unittest.TestCase):

    def start(self, *arguments):
        program = subprocess.Popen([PROGRAM, *arguments],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        return program

    def serve(self):
        """A server, and the port it listens at."""
        program = self.start("127.0.0.1:0")
        line = program.stdout.readline()
        self.assertRegex(line, r"\Alistening at 127\.0\.0\.1:\d+\n\Z")
        return program, int(line.split(":")[-1])

    def connect(self, port):
        client = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.addCleanup(client.close)
        return client


def read_all(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


class Echo(Example):
    """echo_callbacks, echo_coroutines"""

    def test_everybody_gets_back_what_they_send(self):
        _, port = self.serve()
        clients = [self.connect(port) for _ in range(5)]
        texts = [os.urandom(1_000_003) for _ in clients]

        def send(client, text):
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)

        threads = [threading.Thread(target=send, args=pair)
                   for pair in zip(clients, texts)]
        for thread in threads:
            thread.start()
        for client, text in zip(clients, texts):
            self.assertEqual(read_all(client), text)
        for thread in threads:
            thread.join()

    def test_one_that_breaks_off_is_not_the_end(self):
        _, port = self.serve()
        self.connect(port).close()
        client = self.connect(port)
        client.sendall(b"still there?")
        self.assertEqual(client.recv(100), b"still there?")

    def test_an_address_in_use_is_an_error(self):
        _, port = self.serve()
        second = self.start(f"127.0.0.1:{port}")
        self.assertNotEqual(second.wait(WAIT_S), 0)


class Shutdown(Example):
    """shutdown"""

    def test_those_who_are_there_may_finish(self):
        server, port = self.serve()
        client = self.connect(port)
        client.sendall(b"before, ")
        self.let_it_accept(port)
        server.send_signal(signal.SIGTERM)
        self.wait_until_refused(port)
        client.sendall(b"after")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(client), b"before, after")
        self.assertEqual(server.wait(WAIT_S), 0)
        self.assertEqual(server.stdout.read(), "")

    def test_who_does_not_is_named(self):
        server, port = self.serve()
        client = self.connect(port)
        self.let_it_accept(port)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(WAIT_S), 1)
        self.assertEqual(
            server.stdout.read(),
            "did not finish: 127.0.0.1:%d\n" % client.getsockname()[1])
        self.assertEqual(read_all(client), b"")

    def let_it_accept(self, port):
        """Clients are accepted in their order: so another one was not first."""
        other = self.connect(port)
        other.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(other), b"")

    def wait_until_refused(self, port):
        for _ in range(WAIT_S * 100):
            try:
                with socket.create_connection(("127.0.0.1", port)):
                    pass
            except OSError:
                return
        self.fail("it still accepts")


class GlibWithAsio(Example):
    """glib_with_asio"""

    def test_it_prints_what_it_gets(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            program = self.start(str(server.getsockname()[1]))
            with server.accept()[0] as client:
                client.sendall(b"hello")
            self.assertEqual(program.wait(WAIT_S), 0)
            self.assertEqual(program.stdout.read(), "hello\n")

    def test_too_little_is_an_error(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            program = self.start(str(server.getsockname()[1]))
            with server.accept()[0] as client:
                client.sendall(b"hell")
            self.assertEqual(program.wait(WAIT_S), 1)


class Resolve(Example):
    """resolve"""

    def test_it_prints_addresses(self):
        program = self.start("localhost:80")
        self.assertEqual(program.wait(WAIT_S), 0)
        self.assertRegex(program.stdout.read(),
                         r"\A((127\.0\.0\.1|\[::1\]):80\n)+\Z")

    def test_no_name_is_an_error(self):
        self.assertEqual(self.start("no name").wait(WAIT_S), 2)


if __name__ == "__main__":
    unittest.main()
