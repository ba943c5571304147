#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Measures qio beside its peers, and a limit, in one run.

    tools/bazel run //benchmarks:versus_peers [-- --quick] [--out=DIRECTORY]

All contestants of a workload run one after the other, again and again, so that
what else the machine does hits all of them. Prints one table, and with --out
writes it as versus_peers.md, .json and .svg. A peer that is not installed is
left out, with a message.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

# Not resolved: Bazel links the programs beside this file.
HERE = pathlib.Path(__file__).absolute().parent
sys.path.insert(0, str(HERE))
import report  # noqa: E402

# Column -> program, and the name of its workloads there.
IN_PROCESS = {
    report.LIMIT: ("limit_in_process", "limit"),
    "qio epoll": ("ours_in_process", "epoll"),
    "qio GLib": ("ours_in_process", "glib"),
    "qio Asio": ("ours_in_process", "asio"),
    "GTask, GSocket": ("glib_in_process", "gtask"),
    "GLib sources": ("glib_in_process", "gthreadpool"),
    "Asio": ("asio_in_process", "asio_itself"),
    "libuv": ("libuv_in_process", "libuv"),
    "libevent": ("libevent_in_process", "libevent"),
    "stdexec run_loop": ("stdexec_in_process", "stdexec"),
    "thread a task": ("glib_in_process", "threads"),
}
# Column -> program, and its --loop.
SERVERS = {
    report.LIMIT: ("limit_server", ""),
    "qio epoll": ("ours_server", "epoll"),
    "qio GLib": ("ours_server", "glib"),
    "qio Asio": ("ours_server", "asio"),
    "GTask, GSocket": ("glib_server", "gsocket"),
    "GLib sources": ("glib_server", "g_unix_fd"),
    "Asio": ("asio_server", ""),
    "libuv": ("libuv_server", ""),
    "libevent": ("libevent_server", "event"),
    "bufferevent": ("libevent_server", "bufferevent"),
}
# How one comes by an optional peer.
TO_INSTALL = {
    "libuv": "on Debian: apt-get install libuv1-dev",
    "libevent": "on Debian: apt-get install libevent-dev",
    "stdexec": "no package of Debian: copy include/stdexec and include/exec of "
               "github.com/NVIDIA/stdexec into /usr/local/include",
}
# They create threads as they go, which all inherit the loop's processor.
UNPINNED_ONLY = ("thread a task",)
# It looks at all connections for each one that it accepts: minutes.
SLOW_IDLE = ("GTask, GSocket",)
# Sleeping at once is a choice that only these have.
WITH_SPIN = (report.LIMIT, *report.OURS)

CPU = "ns of processor time"
PLACES = {"one": "one core", "two": "two cores", "none": "unpinned"}


class Missing(Exception):
    """A program that was not built."""


def program(name):
    path = HERE / name
    if not path.exists():
        raise Missing(name)
    return path


def in_process(contestant, workload, figure, flags, options):
    """Nanoseconds an operation, or None if it has no such workload."""
    name, prefix = IN_PROCESS[contestant]
    done = subprocess.run(
        [program(name), f"--benchmark_filter=^{prefix}/{workload}/",
         f"--benchmark_min_time={options.in_process_seconds}",
         "--benchmark_format=json", *flags],
        capture_output=True, text=True, timeout=120)
    # "Failed to match any benchmarks" and no JSON.
    if done.returncode != 0 or not done.stdout.startswith("{"):
        return None
    return json.loads(done.stdout)["benchmarks"][0][figure]


def over_network(contestant, figure, server_flags, load_flags, options):
    name, loop = SERVERS[contestant]
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket" if "unix" in server_flags else ""
        words = [flag for flag in server_flags if flag != "unix"]
        server = subprocess.Popen(
            [program(name), *words, f"--unix_path={path}"] +
            ([f"--loop={loop}"] if loop else []),
            stdout=subprocess.PIPE, text=True)
        try:
            port = server.stdout.readline().strip()
            done = subprocess.run(
                [program("load"), *words, *load_flags, f"--port={port}",
                 f"--unix_path={path}", f"--server_pid={server.pid}",
                 f"--seconds={options.network_seconds}"],
                capture_output=True, text=True, timeout=120)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
    if done.returncode != 0:
        print(f"{contestant}: {done.stderr}", file=sys.stderr)
        return None
    return json.loads(done.stdout)[figure]


class Workload:
    """One line of the table: measure(contestant) gives a sample, or None."""

    def __init__(self, name, unit, contestants, measure):
        self.measurement = {"workload": name, "unit": unit,
                            "higher_is_better": unit.endswith("a second"),
                            "samples": {}}
        self.contestants = list(contestants)
        self.measure = measure

    def sample(self):
        for contestant in list(self.contestants):
            try:
                value = self.measure(contestant)
            except Missing as missing:
                value = None
                ABSENT.add(str(missing))
            if value is None:
                # It lacks this; it need not be asked again.
                self.contestants.remove(contestant)
                self.measurement["samples"].pop(contestant, None)
                continue
            samples = self.measurement["samples"]
            samples.setdefault(contestant, []).append(value)


ABSENT = set()


def workloads(options):
    def local(name, workload, *flags, contestants=tuple(IN_PROCESS),
              figure="real_time", unit="ns"):
        return Workload(name, unit, contestants,
                        lambda contestant: in_process(
                            contestant, workload, figure, flags, options))

    def alone(name, workload):
        """There is one thread, so nobody else's work need be counted."""
        return local(name, workload, figure="cpu_time", unit=CPU)

    def network(name, figure, unit, server_flags, *load_flags,
                contestants=tuple(SERVERS)):
        return Workload(name, unit, contestants,
                        lambda contestant: over_network(
                            contestant, figure, server_flags, load_flags,
                            options))

    def on(pin):
        return [name for name in IN_PROCESS
                if pin == "none" or name not in UNPINNED_ONLY]

    pins = ["one", "none"] + (["two"] if os.cpu_count() > 1 else [])
    for pin in sorted(pins, key=list(PLACES).index):
        yield local(f"T1, a task, {PLACES[pin]}", "t1", f"--pin={pin}",
                    contestants=on(pin))
    yield local("T1, unpinned, sleeping at once", "t1", "--nospin",
                contestants=WITH_SPIN)
    for workers in (1, 2):
        for pin in sorted(pins, key=list(PLACES).index):
            yield local(f"T2, 1,000 tasks, workers: {workers}, {PLACES[pin]}",
                        "t2", f"--pin={pin}", f"--workers={workers}",
                        contestants=on(pin))
    for producers in (1, 2):
        yield local(f"T3, post from threads: {producers}", f"t3_{producers}")
    yield alone("T4, post from the loop, one by one", "t4_chain")
    yield alone("T4, post from the loop, 1,000", "t4_batch")
    yield alone("timer, arm and cancel", "timer_0")
    yield alone("timer, arm and cancel beside 10,000", "timer_10000")
    yield local("timer, fire", "timer_fire")

    for family, flags in (("TCP", []), ("unix", ["unix"])):
        yield network(f"accept, {family}", "cpu_ns", CPU,
                      [*flags, "--workload=accept"])
    echo = ["--workload=echo"]
    for connections in (1, 64, 1000):
        yield network(f"echo, connections: {connections:,}", "per_second",
                      "a second", echo, f"--connections={connections}")
    for idle in (1000, 10_000):
        yield network(f"echo, connections: 64, idle: {idle:,}", "per_second",
                      "a second", echo, f"--idle={idle}",
                      contestants=[name for name in SERVERS
                                   if idle < 10_000 or name not in SLOW_IDLE])
    for workload, does in (("sink", "receive"), ("source", "send")):
        yield network(f"{does} 64 KiB", "per_second", "a second",
                      [f"--workload={workload}"])


def machine():
    compiler = subprocess.run(["c++", "--version"], capture_output=True,
                              text=True).stdout.partition("\n")[0]
    return {"processors": os.cpu_count(), "kernel": platform.release(),
            "compiler": compiler, "load_before": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="two minutes: shorter, and three repeats")
    parser.add_argument("--repeats", type=int,
                        help="how often each is measured (7; quick: 3)")
    parser.add_argument("--only", default="",
                        help="workloads that contain these words")
    parser.add_argument("--out", type=pathlib.Path,
                        help="the directory for the files")
    options = parser.parse_args()
    options.repeats = options.repeats or (3 if options.quick else 7)
    options.in_process_seconds = 0.02 if options.quick else 0.2
    options.network_seconds = 0.08 if options.quick else 0.5
    seconds_max = 125 if options.quick else float("inf")

    about, begin = machine(), time.monotonic()
    chosen = [w for w in workloads(options)
              if options.only in w.measurement["workload"]]
    if not chosen:
        sys.exit(f"no workload has {options.only!r} in its name")
    for repeat in range(options.repeats):
        if repeat and (time.monotonic() - begin) / repeat * (repeat + 1) > \
                seconds_max:
            print(f"only {repeat} repeats: time is over", file=sys.stderr)
            break
        for number, workload in enumerate(chosen, 1):
            # It takes long, and the table comes last.
            print(f"repeat {repeat + 1} of {options.repeats}, {number} of "
                  f"{len(chosen)}: {workload.measurement['workload']}",
                  file=sys.stderr)
            workload.sample()

    for name in sorted(ABSENT):
        how = TO_INSTALL.get(name.partition("_")[0], "")
        print(f"{name} was not built and is left out" +
              (f"; {how}" if how else ""))
    about["seconds"] = round(time.monotonic() - begin)
    measurements = [w.measurement for w in chosen if w.measurement["samples"]]
    title = (f"qio and its peers: {about['processors']} processors, Linux "
             f"{about['kernel']}, {about['compiler']}")
    print(title)
    print("median ± half the spread; ours also (times the limit's cost, times "
          "the best peer's: below 1 is better)")
    print(report.text(measurements))
    if options.out:
        # "bazel run" starts this elsewhere.
        out = pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."),
                           options.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "versus_peers.md").write_text(report.markdown(measurements))
        (out / "versus_peers.json").write_text(
            report.as_json(measurements, about))
        (out / "versus_peers.svg").write_text(report.svg(measurements, title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
