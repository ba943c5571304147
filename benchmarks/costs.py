#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Counts what an operation costs, ours and the peers': user instructions,
system calls, allocations and wake-ups.

    tools/bazel run //benchmarks:costs [-- --markdown] [--only=echo]

Runs each program under valgrind's callgrind with two numbers of operations:
the difference, divided, is what one operation costs, start and end left out.
All threads are on one processor and take turns, and a server is stopped while
its clients send: so a count is nearly the same in every run, however busy the
machine is.

With --check only ours run, and fail above the ceilings in ceilings.json. After
a change that makes something cheaper, --write-ceilings=benchmarks/ceilings.json
lowers them.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

# Not resolved: Bazel links the programs beside this file.
HERE = pathlib.Path(__file__).absolute().parent
# Bazel starts tests and programs in the root of their runfiles.
CEILINGS = pathlib.Path("benchmarks/ceilings.json")

OURS = ("epoll", "glib", "asio")
# Contestant -> program, and its name there.
IN_PROCESS = {
    "limit": ("limit_in_process", "limit"),
    "epoll": ("ours_in_process", "epoll"),
    "glib": ("ours_in_process", "glib"),
    "asio": ("ours_in_process", "asio"),
    "GTask": ("glib_in_process", "gtask"),
    "GThreadPool": ("glib_in_process", "gthreadpool"),
    "Asio itself": ("asio_in_process", "asio_itself"),
    "libuv": ("libuv_in_process", "libuv"),
    "libevent": ("libevent_in_process", "libevent"),
    "stdexec run_loop": ("stdexec_in_process", "stdexec"),
    "thread a task": ("glib_in_process", "threads"),
}
COMPOSITIONS = {loop: ("compositions_in_process", loop) for loop in OURS}
SERVERS = {
    "limit": ("limit_server", ""),
    "epoll": ("ours_server", "epoll"),
    "glib": ("ours_server", "glib"),
    "asio": ("ours_server", "asio"),
    "GSocket": ("glib_server", "gsocket"),
    "g_unix_fd": ("glib_server", "g_unix_fd"),
    "Asio itself": ("asio_server", ""),
    "libuv": ("libuv_server", ""),
    "libevent": ("libevent_server", "event"),
    "bufferevent": ("libevent_server", "bufferevent"),
}

# Of ours, a ceiling is so much above what was measured. Where it depends on when
# threads take turns who sleeps or has to try again, it is LOOSE.
ROOM = {"instructions": 1.04, "system_calls": 1.1, "wake_ups": 1.1}
LOOSE = 1.2
ROOM_AT_LEAST = {"instructions": 3, "system_calls": 0.05, "wake_ups": 0.02}
# An operation of ours allocates nothing. What is below this is a vector that
# grows once in a while.
ALLOCATIONS_MAX = 0.005
# So many idle watches may change an echo by so much.
IDLE, IDLE_SHARE_MAX = 10_000, 0.02

Cost = collections.namedtuple(
    "Cost", "instructions system_calls wake_ups allocations")

COLLECTED = re.compile(r"Collected : (\d+)")
# Without two that are none outside of valgrind, which says sched_yield() without
# the "sys_".
CALL = re.compile(r"^SYSCALL\[\d+,\d+\]\( *\d+\) "
                  r"(?!sys_getcpu|sys_clock_gettime)(?:sys_)?(\w+)(.*)", re.M)
ALLOCATORS = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc",
              "posix_memalign"}
CALLEE = re.compile(r"^c?fn=\((\d+)\)(?: (\S+))?")


def callgrind(out, words, traced=True):
    return ["valgrind", "--tool=callgrind", "--fair-sched=yes",
            *(["--trace-syscalls=yes"] if traced else []),
            f"--callgrind-out-file={out}", *words]


def is_wake_up(name, arguments):
    """An eventfd's count, or a futex' FUTEX_WAKE."""
    words = [word.strip(" ()") for word in arguments.partition(")")[0].split(",")]
    if name == "write":
        return words[2:] == ["8"]
    return name == "futex" and int(words[1], 0) & 127 == 1


def allocations(profile):
    names, total, counts = {}, 0, False
    for line in profile.read_text(errors="replace").splitlines():
        match = CALLEE.match(line)
        if match:
            number, name = match.groups()
            if name:
                names[number] = name
            counts = line[0] == "c" and names.get(number) in ALLOCATORS
        elif counts and line.startswith("calls="):
            total += int(line[6:].split()[0])
    return total


def cost_of(log, profile):
    found = COLLECTED.search(log)
    if not found:
        sys.exit("valgrind said no count:\n" + log)
    calls = CALL.findall(log)
    return Cost(int(found.group(1)), len(calls),
                sum(is_wake_up(*call) for call in calls), allocations(profile))


class Operation:
    """One line of the table."""

    room = 1.0
    # Whether a run without the trace of system calls says how many instructions
    # it takes: each line of a trace is a system call of its own, after which it
    # may be another thread's turn, and threads sleep that would not have.
    untraced = False

    def __init__(self, name, count, contestants):
        self.name = name
        self.count = count
        self.contestants = contestants

    def loose(self):
        self.room = LOOSE
        return self

    def undisturbed(self):
        self.untraced = True
        return self

    def present(self, contestant):
        return (HERE / self.contestants[contestant][0]).exists()

    def cost(self, contestant):
        with tempfile.TemporaryDirectory() as directory:
            some, more = (
                self.total(contestant, count, pathlib.Path(directory))
                for count in (self.count, 3 * self.count))
        if some is None:
            return None
        return Cost(*((b - a) / (2 * self.count) for a, b in zip(some, more)))


class InProcess(Operation):

    def __init__(self, name, count, workload, *flags, contestants=None):
        super().__init__(name, count, contestants or IN_PROCESS)
        self.workload = workload
        self.flags = flags

    def total(self, contestant, count, directory):
        cost = self.run(contestant, count, directory, traced=True)
        if cost is None or not self.untraced:
            return cost
        plain = self.run(contestant, count, directory, traced=False)
        return cost._replace(instructions=plain.instructions)

    def run(self, contestant, count, directory, traced):
        program, prefix = self.contestants[contestant]
        out = directory / "profile"
        words = [HERE / program, f"--count={count}", "--pin=one", *self.flags,
                 f"--benchmark_filter=^{prefix}/{self.workload}/"]
        done = subprocess.run(callgrind(out, words, traced),
                              capture_output=True, text=True, timeout=300)
        if "Failed to match any benchmarks" in done.stderr + done.stdout:
            return None
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        return cost_of(done.stderr, out)


class OverNetwork(Operation):

    def __init__(self, name, count, workload, *load_flags, unix=False, idle=0):
        super().__init__(name, count, SERVERS)
        self.workload = workload
        self.load_flags = load_flags
        self.unix = unix
        self.idle = idle

    def total(self, contestant, count, directory):
        program, loop = self.contestants[contestant]
        out, log = directory / "profile", directory / "log"
        path = directory / "socket"
        path.unlink(missing_ok=True)
        common = [f"--workload={self.workload}",
                  f"--unix_path={path if self.unix else ''}"]
        # An echo's clients leave together, accept's one by one.
        clients = count if self.workload == "accept" else 64 + self.idle
        with log.open("w") as errors:
            server = subprocess.Popen(
                callgrind(out, [HERE / program, *common,
                                *([f"--loop={loop}"] if loop else []),
                                f"--clients={clients}"]),
                stdout=subprocess.PIPE, stderr=errors, text=True)
        port = server.stdout.readline().strip()
        load = subprocess.run(
            [HERE / "load", *common, *self.load_flags, f"--port={port}",
             f"--count={count}", f"--server_pid={server.pid}",
             f"--idle={self.idle}"], timeout=300)
        if load.returncode != 0 or server.wait(timeout=300) != 0:
            server.kill()
            sys.exit(log.read_text()[-4000:])
        server.stdout.close()
        return cost_of(log.read_text(), out)


def idle_watches():
    """As many of IDLE as this process may open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return IDLE
    return max(0, min(IDLE, hard - 500))


def operations():
    yield InProcess("task, one at a time", 4000, "t1").loose().undisturbed()
    yield InProcess("task, one at a time, spin off", 4000, "t1",
                    "--nospin").loose().undisturbed()
    # It takes so long that both sides sleep, each time.
    yield InProcess("task that takes a while", 1000, "t1", "--nospin",
                    "--nap_us=200")
    yield InProcess("task, 1,000 in flight", 20_000, "t2", "--nospin")
    yield InProcess("task, 1,000 in flight, 2 workers", 20_000, "t2",
                    "--nospin", "--workers=2")
    # The same, as its result is come by.
    for how, workload in (("by .Then()", "t2"),
                          ("with a timeout", "t2_timeout"),
                          ("awaited", "t2_await"),
                          ("in a Coro of its own", "t2_coroutine")):
        yield InProcess(f"task {how}", 20_000, workload, "--nospin",
                        contestants=COMPOSITIONS)
    yield InProcess("task waited for", 4000, "t1_wait", "--nospin",
                    contestants=COMPOSITIONS).loose()
    yield InProcess("post from a thread", 20_000, "t3_1").loose()
    yield InProcess("post from the loop", 20_000, "t4_chain")
    yield InProcess("timer, arm and cancel", 20_000, "timer_0")
    yield InProcess("timer, arm and cancel beside 10,000", 20_000,
                    "timer_10000")
    yield InProcess("timer, arm and fire", 20_000, "timer_fire").loose()
    yield OverNetwork("accept, TCP", 640, "accept")
    yield OverNetwork("accept, unix", 640, "accept", unix=True)
    yield OverNetwork("echo, 64 connections", 6400, "echo")
    yield OverNetwork(f"echo beside {idle_watches():,} idle", 6400, "echo",
                      idle=idle_watches())


# ---- What is held.

def key_of(operation):
    # Not the number of idle ones, which the machine may have limited.
    return re.sub(r" beside [\d,]+ idle", " beside idle ones", operation.name)


def ceilings_for(cost, room):
    return {
        name: round(max(getattr(cost, name) * ROOM[name] * room,
                        getattr(cost, name) + ROOM_AT_LEAST[name]), 2)
        for name in ROOM}


def complaints(operation, contestant, cost, ceilings):
    here = f"{operation.name} on {contestant}"
    # Where the file has none, nothing may be allocated.
    for name, ceiling in {"allocations": ALLOCATIONS_MAX, **ceilings}.items():
        if getattr(cost, name) > ceiling:
            yield (f"{here}: {getattr(cost, name):.3f} "
                   f"{name.replace('_', ' ')}, {ceiling} are allowed")


def idle_changes(costs):
    """Complaints if an echo costs more beside idle connections."""
    for loop in OURS:
        alone = costs.get(("echo, 64 connections", loop))
        crowded = costs.get(("echo beside idle ones", loop))
        if not alone or not crowded:
            continue
        change = crowded.instructions / alone.instructions - 1
        if abs(change) > IDLE_SHARE_MAX:
            yield f"echo on {loop}: {change:+.1%} beside idle connections"


def activity(pid):
    """Of the main thread: how often it was switched, and how long it ran."""
    status = pathlib.Path(f"/proc/{pid}/task/{pid}/status").read_text()
    switches = sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", status)))
    ran_ns = pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text()
    return switches, int(ran_ns.split()[0])


def rests(words, seconds):
    """Whether a program's main thread does nothing at all for so long, once it
    has come to rest. It may take a while on a busy machine."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        for _ in range(8):
            time.sleep(0.5)
            before = activity(process.pid)
            time.sleep(seconds)
            if activity(process.pid) == before:
                return True
        return False
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def restlessness(seconds):
    """Complaints about a loop that does something when there is nothing to do:
    with a listener, or with a worker that takes long."""
    for loop in OURS:
        if not rests([HERE / "ours_server", f"--loop={loop}"], seconds):
            yield f"the {loop} loop does not rest when idle"
        if not rests([HERE / "ours_in_process", "--nap_us=60000000",
                      f"--benchmark_filter=^{loop}/t1/", "--count=1"], seconds):
            yield f"the {loop} loop does not rest while a worker is busy"


def cells_of(cost):
    return (f"{cost.instructions:,.0f}", f"{cost.system_calls:.2f}",
            f"{cost.wake_ups:.2f}", f"{cost.allocations:.2f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true",
                        help="ours alone, against their ceilings")
    parser.add_argument("--write-ceilings", type=pathlib.Path,
                        help="ours alone; writes their ceilings to this file")
    parser.add_argument("--markdown", action="store_true",
                        help="the table in Markdown")
    parser.add_argument("--only", default="",
                        help="operations that contain these words")
    parser.add_argument("--rest-seconds", type=float, default=1,
                        help="how long a loop must do nothing (1)")
    arguments = parser.parse_args()
    os.environ["LC_ALL"] = "C"
    alone = arguments.check or arguments.write_ceilings
    ceilings = json.loads(CEILINGS.read_text())

    failures = list(restlessness(arguments.rest_seconds)) if alone else []
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    head = ("operation", "on", "instructions", "system calls", "wake-ups",
            "allocations")
    if arguments.markdown:
        print("| " + " | ".join(head) + " |\n" +
              "| --- | --- | ---: | ---: | ---: | ---: |")
    else:
        print("{:36} {:16} {:>12} {:>12} {:>9} {:>11}".format(*head))
    costs, new_ceilings = {}, {}
    for operation in operations():
        if arguments.only not in operation.name:
            continue
        for contestant in operation.contestants:
            if contestant not in OURS and alone or \
                    not operation.present(contestant):
                continue
            cost = operation.cost(contestant)
            if cost is None:
                continue  # It has no such thing.
            line = (operation.name, contestant, *cells_of(cost))
            if arguments.markdown:
                print("| " + " | ".join(line) + " |", flush=True)
            else:
                print("{:36} {:16} {:>12} {:>12} {:>9} {:>11}".format(*line),
                      flush=True)
            if contestant not in OURS:
                continue
            key = key_of(operation)
            costs[key, contestant] = cost
            new = new_ceilings.setdefault(key, {})
            new[contestant] = ceilings_for(cost, operation.room)
            if cost.allocations > ALLOCATIONS_MAX:
                # How many is a matter of who outruns whom; one, if any.
                new[contestant]["allocations"] = 1
            if arguments.check:
                failures += complaints(operation, contestant, cost,
                                       ceilings[key][contestant])
    failures += idle_changes(costs)
    if arguments.write_ceilings:
        out = pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."),
                           arguments.write_ceilings)
        ceilings.update(new_ceilings)
        out.write_text(json.dumps(ceilings, indent=1) + "\n")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
