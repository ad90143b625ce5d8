"""What fanfare aims at, as ratios within one run, and whether a run meets it.

Pure: results in, rows of a table out. A ratio is taken within a round, so that a machine that slows down slows down both; its median
counts. "Within the spread" is a median that misses where the best round does not.
"""

import statistics
from dataclasses import dataclass

from .results import by_round, slope
from .works import WORKS


@dataclass(frozen=True)
class Aim:
    """One row: a figure of one entry over that of another, or alone where `under` is empty."""

    title: str
    work: str
    key: str
    over: str
    # `best` is the best of the other entries, `slope` no entry but the growth of `over`.
    under: str
    limit: float
    at_most: bool = True
    # A part of the step's name, and a part that it must not have.
    step: str = ""
    but: str = "\0"
    # The step of `under`, where it is another one.
    against: str = ""
    # What the figure of `under` may be exceeded by.
    plus: float = 0.0


AIMS = (
    Aim("user-space CPU per delivery, of Bun's", "user", "user_us", "fanfare", "bun", 1.0, but="echo"),
    Aim("user-space CPU per echo, of Bun's", "user", "user_us", "fanfare, echo", "bun, echo", 1.0, step="echo"),
    Aim("total CPU per delivery, of Bun's", "fanout", "cpu_us", "fanfare", "bun", 1.0),
    Aim("total CPU per delivery, of plain actix-web-actors", "fanout", "cpu_us", "fanfare", "plain", 0.7),
    Aim("Centrifuge protocol in JSON, CPU of Centrifugo's", "protocol", "cpu_us", "fanfare, JSON", "centrifugo, JSON", 0.5, step=", 1 in flight"),
    Aim("Centrifuge protocol in JSON, CPU of Centrifugo's", "protocol", "cpu_us", "fanfare, JSON", "centrifugo, JSON", 0.33, step=", 4 in flight"),
    Aim("Centrifuge protocol in JSON, CPU of Centrifugo's", "protocol", "cpu_us", "fanfare, JSON", "centrifugo, JSON", 0.12, step=", 16 in flight"),
    Aim("Centrifuge protocol in JSON, CPU of our raw endpoint's", "protocol", "cpu_us", "fanfare, JSON", "fanfare", 1.1),
    Aim("two workers, CPU of two one-worker processes", "two", "cpu_us", "two workers", "two processes", 1.05),
    Aim("two workers, the busier one's CPU time over the mean", "two", "balance", "two workers", "", 1.1),
    Aim("idle memory, raw, KB a client", "idle", "pss_kb", "fanfare", "slope", 1.6),
    Aim("idle memory, Centrifuge protocol with a channel, KB a client", "idle", "pss_kb", "fanfare, JSON", "slope", 2.4),
    Aim("p99 at one rate, of the best other's", "latency", "p99_us", "fanfare", "best", 1.0, step="at one rate"),
    Aim("connections a second, of Bun's", "connect", "connects_per_s", "fanfare", "bun", 0.8, at_most=False),
    Aim("publications a second by HTTP, of Centrifugo's", "publish", "publications_per_s", "fanfare", "centrifugo", 3.0, at_most=False),
    Aim("publications a second by HTTP, of nchan's", "publish", "publications_per_s", "fanfare", "nchan", 1.0, at_most=False),
    Aim("p99 with 1 % never reading, of that without", "never", "p99_us", "fanfare", "fanfare", 1.0, step="never reading", but="0 %", against="0 %"),
    Aim("send window, raw, CPU per delivery of that without", "window", "cpu_us", "fanfare, window", "fanfare", 0.2),
    Aim("send window, JSON, CPU per delivery of that without", "window", "cpu_us", "fanfare, JSON, window", "fanfare, JSON", 0.2),
    Aim("send window, raw, p99 of that without and 55 ms", "window", "p99_us", "fanfare, window", "fanfare", 1.0, plus=55_000),
    Aim("send window, JSON, p99 of that without and 55 ms", "window", "p99_us", "fanfare, JSON, window", "fanfare, JSON", 1.0, plus=55_000),
    Aim("TLS, CPU per delivery of nginx in front", "tls", "cpu_us", "fanfare", "proxied", 0.6),
    Aim("TLS, memory of nginx in front", "tls", "pss_kb", "fanfare", "proxied", 0.5),
    Aim("a storm, Centrifuge protocol, time of the best other's", "storm", "back_s", "fanfare, JSON", "best", 1.0),
    Aim("a storm, raw, time of the best other's", "storm", "back_s", "fanfare, raw", "best", 1.0),
)


def others(work, aim):
    return [entry.name for entry in WORKS[work].entries if not entry.name.startswith("fanfare")] if aim.under == "best" else [aim.under]


def ratios(aim, measurements, step, steps):
    """One for each round that has both."""
    over = by_round(measurements, step, aim.over, aim.key)
    if not aim.under:
        return list(over.values())
    against = next((name for name in steps if aim.against in name), step) if aim.against else step
    beside = [by_round(measurements, against, name, aim.key) for name in others(aim.work, aim)]
    best = min if aim.at_most else max
    found = []
    for number, value in over.items():
        there = [rounds[number] for rounds in beside if rounds.get(number)]
        if there:
            found.append(value / (best(there) + aim.plus))
    return found


def verdict(aim, found):
    middle = statistics.median(found)
    if middle <= aim.limit if aim.at_most else middle >= aim.limit:
        return "met"
    best = min(found) if aim.at_most else max(found)
    return "within the spread" if (best <= aim.limit if aim.at_most else best >= aim.limit) else "missed"


def rows(results):
    """`(aim, step, ratios)` of all that was measured; without ratios where it was not."""
    told = []
    for aim in AIMS:
        result = results.get(aim.work)
        if not result:
            told.append((aim, "", []))
            continue
        measurements, sizes = result["measurements"], WORKS[aim.work].sizes(result["conditions"]["quick"])
        if aim.under == "slope":
            told.append((aim, f"{sizes[0].name} to {sizes[-1].name}", slope(measurements, sizes, aim.over, aim.key)))
            continue
        names = [step.name for step in sizes]
        fit = [name for name in names if aim.step in name and aim.but not in name]
        told += [(aim, name, ratios(aim, measurements, name, names)) for name in fit] or [(aim, "", [])]
    return told
