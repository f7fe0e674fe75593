#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: operator_test.py SERVER

What an operator changes while a server runs takes effect at once: hz, timeout, maxclients,
tcp-keepalive, loglevel, requirepass, thresholds of the slow log and the latency monitor, the port;
CONFIG REWRITE writes it, and a restart finds it.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = """# by hand
port {port}
bind 127.0.0.1
dir {directory}/data
logfile "{directory}/log"   
timeout 0
enable-debug-command yes

# the end
"""


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, is_true, seconds=20):
    deadline = time.time() + seconds
    while not is_true():
        if time.time() > deadline:
            fail(f"{what}: not after {seconds} s")
        time.sleep(0.05)


def ask(client, line):
    client.sendall(line + b"\r\n")
    return client.recv(65536)


class Server:
    def __init__(self, binary):
        self.binary = binary
        self.directory = tempfile.mkdtemp(prefix="varve-operator.")
        os.mkdir(os.path.join(self.directory, "data"))
        self.port = free_port()
        self.password = None
        self.file = os.path.join(self.directory, "varve.conf")
        with open(self.file, "w") as file:
            file.write(CONFIG.format(port=self.port, directory=self.directory))
        os.chmod(self.file, 0o640)
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.binary, self.file])
        wait_until("the server's start", lambda: self.cli("ping") == "PONG")

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=60) != 0:
            fail("the server did not exit with 0")

    def cli(self, *arguments):
        access = ["--no-auth-warning", "-a", self.password] if self.password else []
        return subprocess.run(["redis-cli", "-p", str(self.port), *access, *arguments],
                              capture_output=True, text=True, timeout=60).stdout.strip()

    def set(self, *pairs):
        reply = self.cli("config", "set", *pairs)
        if reply != "OK":
            fail(f"CONFIG SET {pairs}: {reply}")

    def info(self, field):
        for line in self.cli("info", "everything").splitlines():
            if line.startswith(field + ":"):
                return line.split(":", 1)[1]
        fail(f"INFO has no {field}")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def log(self):
        with open(os.path.join(self.directory, "log")) as file:
            return file.read()


def check_rate(server):
    server.set("hz", "100")
    if server.info("hz") != "100":
        fail("hz")
    # Each cron is a tick; a loaded machine has fewer than it should.
    wait_until("hz 100", lambda: int(server.info("instantaneous_eventloop_cycles_per_sec")) > 30)
    server.set("hz", "10")


def check_clients(server):
    server.set("timeout", "1")
    with server.connect() as idle:
        idle.sendall(b"PING\r\n")
        if idle.recv(100) != b"+PONG\r\n":
            fail("PING")
        if idle.recv(100) != b"":
            fail("an idle client was not closed")
    server.set("timeout", "0")
    with server.connect() as one:
        # redis-cli's own connections count until the server has seen their end.
        wait_until("other clients to be gone",
                   lambda: b"connected_clients:1\r\n" in ask(one, b"INFO clients"))
        if ask(one, b"CONFIG SET maxclients 2") != b"+OK\r\n":
            fail("CONFIG SET maxclients")
        with server.connect() as two:
            if ask(two, b"PING") != b"+PONG\r\n":
                fail("PING below maxclients")
            with server.connect() as three:
                if b"max number of clients reached" not in three.recv(100):
                    fail("maxclients")
    wait_until("clients to be gone", lambda: server.cli("ping") == "PONG")
    server.set("maxclients", "1000")


def check_log_level(server):
    server.set("loglevel", "warning")
    server.cli("config", "rewrite")  # logs a notice
    before = server.log()
    if "CONFIG REWRITE wrote" in before:
        fail("a notice was logged at level warning")
    server.set("loglevel", "notice")
    server.cli("config", "rewrite")
    if "CONFIG REWRITE wrote" not in server.log():
        fail("no notice was logged at level notice")


def check_latency(server):
    server.set("slowlog-log-slower-than", "20000", "latency-monitor-threshold", "20")
    server.cli("slowlog", "reset")  # CONFIG REWRITE waits for the disk, and may have been slow
    server.cli("debug", "sleep", "0.03")
    if server.cli("slowlog", "len") != "1" or "sleep" not in server.cli("slowlog", "get"):
        fail("the slow log")
    latest = server.cli("latency", "latest").split()
    if latest[:1] != ["command"] or not 30 <= int(latest[2]) < 2000:
        fail(f"LATENCY LATEST: {latest}")
    if "command: 1 latency spikes" not in server.cli("latency", "doctor"):
        fail("LATENCY DOCTOR")
    server.set("slowlog-log-slower-than", "-1")
    server.cli("debug", "sleep", "0.03")
    if server.cli("slowlog", "len") != "1":
        fail("the slow log is off and grew")


def check_rewrite(server):
    server.set("requirepass", "a \"b\" #c")
    server.password = "a \"b\" #c"
    server.set("appendfsync", "always", "timeout", "77", "maxmemory", "1gb")
    new_port = free_port()
    server.set("port", str(new_port))
    server.port = new_port
    if server.info("tcp_port") != str(new_port):
        fail("the port did not change")
    if server.cli("config", "rewrite") != "OK":
        fail("CONFIG REWRITE")
    with open(server.file) as file:
        text = file.read()
    for line in ("# by hand\n", f"port {new_port}\n", "timeout 77\n", "\n\n# the end\n",
                 f"logfile \"{server.directory}/log\"   \n", "appendfsync always\n",
                 "requirepass \"a \\\"b\\\" #c\"\n", "maxmemory 1gb\n"):
        if line not in text:
            fail(f"{line!r} is not in the rewritten file: {text}")
    if os.stat(server.file).st_mode & 0o777 != 0o640:
        fail("the file's mode changed")
    if sorted(os.listdir(server.directory)) != ["data", "log", "varve.conf"]:
        fail(f"left beside the file: {os.listdir(server.directory)}")
    names = ("port", "timeout", "appendfsync", "requirepass", "maxclients", "maxmemory",
             "slowlog-log-slower-than", "latency-monitor-threshold", "hz", "loglevel")
    before = server.cli("config", "get", *names)
    server.stop()
    server.start()
    if server.cli("config", "get", *names) != before:
        fail("a restart does not find what was written")
    server.cli("config", "rewrite")
    with open(server.file) as file:
        if file.read() != text:
            fail("rewriting again changed the file")


def main():
    server = Server(sys.argv[1])
    try:
        check_rate(server)
        check_clients(server)
        check_log_level(server)
        check_latency(server)
        check_rewrite(server)
    finally:
        server.stop()
    shutil.rmtree(server.directory)
    print("CONFIG SET takes effect, CONFIG REWRITE is found by a restart")


main()
