#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: lifecycle_test.py SERVER UNIT

The life of a server as its operator sees it: checkpoints and restoring from them, kill -9 in the
middle of one, the background, pid and log files, service managers, signals, and a configuration
made for redis-server.
"""

import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BINARY = os.path.abspath(sys.argv[1])
UNIT = os.path.abspath(sys.argv[2])
BASE = tempfile.mkdtemp(prefix="varve-life.")


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def check(condition, text):
    if not condition:
        fail(text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, text, seconds=30):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        time.sleep(0.02)
    fail(text)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def cli(port, *arguments, **options):
    done = subprocess.run(["redis-cli", "-p", str(port), *arguments], capture_output=True,
                          text=True, timeout=60, **options)
    return done.stdout.strip()


def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class Server:
    """One that this process started, in the foreground."""

    started = []

    def __init__(self, directory, *arguments, environment=None, wait=True):
        self.port = free_port()
        self.log_path = os.path.join(BASE, f"log.{self.port}")
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory,
                 *arguments], stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})})
        Server.started.append(self.process)
        if wait:
            wait_for(lambda: self.cli("ping") == "PONG", "the server did not start: " + self.log())

    def cli(self, *arguments, **options):
        return cli(self.port, *arguments, **options)

    def log(self):
        return read(self.log_path)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def info(self, name):
        found = re.search(rf"^{name}:(.*?)\r?$", self.cli("info", "persistence"), re.M)
        return found.group(1) if found else None


def checkpoints(directory):
    return sorted(glob.glob(os.path.join(directory, "checkpoints", "*")))


def saving(directory):
    server = Server(directory)
    server.cli("-r", "1", "mset", "a", "1", "b", "2")
    check(server.cli("save") == "OK", "SAVE")
    server.cli("set", "c", "3")
    check(len(checkpoints(directory)) == 1, "one checkpoint after SAVE")
    saved = checkpoints(directory)[0]

    # What is in it, served from a copy: as it was, also after more writes.
    restored = os.path.join(BASE, "restored")
    shutil.copytree(saved, restored)
    copy = Server(restored)
    check(copy.cli("mget", "a", "b", "c") == "1\n2", "restored values: " + copy.cli("mget", "a", "b", "c"))
    check(copy.cli("dbsize") == "2", "restored DBSIZE")
    check(copy.stop() == 0, "the copy's exit status")

    # Served in place while the original goes on: it is not removed under its server.
    other = Server(saved)
    check(other.cli("get", "b") == "2", "a checkpoint served in place")
    check(server.cli("save") == "OK", "SAVE while an older checkpoint is being served")
    check("an old checkpoint stays" in server.log(), "the log tells of a checkpoint in use")
    check(other.cli("set", "d", "4") == "OK", "a checkpoint served in place takes writes")
    check(other.stop() == 0, "its exit status")
    check(server.cli("save") == "OK", "SAVE again")
    check(len(checkpoints(directory)) == 1, f"old checkpoints are gone: {checkpoints(directory)}")
    check(server.cli("bgsave") == "Background saving started", "BGSAVE")
    wait_for(lambda: server.info("rdb_bgsave_in_progress") == "0", "BGSAVE ends")
    check(server.info("rdb_last_bgsave_status") == "ok", "BGSAVE's status")
    for line in ("Background saving started", "DB saved on disk",
                 "Background saving terminated with success"):
        check(line in server.log(), f"the log says: {line}")
    check(server.cli("shutdown", "save") == "", "SHUTDOWN SAVE")
    check(server.process.wait(timeout=60) == 0, "SHUTDOWN SAVE's exit status")


def kill_while_saving(directory):
    """kill -9 at many moments of a BGSAVE: what is there afterwards is whole."""
    seen_whole = 0
    for attempt in range(12):
        server = Server(directory, "--memtable-size", "256kb")
        lines = "".join(f"SET key{i} {attempt}-{'x' * 200}\n" for i in range(4000))
        server.cli("--pipe", input=lines)
        server.cli("bgsave")
        time.sleep(0.003 * attempt ** 2)
        server.process.kill()
        server.process.wait()
        server = Server(directory)
        check(server.cli("dbsize") == "4000", "the database after kill -9")
        left = glob.glob(os.path.join(directory, "checkpoints", "*", "*"))
        check(all(os.path.basename(path) == "varve" for path in left), f"what is left: {left}")
        for path in checkpoints(directory):
            check(os.listdir(path) == ["varve"], f"{path} holds {os.listdir(path)}")
        check(server.stop() == 0, "the exit status")
        for path in checkpoints(directory):
            seen_whole += 1
            restored = os.path.join(BASE, f"restored.{attempt}")
            shutil.copytree(path, restored)
            copy = Server(restored)
            check(copy.cli("dbsize") == "4000", "the restored DBSIZE")
            copy.stop()
            shutil.rmtree(restored)
    check(seen_whole > 0, "no checkpoint was ever whole")


def background(directory):
    port = free_port()
    log = os.path.join(BASE, "background.log")
    pid_file = os.path.join(BASE, "background.pid")
    started = subprocess.run(
        [BINARY, "--port", str(port), "--dir", directory, "--daemonize", "yes", "--pidfile",
         pid_file, "--logfile", log], timeout=30, cwd="/")
    check(started.returncode == 0, "daemonize: the exit status of the one that was started")
    wait_for(lambda: cli(port, "ping") == "PONG", "daemonize: the server answers")
    pid = int(read(pid_file))
    stat = read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    check(int(stat[4]) == 0, "daemonize: there is no terminal")
    check(int(stat[3]) != pid, "daemonize: it does not lead its session")
    check(os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(directory), "daemonize: works in dir")
    again = subprocess.run([BINARY, "--port", str(port), "--dir", directory, "--pidfile", pid_file],
                           timeout=30, capture_output=True)
    check(again.returncode == 1, "a second server on the same port ends")
    check(read(pid_file).strip() == str(pid), "a second server leaves the first one's pid file alone")
    for fd in range(3):
        check(os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null", "daemonize: no standard files")

    # The log is moved away: the next line makes a new one, without a signal.
    check("Ready to accept connections tcp" in read(log), "the log file")
    line = re.compile(r"^\d+:M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [.*#-] .", re.A)
    for text in read(log).splitlines():
        check(line.match(text), f"a line of the log: {text}")
    os.rename(log, log + ".1")
    before = read(log + ".1")
    os.kill(pid, signal.SIGHUP)  # what moves logs may send it all the same
    cli(port, "save")
    wait_for(lambda: "DB saved on disk" in read(log), "the log goes on in a new file")
    check(read(log + ".1") == before, "the old log stays as it was")

    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: has_ended(pid), "daemonize: SIGTERM ends it")
    check(not os.path.exists(pid_file), "the pid file is removed at the end")
    check("bye bye" in read(log), "the last line of the log")


def stalled_client(port, bytes_wanted):
    """A client that asks for much and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET big\r\n" * (bytes_wanted // 100000))
    return client


def signals(directory):
    # Stopping waits for clients that take their replies...
    server = Server(directory)
    server.cli("-x", "set", "big", input="x" * 100000)
    client = stalled_client(server.port, 3_000_000)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    received = 0
    while True:
        got = client.recv(65536)
        if not got:
            break
        received += len(got)
    check(received == 30 * (100000 + len("$100000\r\n\r\n")), f"output at the end: {received} bytes")
    check(server.process.wait(timeout=30) == 0, "the exit status after SIGTERM")
    check("Received SIGTERM scheduling shutdown..." in server.log(), "the log of SIGTERM")

    # ... but not for ever for one that does not.
    server = Server(directory)
    client = stalled_client(server.port, 6_000_000)
    time.sleep(0.3)
    began = time.monotonic()
    check(server.stop(signal.SIGINT) == 0, "the exit status after SIGINT")
    check(1 < time.monotonic() - began < 10, "stopping waits a while for a client that stalls")
    client.close()

    # A second SIGINT does not wait.
    server = Server(directory)
    client = stalled_client(server.port, 6_000_000)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    check(server.process.poll() is None, "the first SIGINT waits")
    check(server.stop(signal.SIGINT) == 1, "the exit status after a second SIGINT")
    check("You insist... exiting now." in server.log(), "the log of the second SIGINT")
    client.close()
    server = Server(directory)
    check(server.cli("strlen", "big") == "100000", "nothing is lost by it")
    check(server.stop() == 0, "the exit status")


def fill_log(directory):
    """Leaves a log of some size, and nothing else, as kill -9 does."""
    big = ["--memtable-size", "1gb", "--write-buffer-budget", "4gb"]
    server = Server(directory, *big)
    server.cli("--pipe", input="".join(f"SET key{i} {'x' * 400}\r\n" for i in range(150_000)))
    check(server.cli("dbsize") == "150000", "the filled database")
    server.process.kill()
    server.process.wait()
    return big


def ask(port, command):
    """The beginning of the reply; empty if nobody is there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(command + b"\r\n")
            return client.recv(65536)
    except OSError:
        return b""


def loading(directory):
    big = fill_log(directory)
    notify = NotifySocket(os.path.join(BASE, "loading.notify"))
    server = Server(directory, *big, "--supervised", "systemd", wait=False,
                    environment={"NOTIFY_SOCKET": notify.path})
    replies = []
    wait_for(lambda: replies.append(ask(server.port, b"PING")) or replies[-1],
             "nobody answers while the log is replayed")
    info = ask(server.port, b"INFO persistence")
    check(replies[-1] == b"-LOADING Redis is loading the dataset in memory\r\n",
          f"the reply while the log is replayed: {replies[-1]}")
    check(b"loading:1" in info and b"loading_total_bytes:" in info, f"INFO: {info}")
    notify.expect("READY=1")
    check(server.cli("dbsize") == "150000", "the replayed database")
    server.process.kill()
    server.process.wait()

    # SIGTERM gives up the replay, which loses nothing.
    server = Server(directory, *big, wait=False)
    wait_for(lambda: ask(server.port, b"PING").startswith(b"-LOADING"), "the replay begins")
    check(server.stop() == 0, "the exit status after SIGTERM while loading")
    check("Ready to accept" not in server.log(), "the replay was given up: " + server.log())
    server = Server(directory, *big)
    check(server.cli("dbsize") == "150000", "the database after a start that was given up")
    check(server.stop() == 0, "the exit status")


class NotifySocket:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(30)

    def expect(self, line):
        while True:
            try:
                lines = self.socket.recv(4096).decode().splitlines()
            except socket.timeout:
                fail(f"the service manager was not told {line}")
            if line in lines:
                return


def service(directory):
    with open(UNIT, encoding="utf-8") as file:
        unit = file.read()
    command = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1)
    port = free_port()
    conf = os.path.join(BASE, "varve.conf")
    with open(conf, "w", encoding="utf-8") as file:
        # The unit overrules this.
        file.write(f"port {port}\ndaemonize yes\nsupervised no\n")
    words = [word.replace("/usr/local/bin/varve-server", BINARY)
             .replace("/etc/varve/varve.conf", conf).replace("/var/lib/varve", directory)
             for word in shlex.split(command)]
    notify = NotifySocket(os.path.join(BASE, "notify"))
    with open(os.path.join(BASE, "service.log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT,
                                   env={**os.environ, "NOTIFY_SOCKET": notify.path})
    notify.expect("READY=1")
    check(cli(port, "ping") == "PONG", "ready means ready")
    process.terminate()
    notify.expect("STOPPING=1")
    check(process.wait(timeout=30) == 0, "the service's exit status")

    # Found by itself, and an abstract name.
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract.bind(f"\0varve-test-{os.getpid()}")
    abstract.settimeout(30)
    server = Server(directory, "--supervised", "auto",
                    environment={"NOTIFY_SOCKET": f"@varve-test-{os.getpid()}"})
    check(b"READY=1" in abstract.recv(4096), "supervised auto")
    check(server.stop() == 0, "the exit status")
    server = Server(directory, "--supervised", "systemd")
    check("NOTIFY_SOCKET not found" in server.log(), "supervised without a supervisor")
    check(server.stop() == 0, "the exit status")

    # upstart is told by a SIGSTOP.
    server = Server(directory, "--supervised", "upstart", environment={"UPSTART_JOB": "varve"},
                    wait=False)
    wait_for(lambda: read(f"/proc/{server.process.pid}/stat").rsplit(")", 1)[1].split()[0] == "T",
             "supervised upstart stops itself")
    server.process.send_signal(signal.SIGCONT)
    wait_for(lambda: server.cli("ping") == "PONG", "and goes on")
    check(server.stop() == 0, "the exit status")

    path = os.path.join(BASE, "varve-server.service")
    with open(path, "w", encoding="utf-8") as file:
        file.write(unit.replace("/usr/local/bin/varve-server", BINARY)
                   .replace("file:///usr/local/share/doc/varve/README.md", "man:systemd(1)"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True,
                          text=True, timeout=120)
    complaints = [line for line in done.stderr.splitlines() if "varve-server" in line]
    check(done.returncode == 0 and not complaints, f"systemd-analyze: {done.stdout}{done.stderr}")


def debian_configuration():
    """Debian's redis.conf from its package; without a network what redis-server knows."""
    download = os.path.join(BASE, "package")
    os.mkdir(download)
    done = subprocess.run("apt-get -q download redis-server && dpkg-deb -x redis-server*.deb .",
                          shell=True, cwd=download, capture_output=True, timeout=120)
    if done.returncode == 0:
        return read(os.path.join(download, "etc/redis/redis.conf"))
    port = free_port()
    oracle = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                               "--dir", BASE],
                              executable=shutil.which("redis-check-rdb"),
                              stdout=subprocess.DEVNULL)
    wait_for(lambda: cli(port, "ping") == "PONG", "redis-server did not start")
    lines = cli(port, "config", "get", "*").splitlines()
    oracle.kill()
    oracle.wait()
    settings = dict(zip(lines[::2], lines[1::2]))
    settings["daemonize"] = "yes"
    return "".join(f'{name} "{value}"\n' if value == "" else f"{name} {value}\n"
                   for name, value in settings.items()
                   if name not in ("dir", "port", "bind", "logfile", "pidfile", "replicaof"))


def stock_configuration(directory):
    text = debian_configuration()
    port = free_port()
    pid_file = os.path.join(BASE, "stock.pid")
    for name, value in (("port", port), ("dir", directory), ("pidfile", pid_file),
                        ("logfile", os.path.join(BASE, "stock.log"))):
        text, changes = re.subn(rf"^{name} .*$", f"{name} {value}", text, flags=re.M)
        if changes == 0:
            text += f"{name} {value}\n"
    conf = os.path.join(BASE, "redis.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(text)
    started = subprocess.run([BINARY, conf], timeout=30, capture_output=True, text=True)
    check(started.returncode == 0, f"a stock redis.conf: {started.stdout}{started.stderr}")
    wait_for(lambda: cli(port, "ping") == "PONG", "a stock redis.conf: the server answers")
    pid = int(read(pid_file))
    check(cli(port, "set", "a", "1") == "OK", "a stock redis.conf: SET")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: has_ended(pid), "a stock redis.conf: SIGTERM ends it")


def main():
    try:
        for part in (saving, kill_while_saving, background, signals, loading, service,
                     stock_configuration):
            directory = os.path.join(BASE, part.__name__)
            os.mkdir(directory)
            began = time.monotonic()
            part(directory)
            print(f"{part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
    finally:
        for process in Server.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(BASE)


main()
