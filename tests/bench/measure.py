# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: the machine and its noise, progress for people, medians."""

import os
import re
import statistics
import sys
import threading
import time


class SchedulerGaps(threading.Thread):
    """How late the machine wakes a thread that asked for a millisecond: its noise, not a server's."""

    def __init__(self):
        super().__init__(daemon=True)
        self.gaps = []
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            before = time.monotonic()
            time.sleep(0.001)
            self.gaps.append(time.monotonic() - before - 0.001)

    def describe(self):
        self.ended.set()
        self.join()
        gaps = sorted(self.gaps) or [0]
        return (f"scheduler gaps seen by a control thread: p99 {gaps[int(len(gaps) * .99)] * 1e3:.1f}"
                f" ms, p99.9 {gaps[int(len(gaps) * .999)] * 1e3:.1f} ms, longest"
                f" {gaps[-1] * 1e3:.1f} ms")


class Progress:
    """One line on standard error, if a person looks at it."""

    def __init__(self, steps):
        self.steps = steps
        self.done = 0
        self.started = time.monotonic()

    def step(self, text):
        if sys.stderr.isatty():
            filled = 30 * self.done // self.steps
            left = (time.monotonic() - self.started) / self.done * (self.steps - self.done) \
                if self.done else 0
            print(f"\r\033[K[{'#' * filled}{'.' * (30 - filled)}] {100 * self.done // self.steps:3} %"
                  f"  {text}" + (f", {left:.0f} s left" if left else ""),
                  end="", file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def medians(rounds):
    """Of each column."""
    return [statistics.median(column) for column in zip(*rounds)]


def disk_bytes(top):
    total = 0
    for directory, _, files in os.walk(top):
        total += sum(os.stat(os.path.join(directory, f)).st_blocks * 512 for f in files)
    return total


def describe_machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return (f"{os.cpu_count()} cores, {model.group(1) if model else 'unknown processor'}, Linux "
            f"{os.uname().release}, load {os.getloadavg()[0]:.1f} at the start")
