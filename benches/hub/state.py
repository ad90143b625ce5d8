"""What keeping the state on disk costs: publishing with and without `[state]` in one run, one publication at a time, a broadcast,
and a start that reads what was kept. Part of `run`."""

import json
import os
import re
import signal
import statistics
import tempfile
import time
from pathlib import Path

import bounds

CHANNELS = 1000
# Of a channel of `fanfare.toml`.
KEPT = 100


def directory(options):
    return tempfile.TemporaryDirectory(prefix="fanfare-state-", dir=options.state_in)


def state(run, options, start):
    return sum(PARTS[part](run, options, start) or 0 for part in options.state_parts)


def throughput(run, options, start):
    cases = {"single": ("--connections", 16, "--pipeline", 1, "--spread", CHANNELS), "batch of 100": ("--connections", 4, "--pipeline", 1, "--batch", 100, "--spread", CHANNELS)}
    found = {(case, kept): [] for case in cases for kept in (False, True)}
    missing = 0
    for number in range(options.rounds):
        for (case, kept), rounds in found.items():
            run.say(f"state: round {number + 1}/{options.rounds}, {case}, {'state' if kept else 'memory only'}")
            with directory(options) as path:
                extra = {"FANFARE_STATE_DIR": f"{path}/state"} if kept else {}
                figures = run.measure(start, "fanfare.toml", extra, "publish", "--subscribers", 0, "--history", "true", "--seconds", options.seconds, *cases[case])
            if figures is None:
                missing += 1
            else:
                rounds.append(figures)
    rows = []
    for case in cases:
        memory, kept = found[case, False], found[case, True]
        if memory and kept:
            ratio = lambda key: statistics.median(one[key] for one in kept) / statistics.median(one[key] for one in memory)
            per_s, cpu = "publications_per_s", "server_cpu_us_per_publication"
            rows.append([case, run.spread(memory, per_s, ",.0f"), run.spread(kept, per_s, ",.0f"), f"{ratio(per_s):.2f}",
                         run.spread(memory, cpu, ",.2f"), run.spread(kept, cpu, ",.2f"), f"{ratio(cpu):.2f}"])
    print(f"state: 128 bytes of JSON, {CHANNELS:,} channels, history {KEPT}, all threads of the server on one core, {options.rounds} rounds: median (least\u2013greatest)")
    run.table(["requests", "publications/s memory", "state", "ratio", "CPU \u00b5s each memory", "state", "ratio"], rows)
    return missing


def broadcast(run, options, start):
    """One message to all channels, again and again, one request at a time: CPU of the server for each publication."""
    binary, _ = start
    found = {False: [], True: []}
    for number in range(options.rounds):
        for kept, rounds in found.items():
            run.say(f"state: round {number + 1}/{options.rounds}, broadcast, {'state' if kept else 'memory only'}")
            with directory(options) as path:
                extra = {"FANFARE_STATE_DIR": f"{path}/state"} if kept else {}
                with run.Server(binary, "fanfare.toml", extra) as server:
                    api = bounds.Api(server, run.KEY)
                    channels = [f"kept:bench{index}" for index in range(CHANNELS)]
                    message = {"channels": channels, "data": "x" * 126}
                    # Histories that are full before: each publication then lets one go.
                    for _ in range(KEPT):
                        api.call("broadcast", message)
                    before, sent, end = bounds.cpu(server), 0, time.monotonic() + options.seconds
                    while time.monotonic() < end:
                        api.call("broadcast", message)
                        sent += CHANNELS
                    rounds.append((bounds.cpu(server) - before) / sent * 1e6)
    memory, kept = (statistics.median(rounds) for rounds in (found[False], found[True]))
    print(f"state: a broadcast to {CHANNELS:,} channels, one request at a time, histories full, {options.rounds} rounds: median (least\u2013greatest)")
    shown = [f"{statistics.median(rounds):.2f} ({min(rounds):.2f}\u2013{max(rounds):.2f})" for rounds in found.values()]
    run.table(["CPU \u00b5s each memory", "state", "ratio"], [[*shown, f"{kept / memory:.2f}"]])


def one_at_a_time(run, options, start):
    """200 publications a second, each by itself: how long its answer takes."""
    binary, _ = start
    found = {}
    for kept in (False, True):
        run.say(f"state: one at a time, {'state' if kept else 'memory only'}")
        with directory(options) as path:
            extra = {"FANFARE_STATE_DIR": f"{path}/state"} if kept else {}
            with run.Server(binary, "fanfare.toml", extra) as server:
                api = bounds.Api(server, run.KEY)
                took, due = [], time.monotonic()
                for index in range(200 * 2 * options.seconds):
                    due += 0.005
                    time.sleep(max(0, due - time.monotonic()))
                    began = time.monotonic()
                    api.call("publish", {"channel": f"kept:bench{index % CHANNELS}", "data": "x" * 126})
                    took.append(time.monotonic() - began)
        took.sort()
        found[kept] = [took[len(took) * share // 1000] * 1000 for share in (500, 990)]
    print("state: one publication at a time, 200 a second, ms")
    run.table(["", "p50", "p99"], [["memory only"] + [f"{ms:.2f}" for ms in found[False]], ["state"] + [f"{ms:.2f}" for ms in found[True]]])


def reading(run, options, start):
    """Fills a history, kills the server, and starts another."""
    binary, _ = start
    with directory(options) as path:
        extra = {"FANFARE_STATE_DIR": f"{path}/state", "FANFARE_LOG_FILTER": "info"}
        with run.Server(binary, "fanfare.toml", extra) as server:
            api = bounds.Api(server, run.KEY)
            sent = 0
            publish = lambda index: {"publish": {"channel": f"kept:fill{index // KEPT}", "data": "x" * 126}}
            while api.gauge("fanfare_history_bytes") < options.state_mib << 20:
                run.say(f"state: filling, {sent:,}")
                api.batch(100_000, lambda index: publish(sent + index))
                sent += 100_000
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        size = sum(file.stat().st_blocks * 512 for file in Path(path).rglob("*.log"))
        log = run.HERE / "results/fanfare.log"
        rows = []
        for cached in (True, False):
            if not cached:
                for file in Path(path).rglob("*.log"):
                    with open(file, "rb") as open_file:
                        os.fsync(open_file.fileno())
                        os.posix_fadvise(open_file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with run.Server(binary, "fanfare.toml", extra):
                pass
            said = [line for line in log.read_text().splitlines() if "state read" in line][-1]
            rows.append(["in the page cache" if cached else "not cached", re.search(r"duration=([0-9.]+s)", said).group(1)])
    print(f"state: a start that reads {sent:,} publications of 128 bytes, {options.state_mib} MiB as limits.history_bytes charges them, files of {size >> 20} MiB")
    run.table(["files", "read in"], rows)


PARTS = {"publish": throughput, "broadcast": broadcast, "one": one_at_a_time, "start": reading}
