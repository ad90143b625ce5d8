"""The run as a whole: what is there, what is left out, round by round, until everything is measured or the time is over.

Owns nothing that runs: a measurement ends what it started before it is over. Bounds: the time of a run; nothing is begun that would end
beyond it, were it as long as the longest so far.
"""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import install, machine, options, report
from .measure import Measurer
from .paths import ROOT, Missing, Stop, say
from .results import Results, marks
from .servers import SERVERS
from .works import WORKS

# What a run may take, builds and installs included but in a quick one, which they alone would fill; what is left then is made by --resume.
BUDGET_SECONDS = {False: 90 * 60, True: 5 * 60}
# Beyond the clients: listeners, logs, programs and libraries.
FILES_BESIDE = 400


def main(about):
    """The exit status, as `run` and README say it."""
    wanted = options.parse(about)
    # As an interrupt, so that what was started is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        whole = True if wanted.report else run(wanted)
        say(f"written: {report.write(wanted.quick)}")
        return 0 if whole else 1
    except Stop as stop:
        print(f"run: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run: interrupted; what was measured stands, and --resume goes on from there", file=sys.stderr)
        return 130


def run(wanted):
    began = time.monotonic()
    machine.check()
    works = [WORKS[name] for name in wanted.work]
    machine.raise_file_limit(FILES_BESIDE + max(step.clients for work in works for step in work.sizes(wanted.quick)))
    needed = {entry.server for work in works for entry in work.entries}
    versions, left_out = installed([name for name in wanted.servers if name in needed])
    conditions = {
        "quick": wanted.quick, "machine": machine.describe(), "commit": commit(), "binaries": binaries(versions), "versions": versions,
        "left_out": left_out,
        "command": shlex.join(["benches/compare/run", *sys.argv[1:]]), "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load_average": os.getloadavg()[0],
        "given": sorted(name for name in os.environ if name in ("FANFARE_BIN", "FANFARE_LOAD_BIN")),
    }
    return Run(wanted, works, conditions, None if wanted.quick else began).all()


def installed(names):
    """The version of each server that can be had here; the others are left out, with a line that says why."""
    found, left_out = {}, {}
    for name in names:
        try:
            SERVERS[name].install()
            found[name] = SERVERS[name].version()
        except Missing as missing:
            say(f"{name} is left out: {missing}")
            left_out[name] = str(missing).splitlines()[0].replace(str(ROOT), ".")
    if not found:
        raise Stop("there is no server to measure")
    return found, left_out


def binaries(versions):
    """What was built of this repository, by its bytes: with programs that the environment names, the commit says nothing of them."""
    paths = {"fanfare-load": install.load(), **({"fanfare": install.fanfare()} if "fanfare" in versions else {})}
    return {name: hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12] for name, path in paths.items()}


def commit():
    """The commit that is measured, with `+` where files differ from it. One that changed documents alone is none: this run writes some."""
    paths = ["--", ".", ":!docs", ":!*.md"]

    def git(*words):
        try:
            return subprocess.run(["git", *words, *paths], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""
    return (git("log", "-1", "--format=%h", "--abbrev=9") or "unknown") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


class Run:
    """All works of one run."""

    def __init__(self, wanted, works, conditions, began=None, measurer=None):
        self.wanted, self.works, self.conditions = wanted, works, conditions
        self.measurer = measurer or Measurer(wanted.quick)
        self.began, self.longest = time.monotonic() if began is None else began, 0
        # Who was asked for and is not here was not measured.
        self.done, self.whole = 0, not conditions.get("left_out")
        self.total = sum(len(self.plan(work)) for work in works)

    def rounds(self, work):
        return self.wanted.rounds or (1 if self.wanted.quick else work.rounds)

    def plan(self, work):
        """Round by round, step by step, every server in turn: a machine that slows down slows down all of them."""
        entries = [entry for entry in work.entries if entry.server in self.conditions["versions"]]
        return [(number, step, entry) for number in range(1, self.rounds(work) + 1) for step in work.sizes(self.wanted.quick)
                for entry in entries if not step.only or entry.name in step.only]

    def all(self):
        """Whether everything that was asked for was measured and may be quoted."""
        if not self.total:
            raise Stop("there is nothing to measure: none of the servers that do this is there")
        for work in self.works:
            plan = self.plan(work)
            if not plan:
                say(f"{work.name} is not measured: none of the servers that do it is there")
                self.whole = False
                continue
            results = Results(work.name, {**self.conditions, "rounds": self.rounds(work)}, resume=self.wanted.resume)
            for number, step, entry in plan:
                self.done += 1
                if stood := results.find(step.name, entry.name, number):
                    self.whole = self.whole and not marks(stood)
                    continue
                if time.monotonic() - self.began + self.longest > BUDGET_SECONDS[self.wanted.quick]:
                    say(f"the {BUDGET_SECONDS[self.wanted.quick] // 60} minutes of a run are over, {self.total - self.done + 1} "
                        "measurements are left: --resume goes on with them")
                    return False
                self.one(work, results, number, step, entry)
        say(f"done in {(time.monotonic() - self.began) / 60:.1f} minutes" + ("" if self.whole else "; not all of it was measured and may be quoted"))
        if self.conditions.get("left_out"):
            say(f"left out: {', '.join(self.conditions['left_out'])}")
        return self.whole

    def one(self, work, results, number, step, entry):
        began = time.monotonic()
        figures = self.measurer.measure(work, step, entry, results.measurements)
        self.longest = max(self.longest, time.monotonic() - began)
        results.add(step.name, entry.name, number, figures)
        found = marks(figures)
        self.whole = self.whole and not found
        told = "; ".join(found) or ", ".join(
            f"{format(figures[column.key], column.form)} {column.title}" for column in work.columns if figures.get(column.key) is not None)
        say(f"{self.done}/{self.total} {work.name}: {step.name}, round {number}, {entry.name}: {told}")
