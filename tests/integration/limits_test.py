#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: limits_test.py SERVER [--sanitized] [NAME...]

No client harms another: idle crowds, clients that never read, write a byte at a time, scan ports,
announce what they do not send. Each scenario has a server of its own and prints the figures it saw;
a figure out of bounds fails. With --sanitized memory is printed and not judged, because a sanitizer
adds to every allocation, and the crowds are smaller.
"""

import atexit
import os
import random
import re
import resource
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SANITIZED = "--sanitized" in sys.argv
MB = 1 << 20


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix="varve-limits.")
        self.port = free_port()
        self.log_path = os.path.join(self.directory, "log")
        data = os.path.join(self.directory, "data")
        os.mkdir(data)
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [sys.argv[1], "--port", str(self.port), "--bind", "127.0.0.1", "--dir", data,
                 *options], stdout=log, stderr=subprocess.STDOUT)
        atexit.register(self.kill)
        for _ in range(600):
            try:
                with self.connect() as s:
                    s.sendall(b"PING\r\n")
                    if not s.recv(64).startswith(b"-LOADING"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        fail("the server did not start")

    def connect(self, receive_buffer=0):
        s = socket.socket()
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(60)
        s.connect(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def call(self, *words):
        """The first line of the reply, or all of a bulk string."""
        with self.connect() as s:
            s.sendall(command(*words))
            with s.makefile("rb") as reply:
                line = reply.readline()
                if line[:1] != b"$":
                    return line.decode().strip()
                return reply.read(int(line[1:])).decode(errors="replace")

    def info(self, field):
        found = re.search(rf"^{field}:(\S*)", self.call("INFO", "everything"), re.M)
        return int(found.group(1)) if found else fail(f"INFO has no {field}")

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024

    def rss(self):
        return self.status("VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def kill(self):
        """A test that fails takes its server along."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self):
        if self.process.poll() is not None:
            fail(f"the server ended with {self.process.returncode}: {self.log()[-2000:]}")
        self.process.terminate()
        status = self.process.wait(timeout=120)
        if status != 0:
            fail(f"the server exited with {status}: {self.log()[-2000:]}")
        shutil.rmtree(self.directory)


def command(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out += b"$%d\r\n%s\r\n" % (len(word), word)
    return out


def receive(s, count):
    out = bytearray()
    while len(out) < count:
        piece = s.recv(min(1 << 20, count - len(out)))
        if not piece:
            fail(f"the server closed a connection after {len(out)} of {count} bytes")
        out += piece
    return bytes(out)


def ping(s):
    s.sendall(b"PING\r\n")
    if receive(s, 7) != b"+PONG\r\n":
        fail("PING was not answered with PONG")


class Pinger:
    """Measures, from a process of its own, how long a PING takes while others misbehave. What it and
    the server waited for a processor meanwhile is subtracted: that is no fault of the server's."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--ping", str(server.port), str(server.process.pid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            fail("the process that measures PING did not start")

    @staticmethod
    def measure(port, pid):
        # The second figure: nanoseconds on the queue for a processor.
        files = [os.open(f"/proc/{p}/task/{p}/schedstat", os.O_RDONLY) for p in (os.getpid(), pid)]

        def queued():
            return sum(int(os.pread(file, 100, 0).split()[1]) for file in files) / 1e9

        whole, times = [], []
        with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
            print("ready", flush=True)
            while not select.select([sys.stdin], [], [], 0.0005)[0]:
                queued_before, before = queued(), time.perf_counter()
                ping(s)
                took = time.perf_counter() - before
                whole.append(took * 1000)
                times.append(max(0, took - (queued() - queued_before)) * 1000)
        whole.sort()
        times.sort()
        rank = len(times) * 99 // 100
        print(len(times), times[len(times) // 2], times[rank], times[-1], whole[rank])

    def finish(self, bound_ms=5):
        count, median, p99, longest, whole = map(float, self.process.communicate()[0].split())
        text = (f"PING {count:.0f} times: p50 {median:.2f}, p99 {p99:.2f}, max {longest:.2f} ms, "
                f"{bound_ms} allowed for p99; p99 {whole:.2f} ms with waits for a processor")
        if SANITIZED:
            return text + ": not judged"
        return text if p99 <= bound_ms else fail(text)


def judge_memory(what, used, bound):
    text = f"{what} cost {used / MB:.1f} MB, {bound / MB:.0f} allowed"
    if used > bound and not SANITIZED:
        fail(text)
    return text + (" (not judged under a sanitizer)" if SANITIZED else "")


def wait_until(condition, what, seconds=20):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            fail(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def idle_connections(count):
    """Connections that sent one PING and are idle cost at most 8 KB each."""
    server = Server("--maxclients", str(count + 100))
    crowd = [server.connect() for _ in range(50)]
    for s in crowd:
        ping(s)
    time.sleep(0.5)
    before = server.rss()
    for _ in range(count):
        s = server.connect()
        ping(s)
        crowd.append(s)
    time.sleep(0.5)
    each = (server.rss() - before) / count
    clients = server.info("connected_clients")
    for s in crowd:
        s.close()
    wait_until(lambda: server.info("connected_clients") == 1, "all connections are gone")
    server.stop()
    if clients < count:
        fail(f"{count} connections, but connected_clients is {clients}")
    if each > 8192 and not SANITIZED:
        fail(f"an idle connection costs {each:.0f} bytes, 8192 allowed")
    return f"{count} idle connections at {each:.0f} bytes each, 8192 allowed"


def clients_that_never_read(count):
    """Clients that pipeline GETs of a megabyte and never read cost 512 MB in all, delay nobody."""
    server = Server()
    with server.connect() as s:
        value = random.Random(1).randbytes(MB)
        s.sendall(command("SET", "big", value))
        receive(s, 5)
    time.sleep(0.5)
    before = server.rss()
    pinger = Pinger(server)
    crowd = [server.connect(receive_buffer=4096) for _ in range(count)]
    for s in crowd:
        s.sendall(command("GET", "big") * 500)
    time.sleep(2 if SANITIZED else 4)
    used = server.rss() - before
    times = pinger.finish()
    clients = server.info("connected_clients")
    # They are paused, not lost: one of them that begins to read gets everything.
    one = crowd[0]
    for _ in range(500):
        if receive(one, MB + 12)[:10] != b"$1048576\r\n":
            fail("a client that began to read late got something else than its replies")
    for s in crowd:
        s.close()
    server.stop()
    if clients != count + 1:
        fail(f"of {count} clients and the asking one {clients} are connected")
    return judge_memory(f"{count} clients that never read", used, 512 * MB) + "; " + times


def pipeline_in_one_write(count):
    """As many commands in one write are all answered, in order."""
    server = Server()
    s = server.connect()
    data = b"".join(command("ECHO", i) for i in range(count))
    expected = b"".join(b"$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(count))
    sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
    before = time.perf_counter()
    sender.start()
    same = receive(s, len(expected)) == expected
    took = time.perf_counter() - before
    sender.join()
    # Nothing is read until everything is sent: no side waits for the other for ever.
    s.sendall(data)
    same = same and receive(s, len(expected)) == expected
    s.close()
    server.stop()
    if not same:
        fail("replies of a long pipeline are missing or out of order")
    return f"{count} pipelined commands answered in order, in {took:.2f} s"


def slow_writers(count):
    """Clients that send a byte at a time get their replies and delay nobody."""
    server = Server()
    before = server.rss()
    pinger = Pinger(server)
    crowd = [server.connect() for _ in range(count)]
    request = command("SET", "slow", "x" * 20)
    for _ in range(5):
        for i in range(len(request)):
            for s in crowd:
                s.send(request[i:i + 1])
        for s in crowd:
            if receive(s, 5) != b"+OK\r\n":
                fail("a slow writer got something else than +OK")
    used = server.rss() - before
    times = pinger.finish()
    for s in crowd:
        s.close()
    server.stop()
    return judge_memory(f"{count} slow writers", used, 32 * MB) + "; " + times


def port_scan(count):
    """Connections that end at once, are reset, send noise or half a request leave nothing behind."""
    server = Server()
    wait_until(lambda: server.info("connected_clients") == 1, "only the asking client is left")
    time.sleep(0.2)
    descriptors = server.descriptors() + 1  # a connection that is being closed
    before = server.rss()
    pinger = Pinger(server)
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    half_open = []
    for i in range(count):
        s = server.connect()
        kind = i % 5
        if kind == 1:  # a reset
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == 2:
            s.send(chance.randbytes(chance.randrange(1, 300)))
        elif kind == 3:  # the sending side ends within a request
            s.send(b"*2\r\n$4\r\nECHO\r\n$100\r\nhalf")
            s.shutdown(socket.SHUT_WR)
        elif kind == 4 and len(half_open) < 500:
            half_open.append(s)
            continue
        s.close()
    times = pinger.finish()
    for s in half_open:
        s.close()
    wait_until(lambda: server.info("connected_clients") == 1, "the scan's connections are gone")
    wait_until(lambda: server.descriptors() <= descriptors, f"{descriptors} descriptors again")
    used = server.rss() - before
    lines = server.log().count("\n")
    server.stop()
    if lines > 100:
        fail(f"a port scan made {lines} lines of log (seed {seed})")
    return (judge_memory(f"a scan of {count} connections", used, 16 * MB)
            + f"; {lines} lines of log, no descriptor left; {times}")


def announced_lengths(count):
    """Clients that announce large arguments and send little cost what they sent."""
    server = Server()
    before = server.rss()
    crowd = []
    for i in range(count):
        s = server.connect()
        if i % 3 == 0:
            s.sendall(b"*2\r\n$4\r\nECHO\r\n$536870912\r\nabc")
        elif i % 3 == 1:
            s.sendall(b"*1048576\r\n$3\r\nDEL\r\n$1\r\na\r\n")
        else:
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n" + b"x" * 20000)
        crowd.append(s)
    time.sleep(0.5)
    used = server.rss() - before
    with server.connect() as s:
        ping(s)
    for s in crowd:
        s.close()
    server.stop()
    return judge_memory(f"{count} announced lengths", used, 50 * MB)


SCENARIOS = [
    (idle_connections, 10000, 1000),
    (clients_that_never_read, 20, 20),
    (pipeline_in_one_write, 200000, 50000),
    (slow_writers, 300, 100),
    (port_scan, 5000, 1000),
    (announced_lengths, 300, 300),
]


def main():
    if sys.argv[1] == "--ping":
        return Pinger.measure(int(sys.argv[2]), int(sys.argv[3]))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    chosen = [name for name in sys.argv[2:] if not name.startswith("--")]
    for name in chosen:
        if name not in [scenario.__name__ for scenario, _, _ in SCENARIOS]:
            fail(f"there is no scenario '{name}'")
    for scenario, size, sanitized_size in SCENARIOS:
        if chosen and scenario.__name__ not in chosen:
            continue
        size = sanitized_size if SANITIZED else size
        if scenario is idle_connections and hard < size + 1000:
            print(f"{scenario.__name__}: skipped, only {hard} files may be open")
            continue
        before = time.time()
        print(f"{scenario.__name__}: {scenario(size)}; {time.time() - before:.1f} s", flush=True)


main()
