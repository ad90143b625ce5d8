"""What fanfare aims at, as ratios within one run, and whether a run meets it.

Pure: results in, rows of a table out. A ratio is taken within a round, so that a machine that slows down slows down both; its median
counts. Some aims are held within the spread, or within the error of what was sampled: the rule is part of the aim, and the word for it
part of the verdict, so that a median that misses is never told as one that does not.
"""

import statistics
from dataclasses import dataclass

from .results import by_round, error_of, slope
from .works import WORKS


# Of fewer rounds nothing is judged, unless fewer were asked for.
JUDGED_ROUNDS_MIN = 3
# What a share of user time wants.
ROUNDS_MIN, SAMPLED_SECONDS_MIN = 5, 60


@dataclass(frozen=True)
class Aim:
    """One row: a figure of one entry over that of another, or alone where `under` is empty."""

    title: str
    work: str
    key: str
    over: str
    # `best` is the best of the other entries, `slope` no entry but the growth of `over`, `greatest` its own greatest of all rounds of
    # the step `against`: who is to stay within the spread of those rounds must not exceed it.
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
    # What a median that misses may hide behind: `spread`, that the best round does not miss; `error`, the figure's own.
    within: str = ""


AIMS = (
    Aim("user-space CPU per delivery, of Bun's", "user", "user_us", "fanfare", "bun", 1.0, but="echo", within="error"),
    Aim("user-space CPU per echo, of Bun's", "user", "user_us", "fanfare, echo", "bun, echo", 1.0, step="echo", within="error"),
    Aim("total CPU per delivery, of Bun's", "fanout", "cpu_us", "fanfare", "bun", 1.0, within="spread"),
    Aim("total CPU per delivery, of plain actix-web-actors", "fanout", "cpu_us", "fanfare", "plain", 0.7),
    Aim("Centrifuge protocol in JSON, CPU of Centrifugo's", "protocol", "cpu_us", "fanfare, JSON", "centrifugo, JSON", 0.5, step=", 1 in flight"),
    Aim("Centrifuge protocol in JSON, CPU of Centrifugo's", "protocol", "cpu_us", "fanfare, JSON", "centrifugo, JSON", 0.33, step=", 4 in flight"),
    Aim("Centrifuge protocol in JSON, CPU of Centrifugo's", "protocol", "cpu_us", "fanfare, JSON", "centrifugo, JSON", 0.12, step=", 16 in flight"),
    Aim("Centrifuge protocol in JSON, CPU of our raw endpoint's", "protocol", "cpu_us", "fanfare, JSON", "fanfare", 1.1),
    Aim("two workers, CPU of two one-worker processes", "two", "cpu_us", "two workers", "two processes", 1.05),
    Aim("two workers, the sessions of the one with more over the mean", "two", "sessions_balance", "two workers", "", 1.1),
    Aim("two workers, the busier one's CPU time over the mean", "two", "cpu_balance", "two workers", "", 1.1),
    Aim("idle memory, raw, KiB a client", "idle", "pss_kb", "fanfare", "slope", 1.6),
    Aim("idle memory, Centrifuge protocol with a channel, KiB a client", "idle", "pss_kb", "fanfare, JSON", "slope", 2.4),
    Aim("p99 at one rate, of the best other's", "latency", "p99_us", "fanfare", "best", 1.0, step="at one rate", within="spread"),
    Aim("connections a second, of Bun's", "connect", "connects_per_s", "fanfare", "bun", 0.8, at_most=False),
    Aim("publications a second by HTTP, of Centrifugo's", "publish", "publications_per_s", "fanfare", "centrifugo", 3.0, at_most=False),
    Aim("publications a second by HTTP, of nchan's", "publish", "publications_per_s", "fanfare", "nchan", 1.0, at_most=False),
    Aim("p99 with 1 % never reading, of the greatest without", "never", "p99_us", "fanfare", "greatest", 1.0, step="never reading", but="0 %",
        against="0 %"),
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


def other_step(aim, step, steps):
    """The step of what is compared with."""
    return next((name for name in steps if aim.against in name), step) if aim.against else step


def ratios(aim, measurements, step, steps):
    """One for each round that has both."""
    over = by_round(measurements, step, aim.over, aim.key)
    if not aim.under:
        return list(over.values())
    against = other_step(aim, step, steps)
    if aim.under == "greatest":
        without = by_round(measurements, against, aim.over, aim.key)
        return [value / max(without.values()) for value in over.values()] if without else []
    beside = [by_round(measurements, against, name, aim.key) for name in others(aim.work, aim)]
    best = min if aim.at_most else max
    found = []
    for number, value in over.items():
        there = [rounds[number] for rounds in beside if rounds.get(number)]
        if there:
            found.append(value / (best(there) + aim.plus))
    return found


def error(aim, measurements, step):
    """The error of the mean ratio of what was sampled, by its rounds and by the samples of both."""
    found = ratios(aim, measurements, step, [step])
    if aim.within != "error" or not found:
        return None
    parts = [(by_round(measurements, step, name, aim.key), by_round(measurements, step, name, aim.key.replace("_us", "_error_us")))
             for name in (aim.over, aim.under)]
    rounds = [number for number in parts[0][0] if parts[1][0].get(number)]
    if not all(number in errors for _, errors in parts for number in rounds):
        return error_of(found)
    relative = [sum((errors[number] / figures[number]) ** 2 for figures, errors in parts) ** 0.5 for number in rounds]
    return error_of(found, [ratio * part for ratio, part in zip(found, relative)])


def verdict(aim, found, of_error=None):
    middle = statistics.median(found)
    if holds(aim, middle):
        return "met"
    if aim.within == "error" and of_error and holds(aim, middle - of_error if aim.at_most else middle + of_error):
        return "met within the error"
    if not holds(aim, min(found) if aim.at_most else max(found)):
        return "missed"
    return "met within the spread" if aim.within == "spread" else "missed, but not in the best round"


def holds(aim, ratio):
    return ratio <= aim.limit if aim.at_most else ratio >= aim.limit


@dataclass(frozen=True)
class Row:
    """An aim and a step, with the ratios of its rounds; without any where it was not measured."""

    aim: Aim
    step: str = ""
    found: tuple = ()
    error: float = None
    verdict: str = "not measured"


def rows(results):
    """All aims beside all that was measured."""
    told = []
    for aim in AIMS:
        result = results.get(aim.work)
        if not result:
            told.append(Row(aim))
            continue
        measurements, conditions, work = result["measurements"], result["conditions"], WORKS[aim.work]
        sizes, wanted = work.sizes(conditions["quick"]), min(JUDGED_ROUNDS_MIN, conditions.get("rounds", work.rounds))
        if aim.under == "slope":
            told.append(judged(aim, f"{sizes[0].name} to {sizes[-1].name}", slope(measurements, sizes, aim.over, aim.key), wanted=wanted))
            continue
        names = [step.name for step in sizes]
        for name in names:
            if aim.step in name and aim.but not in name:
                found = ratios(aim, measurements, name, names)
                # The greatest of one round is no spread either.
                beside = by_round(measurements, other_step(aim, name, names), aim.over, aim.key) if aim.under == "greatest" else found
                told.append(judged(aim, name, found, measurements, min(len(found), len(beside)), wanted))
    return told


def judged(aim, step, found, measurements=(), rounds=None, wanted=JUDGED_ROUNDS_MIN):
    """The row of a step. Of fewer rounds than are wanted, which others may have lost, a ratio says little: it stands, and is not judged."""
    if not found:
        return Row(aim, step)
    rounds = len(found) if rounds is None else rounds
    of_error = error(aim, measurements, step)
    if rounds < wanted:
        return Row(aim, step, tuple(found), of_error, f"not judged: {rounds} round{'' if rounds == 1 else 's'}")
    told = verdict(aim, found, of_error)
    if aim.within == "error" and not is_enough(aim, measurements, step):
        told += ", of fewer samples than the rule wants"
    return Row(aim, step, tuple(found), of_error, told)


def is_enough(aim, measurements, step):
    """A share of user time wants so many rounds and so much of each server's time."""
    rounds = [by_round(measurements, step, name, "user_seconds") for name in (aim.over, aim.under)]
    return all(len(found) >= ROUNDS_MIN and sum(found.values()) >= SAMPLED_SECONDS_MIN for found in rounds)
