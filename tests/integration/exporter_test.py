#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: exporter_test.py SERVER LIST [REDIS]

Debian's prometheus-redis-exporter against a server: it has to find the server up, to have no errors
in its log at debug level, and to read the metrics that LIST (redis-compat/EXPORTER.md) names;
VARVE_UPDATE_GOLDEN=1 writes LIST. With REDIS, the file of redis-server, INFO's fields are compared:
one that redis-server has and this server does not must be in LEFT_OUT, with the reason.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

LEFT_OUT = {
    "redis_git_sha1": "the build has no such name",
    "redis_git_dirty": "the same",
    "redis_build_id": "the same; varve_version says which program it is",
    "expired_stale_perc": "an estimate of Redis's sampling; expiry here goes by an index",
    "current_save_keys_processed": "saving links files and counts no keys",
    "current_save_keys_total": "the same",
    # Of the rows that were called only.
    "cmdstat_*": "", "errorstat_*": "", "latency_percentiles_usec_*": "",
}

HEADINGS = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules",
            "Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace"]

HEAD = """# What prometheus-redis-exporter reads

The metrics that Debian's prometheus-redis-exporter 1.45 gets from a server, without options of its
own but those for configuration, system and clients. Written by `tests/integration/exporter_test.py`;
`./dev docs` writes it anew.

"""


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, binary, name="varve-server"):
        self.directory = tempfile.mkdtemp(prefix="varve-exporter.")
        self.port = free_port()
        self.process = subprocess.Popen(
            [name, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory,
             "--enable-debug-command", "yes", "--slowlog-log-slower-than", "0",
             "--latency-monitor-threshold", "1"],
            executable=binary, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if self.cli("ping") == "PONG\n":
                return
            time.sleep(0.05)
        fail(f"{name} did not start")

    def cli(self, *arguments):
        return subprocess.run(["redis-cli", "-p", str(self.port), *arguments],
                              capture_output=True, text=True, timeout=60).stdout

    def stop(self):
        self.process.terminate()
        status = self.process.wait(timeout=60)
        shutil.rmtree(self.directory)
        return status


def scrape(server):
    """The exporter's answer, and its log."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        exporter = subprocess.Popen(
            ["prometheus-redis-exporter", "-debug", "-redis.addr",
             f"redis://127.0.0.1:{server.port}", "-web.listen-address", f"127.0.0.1:{port}",
             "-redis-only-metrics", "-include-config-metrics", "-include-system-metrics",
             "-export-client-list"], stdout=log, stderr=subprocess.STDOUT)
        try:
            text = None
            for _ in range(200):
                try:
                    address = f"http://127.0.0.1:{port}/metrics"
                    with urllib.request.urlopen(address, timeout=20) as answer:
                        text = answer.read().decode()
                    break
                except OSError:
                    time.sleep(0.05)
        finally:
            exporter.send_signal(signal.SIGTERM)
            exporter.wait(timeout=60)
        log.seek(0)
        if text is None:
            fail(f"the exporter did not answer: {log.read()}")
        return text, log.read()


def check_log(log):
    for line in log.splitlines():
        message = line.split(" msg=", 1)[-1]
        # Its debug lines quote INFO, whose fields may be called errors.
        if message.startswith(('"info: ', '"Redis INFO', '"Redis CONFIG', '"set fieldClass')):
            continue
        if "level=error" in line or "level=warn" in line or re.search(r"\berr", message, re.I):
            fail(f"the exporter complains: {line}")


def check_metrics(text, path, allocator_tells):
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    if "redis_up 1" not in samples:
        fail("redis_up is not 1")
    if "redis_exporter_last_scrape_error{err=\"\"} 0" not in samples:
        fail("the exporter's last scrape failed")
    names = sorted({re.match(r"[a-z_0-9]+", line).group() for line in samples
                    if not line.startswith("redis_exporter_")})
    wanted = HEAD + "".join(f"- `{name}`\n" for name in names)
    if os.environ.get("VARVE_UPDATE_GOLDEN"):
        with open(path, "w") as file:
            file.write(wanted)
    with open(path) as file:
        found = file.read()
    if not allocator_tells:
        # Sanitizers bring an allocator that tells no figures.
        found = re.sub(r"- `redis_allocator_\w+`\n", "", found)
    if found != wanted:
        listed = set(re.findall(r"`(redis_\w+)`", found))
        fail(f"{path} is out of date (./dev docs): read and not listed "
             f"{sorted(set(names) - listed)}, listed and not read {sorted(listed - set(names))}")
    return len(names)


def fields(server):
    text = server.cli("info", "everything").replace("\r", "")
    headings = re.findall(r"^# (\w+)$", text, re.M)
    names = {re.sub(r"^(cmdstat|errorstat|latency_percentiles_usec)_.*", r"\1_*", name)
             for name in re.findall(r"^([^#:\s][^:]*):", text, re.M)}
    return headings, names


def compare_fields(server, redis):
    theirs = fields(redis)[1]
    headings, ours = fields(server)
    if [heading for heading in headings if heading != "Engine"] != HEADINGS:
        fail(f"INFO's headings are {headings}")
    missing = theirs - ours - set(LEFT_OUT)
    if not has_allocator(server):
        # A build with sanitizers: their allocator tells nothing, and their compiler is clang.
        missing = {name for name in missing
                   if not name.startswith(("allocator_", "rss_overhead_")) and name != "gcc_version"}
    if missing:
        fail(f"INFO lacks {sorted(missing)}")
    return len(theirs & ours)


def has_allocator(server):
    return "\nallocator_allocated:" in server.cli("info", "memory")


def use(server):
    """Something for every section."""
    server.cli("set", "a", "1", "ex", "1000")
    server.cli("get", "a")
    server.cli("get", "nosuch")
    server.cli("incr", "a", "b")
    server.cli("debug", "sleep", "0.01")


def main():
    binary, path = sys.argv[1:3]
    server = Server(binary)
    try:
        use(server)
        text, log = scrape(server)
        check_log(log)
        count = check_metrics(text, path, has_allocator(server))
        print(f"prometheus-redis-exporter reads {count} metrics")
        if len(sys.argv) > 3:
            redis = Server(sys.argv[3], "redis-server")
            try:
                use(redis)
                shared = compare_fields(server, redis)
            finally:
                redis.stop()
            print(f"INFO has {shared} of redis-server's fields; {len(LEFT_OUT)} are left out")
    finally:
        status = server.stop()
    if status != 0:
        fail(f"the server exited with {status}")


main()
