# SPDX-License-Identifier: BSD-3-Clause
"""A session of python3-redis over every command family; every reply is asserted."""

import sys
import time

import redis

port = int(sys.argv[1])
checks = 0


def equal(actual, expected):
    global checks
    checks += 1
    assert actual == expected, f"{actual!r} is not {expected!r}"


def error(call, text):
    global checks
    checks += 1
    try:
        call()
    except redis.ResponseError as problem:
        assert text in str(problem), f"{problem} does not say {text!r}"
        return
    raise AssertionError(f"no error, where {text!r} was expected")


def connection(r):
    equal(r.ping(), True)
    equal(r.echo("hello"), b"hello")
    equal(r.client_setname("session"), True)
    equal(r.client_getname(), "session")
    assert r.client_id() > 0
    mine = [c for c in r.client_list() if c["name"] == "session"]
    equal(len(mine), 1)
    equal(r.client_info()["name"], "session")
    other = redis.Redis(host="127.0.0.1", port=port, db=3)
    other.set("elsewhere", 1)
    equal(r.get("elsewhere"), None)
    equal(other.get("elsewhere"), b"1")
    equal(other.flushdb(), True)


def strings(r):
    equal(r.set("a", "1"), True)
    equal(r.get("a"), b"1")
    equal(r.set("a", "2", nx=True), None)
    equal(r.set("a", "2", xx=True), True)
    equal(r.set("a", "3", get=True), b"2")
    equal(r.set("a", "4", ex=100), True)
    assert 99 <= r.ttl("a") <= 100
    equal(r.set("a", "5", keepttl=True), True)
    assert r.ttl("a") > 0
    equal(r.getset("a", "6"), b"5")
    equal(r.ttl("a"), -1)
    equal(r.getex("a", ex=50), b"6")
    assert 49 <= r.ttl("a") <= 50
    equal(r.getex("a", persist=True), b"6")
    equal(r.getdel("a"), b"6")
    equal(r.get("a"), None)
    equal(r.setex("a", 10, "x"), True)
    equal(r.psetex("a", 10000, "y"), True)
    equal(r.setnx("a", "z"), False)
    equal(r.mset({"b": "1", "c": "2"}), True)
    equal(r.mget("b", "none", "c"), [b"1", None, b"2"])
    equal(r.msetnx({"c": "9", "d": "9"}), False)
    equal(r.exists("d"), 0)
    equal(r.append("b", "23"), 3)
    equal(r.strlen("b"), 3)
    equal(r.incr("n"), 1)
    equal(r.incrby("n", 41), 42)
    equal(r.decr("n"), 41)
    equal(r.decrby("n", 40), 1)
    error(lambda: r.incr("a"), "value is not an integer or out of range")
    binary = bytes(range(256)) * 4
    equal(r.set(b"\x00\xff\r\n", binary), True)
    equal(r.get(b"\x00\xff\r\n"), binary)
    equal(r.set("empty", b""), True)
    equal(r.get("empty"), b"")


def keys(r):
    r.flushdb()
    for i in range(300):
        r.set(f"key:{i:03}", i)
    equal(r.dbsize(), 300)
    equal(len(set(r.scan_iter())), 300)
    equal(sorted(r.scan_iter("key:00*")), [b"key:%03d" % i for i in range(10)])
    equal(sorted(r.keys("key:29?")), [b"key:%03d" % i for i in range(290, 300)])
    assert r.randomkey().startswith(b"key:")
    equal(r.type("key:000"), b"string")
    equal(r.type("none"), b"none")
    equal(r.exists("key:000", "key:000", "none"), 2)
    equal(r.delete("key:000", "key:001", "none"), 2)
    equal(r.unlink("key:002"), 1)
    equal(r.dbsize(), 297)
    equal(r.flushall(), True)
    equal(r.dbsize(), 0)
    equal(r.randomkey(), None)


def expiry(r):
    r.set("e", 1)
    equal(r.expire("e", 100), True)
    equal(r.expire("e", 50, gt=True), False)
    equal(r.expire("e", 50, lt=True), True)
    equal(r.expire("e", 50, nx=True), False)
    equal(r.persist("e"), True)
    equal(r.ttl("e"), -1)
    equal(r.pttl("none"), -2)
    later = int(time.time()) + 1000
    equal(r.expireat("e", later), True)
    equal(r.expiretime("e"), later)
    equal(r.pexpire("e", 20), True)
    time.sleep(0.1)
    equal(r.get("e"), None)
    equal(r.exists("e"), 0)


def server(r):
    info = r.info()
    assert info["redis_version"].startswith("7."), info["redis_version"]
    equal(r.config_get("databases"), {"databases": "16"})
    equal(r.config_set("timeout", 0), True)
    error(lambda: r.config_set("no-such-directive", 1), "Unknown option")
    assert r.command_count() >= 40
    equal(r.command_getkeys("SET", "k", "v"), ["k"])
    error(lambda: r.execute_command("NOSUCHCOMMAND", "x"), "unknown command")
    error(lambda: r.execute_command("GET"), "wrong number of arguments")


def monitoring(r):
    with r.monitor() as listener:
        r.set("seen", "a b")
        r.get("seen")
        r.config_set("requirepass", "")
        for expected in ("SET seen a b", "GET seen"):
            line = listener.next_command()
            equal(line["command"], expected)
            equal(line["db"], 0)
            equal(line["client_type"], "tcp")
    r.delete("seen")


def waiting(r):
    equal(r.wait(0, 100), 0)
    equal(r.wait(1, 20), 0)
    equal(r.client_unblock(999999), False)
    equal(r.client_pause(50), True)
    equal(r.ping(), True)
    equal(r.client_no_evict("ON"), b"OK")
    equal(r.client_getredir(), -1)
    equal(r.client_trackinginfo(), ["flags", [b"off"], "redirect", -1, "prefixes", []])


def pipelines(r):
    with r.pipeline(transaction=False) as batch:
        for i in range(1000):
            batch.set(f"p:{i}", i)
            batch.get(f"p:{i}")
        replies = batch.execute()
    equal(replies[0::2], [True] * 1000)
    equal(replies[1::2], [str(i).encode() for i in range(1000)])


r = redis.Redis(host="127.0.0.1", port=port)
for family in (connection, strings, keys, expiry, server, monitoring, waiting, pipelines):
    family(r)
print(f"{checks} replies as expected")
