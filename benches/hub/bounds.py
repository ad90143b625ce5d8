"""What is kept, and what bursts leave behind: the modes `flood` and `bursts` of run.

The load is few large requests, made here; what is measured is the server's memory and CPU time, both from /proc. Only the
standard library. Bounds: the numbers below, and a deadline on every request.
"""

import http.client
import json
import socket
import time
from pathlib import Path

# Of one request.
GROUP = 5_000
HISTORY_BYTES = 64 << 20
DEADLINE = 60


def resident(server):
    """Bytes that the process holds in memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) << 10


def settled(server):
    """The same once it no longer grows."""
    last, now = 0, resident(server)
    while now > last + (256 << 10):
        time.sleep(0.25)
        last, now = now, resident(server)
    return now


def cpu(server):
    """Seconds of CPU time, all threads."""
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class Api:
    """Calls of the server API on one connection."""

    def __init__(self, server, key):
        self.server, self.key = server, key
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)

    def call(self, method, body):
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        self.connection.request("POST", f"/api/{method}", json.dumps(body), headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method}: {response.status} {text[:200]}")
        return json.loads(text)

    def gauge(self, name):
        headers = {"X-API-Key": self.key}
        self.connection.request("GET", "/metrics", headers=headers)
        text = self.connection.getresponse().read().decode()
        lines = (line.split(" ") for line in text.splitlines() if line.startswith((name + " ", name + "_total ")))
        return next((int(float(words[1])) for words in lines), None)

    def publish(self, first, number, more=None):
        """Publishes once to each of so many channels; CPU microseconds for each."""
        before = cpu(self.server)
        for start in range(first, first + number, GROUP):
            channels = [f"kept:c{channel:08}" for channel in range(start, min(start + GROUP, first + number))]
            if "tags" in (more or {}):
                # A broadcast would have one set of labels for all.
                publish = lambda channel: {"publish": {"channel": channel, "data": "x" * 14, **more}}
                self.call("batch", {"commands": [publish(channel) for channel in channels]})
            else:
                self.call("broadcast", {"channels": channels, "data": "x" * 14, **(more or {})})
        return (cpu(self.server) - before) / number * 1e6

    def batch(self, number, command):
        """Commands by their number, in batches; how many were refused."""
        refused = 0
        for start in range(0, number, GROUP):
            commands = [command(index) for index in range(start, min(start + GROUP, number))]
            refused += sum("error" in reply for reply in self.call("batch", {"commands": commands})["replies"])
        return refused


def each(value, number):
    return f"{value / number:,.0f}"


def shapes():
    """What items can hold beside their few bytes."""
    return (("16 bytes", {}), ("20 tags", {"tags": {f"tag{number}": "1234" for number in range(20)}}),
            ("a version_epoch of 256 bytes", {"version": 1, "version_epoch": "v" * 256}))


def flood(run, options, start):
    """Resident against charged, the cost of a publish at the bound, and what positions and keys cost."""
    binary, _ = start
    extra = {"FANFARE_LIMITS_HISTORY_BYTES": str(HISTORY_BYTES)}
    rows = []
    for name, more in shapes():
        run.say(f"flood: histories at their bound, {name}")
        with run.Server(binary, "fanfare.toml", extra) as server:
            api = Api(server, run.KEY)
            before = settled(server)
            below = api.publish(0, 50_000, more)
            filled, charged = 50_000, 0
            while (now := api.gauge("fanfare_history_bytes")) > charged + (HISTORY_BYTES >> 6):
                charged = now
                api.publish(filled, 50_000, more)
                filled += 50_000
            at_bound = api.publish(filled, 50_000, more)
            grown = settled(server) - before
            charged = sum(api.gauge(f"fanfare_{what}_bytes") or 0 for what in ("history", "position"))
            rows.append([name, f"{charged >> 10:,}", f"{grown >> 10:,}", f"{grown / charged:.2f}", f"{below:.2f}", f"{at_bound:.2f}"])
    print("flood: a channel for each publication, limits.history_bytes 64 MiB, by broadcasts")
    run.table(["items", "KiB charged", "KiB resident", "ratio", "CPU µs/publication below the bound", "at it"], rows)
    report_positions(run, binary, extra, options.positions)
    report_keys(run, binary, extra, options.keys)
    return 0


def report_positions(run, binary, extra, number):
    run.say("flood: positions")
    with run.Server(binary, "fanfare.toml", extra) as server:
        api = Api(server, run.KEY)
        before = settled(server)
        read = lambda index: {"history": {"channel": f"kept:unused{index:08}"}}
        api.batch(number, read)
        grown = settled(server) - before
        few = api.gauge("fanfare_position_bytes") or api.gauge("fanfare_history_bytes")
        api.publish(0, 1_000)
        api.batch(10 * number, read)
        lost = api.batch(1_000, lambda index: {"history": {"channel": f"kept:c{index:08}", "limit": 1}})
        kept = api.call("batch", {"commands": [{"history": {"channel": f"kept:c{index:08}", "limit": 1}} for index in range(1_000)]})
        kept = sum(bool(reply["history"]["publications"]) for reply in kept["replies"])
        after = api.publish(1_000, 20_000)
        many = settled(server) - before
    print(f"flood: positions of unused channels, {number:,} read, then {10 * number:,}; {lost} errors")
    run.table(["resident bytes each", "charged bytes each", "KiB resident after all", "histories of 1,000 that are left",
               "CPU µs/publication then"],
              [[each(grown, number), each(few, number), f"{many >> 10:,}", kept, f"{after:.2f}"]])


def report_keys(run, binary, extra, number):
    run.say("flood: idempotency keys")
    with run.Server(binary, "fanfare.toml", extra) as server:
        api = Api(server, run.KEY)
        publish = lambda index: {"publish": {"channel": "plain:" + "n" * 100, "data": 1, "idempotency_key": f"{index:064}"}}
        api.batch(GROUP, publish)
        before = settled(server)
        refused = api.batch(number, publish)
        grown, charged = settled(server) - before, api.gauge("fanfare_idempotency_bytes")
        suppressed = api.gauge("fanfare_publications")
    print(f"flood: idempotency keys of 64 bytes in one channel with a name of 106 bytes, {number:,}")
    run.table(["resident bytes each", "charged bytes each", "refused", "publications answered"],
              [[each(grown, number), each(charged, number) if charged else "–", f"{refused:,}", f"{suppressed:,}"]])


def bursts(run, options, start):
    """What stays of large bodies that came at once."""
    binary, _ = start
    body = b'{"channel":"plain:x","data":"' + b"x" * options.burst_bytes + b'"}'
    with run.Server(binary, "fanfare.toml", {}) as server:
        head = (f"POST /api/publish HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-API-Key: {run.KEY}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        before, peak = settled(server), 0
        for number in range(options.bursts):
            run.say(f"bursts: {number + 1}/{options.bursts}")
            waiting = [socket.create_connection(("127.0.0.1", server.port), DEADLINE) for _ in range(options.burst_of)]
            for client in waiting:
                client.sendall(head + body[:-1])
            peak = max(peak, resident(server))
            for client in waiting:
                client.sendall(body[-1:])
            for client in waiting:
                if b" 200 " not in client.recv(4096)[:20]:
                    raise RuntimeError("a body was refused")
                client.close()
        at_once = resident(server)
        time.sleep(20)
        later = resident(server)
    print(f"bursts: {options.bursts} of {options.burst_of} bodies of {options.burst_bytes:,} bytes, resident MiB")
    run.table(["before", "at most", "at once afterwards", "20 s later"], [[size >> 20 for size in (before, peak, at_once, later)]])
    return 0
