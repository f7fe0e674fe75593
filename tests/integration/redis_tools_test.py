#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: redis_tools_test.py SERVER [REQUESTS [PIPED]]

What redis-tools does against a server: redis-benchmark plain and pipelined, redis-cli typed at a
terminal, --scan, --stat, the --latency family, --bigkeys, --memkeys, --hotkeys, --pipe with PIPED
SETs, and -3. Prints what the benchmark measured.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fail(text):
    raise SystemExit(f"FAILED: {text}")


class Server:
    def __init__(self, binary):
        self.directory = tempfile.mkdtemp(prefix="varve-tools.")
        self.port = free_port()
        self.log = open(os.path.join(self.directory, "log"), "w+")
        data = os.path.join(self.directory, "data")
        os.mkdir(data)
        self.process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", data],
            stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(200):
            if self.cli("ping").stdout.strip() == "PONG":
                return
            time.sleep(0.05)
        fail("the server did not start")

    def cli(self, *arguments, **options):
        return subprocess.run(["redis-cli", "-p", str(self.port), *arguments],
                              capture_output=True, text=True, timeout=300, **options)

    def stop(self):
        self.process.terminate()
        status = self.process.wait(timeout=60)
        shutil.rmtree(self.directory)
        if status != 0:
            fail(f"the server exited with {status}")


def benchmark(server, requests, pipeline):
    command = ["redis-benchmark", "-p", str(server.port), "-q", "-n", str(requests), "-r",
               "1000000", "-t", "ping,set,get,incr,mset", "-P", str(pipeline)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    text = done.stdout.replace("\r", "\n")
    if done.returncode != 0 or "ERR" in text or "rror" in text + done.stderr or done.stderr:
        fail(f"redis-benchmark -P {pipeline}: {text} {done.stderr}")
    rates = re.findall(r"^(\S.*?): ([\d.]+) requests per second", text, re.M)
    if len(rates) != 6:
        fail(f"redis-benchmark measured {len(rates)} of 6 tests: {text}")
    print(f"redis-benchmark -P {pipeline}: " + ", ".join(f"{n} {float(r):.0f}/s" for n, r in rates))


def pipe(server, count):
    server.cli("flushall")
    with tempfile.TemporaryFile() as commands:
        for i in range(count):
            key, value = b"pipe:%d" % i, b"value-%d" % i
            commands.write(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                           % (len(key), key, len(value), value))
        commands.seek(0)
        done = subprocess.run(["redis-cli", "-p", str(server.port), "--pipe"], stdin=commands,
                              capture_output=True, text=True, timeout=300)
    if f"errors: 0, replies: {count}" not in done.stdout:
        fail(f"--pipe: {done.stdout} {done.stderr}")
    if server.cli("dbsize").stdout.strip() != str(count):
        fail("DBSIZE after --pipe")


def scan(server, count):
    keys = server.cli("--scan", "--pattern", "pipe:*").stdout.split()
    if len(keys) != count or len(set(keys)) != count:
        fail(f"--scan returned {len(keys)} keys, {len(set(keys))} different ones")


def stat(server):
    process = subprocess.Popen(["redis-cli", "-p", str(server.port), "--stat", "-i", "0.1"],
                               stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(5)]
    process.kill()
    process.wait()
    process.stdout.close()
    if "keys" not in lines[1] or not re.match(r"\d+\s+\S+\s+\d+\s+\d+\s+\d+", lines[3]):
        fail(f"--stat: {lines}")


def watch(server, *arguments, seconds=2.5):
    """What redis-cli shows at a terminal in so much time; it would go on."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp("redis-cli", ["redis-cli", "-p", str(server.port), *arguments])
    text = b""
    deadline = time.time() + seconds
    while time.time() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return re.sub(r"\x1b\[[\d;]*\w", "", text.decode("latin-1"))


def latency(server):
    # Not at a terminal, --latency measures for a second and prints one line.
    plain = server.cli("--latency").stdout
    if not re.fullmatch(r"[\d.]+ [\d.]+ [\d.]+ \d+\s*", plain):
        fail(f"--latency: {plain}")
    history = watch(server, "--latency-history", "-i", "1")
    if not re.search(r"avg: [\d.]+ \(\d+ samples\) -- 1\.\d+ seconds range", history):
        fail(f"--latency-history: {history}")
    distribution = watch(server, "--latency-dist", "-i", "0.5")
    if "rror" in distribution or len(distribution.splitlines()) < 3:
        fail(f"--latency-dist: {distribution}")
    # Measures the machine; the server is only there.
    intrinsic = server.cli("--intrinsic-latency", "1").stdout
    if "total runs" not in intrinsic:
        fail(f"--intrinsic-latency: {intrinsic}")


def key_statistics(server):
    """--bigkeys, --memkeys and --hotkeys go to their end and name the key they should."""
    server.cli("flushall")
    for i in range(20):
        server.cli("set", f"small:{i}", "v")
    server.cli("setrange", "large", "99999", "x")
    size = int(server.cli("memory", "usage", "large").stdout)
    if not 100_000 < size < 101_000:
        fail(f"memory usage: {size}")
    for option, expected in (("--bigkeys", "100000 bytes"), ("--memkeys", f"{size} bytes")):
        done = server.cli(option, "-i", "0")
        if done.returncode != 0 or f"Biggest string found '\"large\"' has {expected}" \
                not in done.stdout or "Sampled 21 keys" not in done.stdout:
            fail(f"{option}: {done.stdout} {done.stderr}")
    refused = server.cli("--hotkeys")
    if "An LFU maxmemory policy is not selected" not in refused.stdout + refused.stderr:
        fail(f"--hotkeys without a policy: {refused.stdout} {refused.stderr}")
    server.cli("config", "set", "maxmemory-policy", "allkeys-lfu")
    for _ in range(30):
        server.cli("get", "small:7")
    done = server.cli("--hotkeys")
    if done.returncode != 0 or "Sampled 21 keys" not in done.stdout or \
            not re.search(r"hot key found with counter: \d+\s+keyname: \"small:7\"", done.stdout):
        fail(f"--hotkeys: {done.stdout} {done.stderr}")
    server.cli("config", "set", "maxmemory-policy", "noeviction")


def large_value(server):
    """What one very large value took is given back when it is gone."""
    def allocated():
        server.cli("set", "small", "v")
        server.cli("memory", "purge")
        return int(server.cli("memory", "stats").stdout.split("\n")[3])

    server.cli("flushall")
    before = allocated()
    server.cli("setrange", "large", "99999999", "x")
    if server.cli("getrange", "large", "-3", "-1").stdout != "\0\0x\n":
        fail("getrange behind setrange")
    server.cli("flushall")
    if "mem_allocator:jemalloc" not in server.cli("info", "memory").stdout:
        return
    deadline = time.time() + 20
    while allocated() > before + 20_000_000:
        if time.time() > deadline:
            fail(f"{allocated()} bytes are allocated, {before} were before a large value")
        time.sleep(0.2)


def resp3(server):
    reply = server.cli("-3", "hello").stdout
    if "proto 3" not in reply:
        fail(f"-3: {reply}")
    if server.cli("-3", "config", "get", "databases").stdout.split() != ["databases", "16"]:
        fail("-3 config get")


def interactive(server):
    """A person types; hints come from COMMAND DOCS."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
        os.environ["TERM"] = "xterm"
        os.environ["REDISCLI_HISTFILE"] = "/dev/null"
        os.execvp("redis-cli", ["redis-cli", "-p", str(server.port)])
    seen = b""

    def until(text):
        nonlocal seen
        deadline = time.time() + 20
        while text not in seen:
            if time.time() > deadline:
                fail(f"at the terminal, {text} did not appear: {seen}")
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
        seen = seen[seen.index(text) + len(text):]

    until(b"> ")
    os.write(terminal, b"set typed \"by hand\"\r")
    until(b"OK")
    until(b"> ")
    os.write(terminal, b"get typed\r")
    until(b"\"by hand\"")
    until(b"> ")
    os.write(terminal, b"incr typed\r")
    until(b"(error) ERR value is not an integer or out of range")
    until(b"> ")  # what is typed before the prompt stands is thrown away
    os.write(terminal, b"quit\r")
    deadline = time.time() + 20
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.time() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            fail("redis-cli did not quit")
        time.sleep(0.02)
    os.close(terminal)


def main():
    binary = sys.argv[1]
    requests = int(sys.argv[2]) if len(sys.argv) > 2 else 200000
    piped = int(sys.argv[3]) if len(sys.argv) > 3 else 1000000
    server = Server(binary)
    try:
        interactive(server)
        resp3(server)
        stat(server)
        latency(server)
        key_statistics(server)
        large_value(server)
        benchmark(server, requests, 1)
        benchmark(server, requests, 16)
        pipe(server, piped)
        scan(server, piped)
    finally:
        server.stop()
    print("redis-cli: terminal, -3, --stat, --latency, --bigkeys, --memkeys, --hotkeys, "
          f"--pipe of {piped} SETs, --scan: fine")


main()
