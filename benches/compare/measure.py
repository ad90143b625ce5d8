"""One measurement: a fresh server, the load tool beside it, and the figures of both under one set of names.

Owns what it starts. Bounds: the load tool is ended after `LOAD_SECONDS_MAX`; a measurement that others disturbed is made once more, and
so often in a run.
"""

import json
import math
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from . import faults, install, machine
from .paths import Missing, Stop, say
from .results import values
from .servers import Running

LOAD_SECONDS_MAX = 120
# A machine that is never calm must not double the time; the tables then say so.
REPEATS_MAX = 12
PERF_HERTZ = 4999
# Of the measured seconds; the rest is for perf to start.
PERF_SHARE = 0.95


class Measurer:
    """Measures for one run; counts how often it did so again."""

    def __init__(self, is_quick):
        self.is_quick, self.repeats = is_quick, 0

    def measure(self, work, step, entry, stood):
        """The figures of the calmer of at most two tries. `stood` is what the work has so far."""
        best = None
        for attempt in range(2):
            figures = self.once(work, step, entry, stood)
            if "error" in figures:
                return best or figures
            if best is None or figures["others"] < best["others"]:
                best = figures
            if self.is_quick or best["others"] <= machine.OTHERS_MAX or self.repeats >= REPEATS_MAX:
                break
            self.repeats += attempt == 0
        return best

    def once(self, work, step, entry, stood):
        servers = [Running(entry.server, cores, entry.words) for cores in entry.shares_of_cores()]
        began, busy, own = time.monotonic(), machine.busy_seconds(), machine.own_seconds()
        try:
            for server in servers:
                server.__enter__()
            if work.kind in faults.FAULTS:
                figures = faults.FAULTS[work.kind](servers[0], self.is_quick)
            else:
                figures = load(work, step, entry, servers, rate_of(work, step, stood))
        except (OSError, ValueError, LookupError, subprocess.SubprocessError, Missing, Stop) as error:
            return {"error": str(error) or repr(error)}
        finally:
            for server in servers:
                server.__exit__()
        # The servers have been waited for, and are in our own time now.
        seconds = time.monotonic() - began
        others = machine.busy_seconds() - busy - (machine.own_seconds() - own)
        return {**figures, "others": round(max(0.0, others / seconds), 3), "seconds": round(seconds, 1)}


def rate_of(work, step, stood):
    """Messages a second: half of what the slowest server bears at most, by the step that found that out; in all rounds that of the first."""
    if not step.rate_from:
        return None
    kept = next((one["rate"] for one in stood if one["step"] == step.name and one.get("rate")), None)
    if kept:
        return kept
    highest = []
    for entry in work.entries:
        found = values(stood, step.rate_from, entry.name, "deliveries_per_s")
        if found:
            highest.append(statistics.median(found) / step.clients)
    if not highest:
        raise ValueError("no server has a highest rate yet")
    return max(1.0, round(min(highest) / 2, 1))


def words(step, entry, servers, rate):
    """The load tool's command line. At several processes of a server each message is published at each of them."""
    http = servers[0].url("http", "")
    urls = [word for server in servers for word in ("--url", server.url(entry.scheme, entry.path, entry.port))]
    found = [install.load(), step.mode, *urls, "--protocol", entry.protocol,
             "--conns", step.clients, *step.options, *(word.replace("{http}", http) for word in entry.options)]
    if rate:
        found += ["--rate", rate]
    pids = [pid for server in servers for pid in server.pids()]
    return [str(word) for word in [*found, "--pids", ",".join(map(str, pids)), "--json"]]


def load(work, step, entry, servers, rate):
    """Runs the load tool beside the server, or beside all its processes."""
    run = Load(["taskset", "-c", ",".join(map(str, entry.load_cores)), *words(step, entry, servers, rate)])
    kernel = Kernel() if step.mode == "idle" else None
    workers = Workers(servers[0].url("http", "/status"), step.clients) if len(servers[0].cores) > 1 else None
    try:
        share = user_share(run, servers[0].pids(), step) if work.kind == "user" else None
        told = run.end()
    finally:
        run.kill()
        sessions = workers.end() if workers else None
        grown = kernel.end() if kernel else None
    figures = flat(told)
    if 0 in (figures.get("cpu_us"), figures.get("cpu_us_per_publication")) and (figures.get("delivered") or figures.get("publications_per_s")):
        raise ValueError("the server took no CPU time: its processes are not those that were looked at")
    if rate:
        figures["rate"] = rate
    if grown is not None:
        figures["kernel_kb_per_conn"] = grown / step.clients
    if workers:
        figures["sessions_balance"] = balance(sessions)
        figures["cpu_balance"] = balance(told["server"]["threads_cpu_s"], len(servers[0].cores))
    if work.kind == "user" and figures.get("cpu_us"):
        figures.update(user_figures(figures, share))
    figures["raw"] = [told]
    return figures


def user_figures(figures, share):
    """The time in user space per delivery by perf's samples, else by the kernel's own, and what so few of them leave open."""
    part, count, by = (*share, "perf") if share else (figures.get("user_us", 0) / figures["cpu_us"], figures.get("user_samples", 0), "utime")
    if not count:
        return {}
    # The standard error of a share of independent samples.
    error = math.sqrt(part * (1 - part) / count)
    sampled = count / PERF_HERTZ if share else count / machine.TICKS_PER_SECOND
    return {"user_us": figures["cpu_us"] * part, "user_error_us": figures["cpu_us"] * error, "user_share": part, "user_samples": count,
            "user_seconds": sampled, "user_by": by}


class Load:
    """The load tool while it runs."""

    def __init__(self, command):
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def said(self):
        """Its last line on standard error."""
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else ""

    def end(self):
        """What it told. Lost, doubled and misordered messages are in it; anything else that is wrong is an error."""
        output, _ = self.process.communicate(timeout=LOAD_SECONDS_MAX)
        if self.process.returncode not in (0, 1) or not output.strip():
            raise ValueError(self.said() or f"the load tool ended with {self.process.returncode}")
        return json.loads(output)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.errors.close()


class Kernel:
    """What the kernel's own memory grew by at most, while this watches."""

    def __init__(self):
        self.before = self.most = machine.kernel_kib()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.2):
            self.most = max(self.most, machine.kernel_kib())

    def end(self):
        self.over.set()
        self.thread.join()
        return self.most - self.before


class Workers:
    """How many sessions each worker of a fanfare has, once it has all of them. One look more than it takes goes into no figure:
    clients warm up first."""

    def __init__(self, status, clients):
        self.status, self.clients, self.sessions = status, clients, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.1):
            try:
                with urllib.request.urlopen(self.status, timeout=5) as answer:
                    told = json.load(answer)
            except (OSError, ValueError):
                continue
            if told["sessions"] >= self.clients:
                self.sessions = [worker["sessions"] for worker in told["workers"]]
                return

    def end(self):
        self.over.set()
        self.thread.join()
        return self.sessions


def user_share(run, pids, step):
    """The share of samples in user space and their number, by perf while messages flow; None where there is no perf."""
    if not shutil.which("perf"):
        return None
    # The tool's line of progress says when the connecting is over.
    end = time.monotonic() + LOAD_SECONDS_MAX
    while time.monotonic() < end and run.process.poll() is None and f"{step.clients} of {step.clients} clients" not in run.said():
        time.sleep(0.1)
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "perf.data")
        seconds = max(0.3, PERF_SHARE * float(step.options[step.options.index("--duration") + 1]))
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_HERTZ), "-o", data, "-p", ",".join(map(str, pids)),
                        "--", "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        told = subprocess.run(["perf", "script", "-i", data, "-F", "misc,ip"], capture_output=True, text=True, check=False).stdout
    # U is a sample in user space, K one in the kernel.
    user = sum(line.split()[0] == "U" for line in told.splitlines() if line.strip())
    kernel = sum(line.split()[0] == "K" for line in told.splitlines() if line.strip())
    if user + kernel == 0:
        say("perf took no samples: utime counts")
        return None
    return user / (user + kernel), user + kernel


def flat(told):
    """What the load tool tells, under the names of the tables."""
    server, spent, latency = told.get("server") or {}, told.get("load") or {}, told.get("latency_us") or {}
    answers, storm = told.get("answers") or {}, told.get("storm") or {}
    # The tool divides by what was done: deliveries, answers to publications, connections.
    publishes = told.get("work") == "publish"
    figures = {
        "delivered": told.get("delivered"),
        "lost": told.get("lost"),
        "doubled": told.get("doubled"),
        "out_of_order": told.get("out_of_order"),
        "foreign": told.get("foreign"),
        "failed": told.get("failed"),
        "refused": answers.get("refused"),
        "clean": told.get("clean"),
        "connects_per_s": told.get("connects_per_s"),
        "deliveries_per_s": told.get("deliveries_per_s"),
        "publications_per_s": answers.get("per_s"),
        "back_s": storm.get("complete_s"),
        "cpu_us": None if publishes else server.get("cpu_us_per_delivery"),
        "cpu_us_per_publication": server.get("cpu_us_per_delivery") if publishes else None,
        "user_us": server.get("user_us_per_delivery"),
        "user_samples": server.get("user_samples"),
        "pss_kb_per_conn": server.get("pss_kb_per_conn"),
        "pss_kb": server.get("pss_kb_after"),
        "load_busy": spent.get("cpu_share"),
        "limited": spent.get("limited"),
        **{f"{name}_us": latency.get(name) for name in ("p50", "p90", "p99", "p999", "p9999", "max")},
    }
    return {key: value for key, value in figures.items() if value is not None}


def balance(found, count=None):
    """The greatest over the mean, of the so many that are greatest; None where there is nothing to compare."""
    most = sorted(found, reverse=True)[:count]
    return most[0] * len(most) / sum(most) if len(most) > 1 and sum(most) else None
