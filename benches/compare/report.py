"""The document: tables, plots, the aims and the machine, from the results that stand; nothing is measured here.

Writes docs/benchmarks.md and docs/benchmarks/*.svg; of a quick run, the same beside its results, so that figures that nobody is to
quote never replace others. A measurement that lost, doubled or misordered anything has no figure here, only a line that says so.
"""

import statistics

from . import aims, plots
from .machine import OTHERS_MAX
from .paths import DOCUMENT, PLOTS, Stop, folder_of
from .results import marks, read_all, slope, values
from .servers import SERVERS
from .works import WORKS

ABOUT = """Written by `benches/compare/run` from the raw results; do not edit. How it measures: [benches/compare]({compare}/README.md).

- **Only ratios within one run count**: the same server differs by a third between two minutes of one virtual machine.
- Figures are medians of the rounds, with the least and the greatest. Each measurement has a fresh server.
- The server has core 0, the load tool core 1, unless the text says otherwise. Everything is on loopback.
- Nine tenths of a delivery is the kernel's `send`, the same for everyone.
"""
QUICK = """> **A quick run: everything in small, each measured for half a second, once. It shows that the comparison runs. Quote none of it.**
"""


def spread(found, form):
    """Median with the least and the greatest: 2.41 (2.38–2.50)."""
    if not found:
        return "–"
    middle = format(statistics.median(found), form)
    return middle if len(found) == 1 else f"{middle} ({min(found):{form}}–{max(found):{form}})"


def table(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def write(is_quick):
    """Everything, as a whole."""
    results = {name: found for name, found in read_all(folder_of(is_quick)).items() if name in WORKS}
    if not results:
        raise Stop("there are no results to write of: run without --report first")
    document, folder = (folder_of(True) / "benchmarks.md", folder_of(True) / "plots") if is_quick else (DOCUMENT, PLOTS)
    parts = ["# Benchmarks", ABOUT.format(compare="../.." if is_quick else "../benches/compare")]
    parts += [QUICK] if is_quick else []
    parts += [conditions(results), who_does_what(results)]
    for name, work in WORKS.items():
        if name in results:
            parts += of_work(work, results[name], folder)
    parts.append(of_aims(results, is_quick))
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text("\n".join(part.rstrip("\n") + "\n" for part in parts))
    return document


def conditions(results):
    """The machine and the versions, and for each work under which conditions it was measured."""
    machine, versions, runs = {}, {}, []
    for name, found in results.items():
        told = found["conditions"]
        machine.update(told["machine"])
        versions.update(told["versions"])
        given = f"; with {' and '.join(told['given'])} built elsewhere" if told.get("given") else ""
        runs.append([f"`{name}`", told["commit"], told["began"], f"`{told['command']}`{given}", f"{told['load_average']:.1f}"])
    text = (f"## The machine\n\n{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}, TCP "
            f"congestion control {machine['congestion_control']}.\n\n")
    text += table(["server", "version"], [[SERVERS[name].title, version] for name, version in versions.items()])
    left = [server.title for name, server in SERVERS.items() if name not in versions]
    text += f"\nLeft out: {', '.join(left)}.\n" if left else ""
    return text + "\n" + table(["work", "commit", "began", "command", "load average before"], runs)


def who_does_what(results):
    """Of every work and server: whether it does that, and whether it was measured."""
    rows = []
    for name, work in WORKS.items():
        found = results.get(name, {"measurements": []})["measurements"]
        entries = {server: [entry.name for entry in work.entries if entry.server == server] for server in SERVERS}
        rows.append([f"{work.title} (`{name}`)", *(mark(entries[server], found) for server in SERVERS)])
    return ("## Who does what\n\n✓ was measured, ✗ was tried and has no figure, ○ was not tried, – does not do this work here.\n\n"
            + table(["work", *(server.title for server in SERVERS.values())], rows))


def mark(entries, measurements):
    if not entries:
        return "–"
    tried = [one for one in measurements if one["entry"] in entries]
    if not tried:
        return "○"
    return "✓" if any(not marks(one) for one in tried) else "✗"


def of_work(work, result, folder):
    """A section: its steps' tables, what has no figure, and the plot."""
    measurements, sizes = result["measurements"], work.sizes(result["conditions"]["quick"])
    yield f"## {work.title}\n\n{work.about}\n"
    groups = []
    for step in sizes:
        entries = [entry.name for entry in work.entries if any((one["step"], one["entry"]) == (step.name, entry.name) for one in measurements)]
        columns = [column for column in work.columns if any(values(measurements, step.name, name, column.key) for name in entries)]
        if not entries:
            continue
        rows = [[name, *(spread(values(measurements, step.name, name, column.key), column.form) for column in columns)] for name in entries]
        yield f"### {step.name[0].upper()}{step.name[1:]}\n\n{table(['', *(column.title for column in columns)], rows)}"
        drawn = [(name, values(measurements, step.name, name, work.plot)) for name in entries]
        groups.append((step.name, [(name, statistics.median(found), min(found), max(found)) for name, found in drawn if found]))
    if work.derive == "slope":
        yield of_slope(work, measurements, sizes)
    yield notes(measurements)
    column = next((column for column in work.columns if column.key == work.plot), None)
    if column and any(rows for _, rows in groups):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{work.name}.svg").write_text(plots.bars(f"{work.title}: {column.title}", [one for one in groups if one[1]], column.form))
        yield f"![{work.title}: {column.title}]({folder.name}/{work.name}.svg)\n"


def of_slope(work, measurements, sizes):
    """Memory that each client more adds."""
    rows = [[entry.name, spread(slope(measurements, sizes, entry.name, "pss_kb"), ",.2f")] for entry in work.entries]
    return (f"### From {sizes[0].name} to {sizes[-1].name}\n\n"
            + table(["", "KB for each more"], [row for row in rows if row[1] != "–"]))


def notes(measurements):
    """What a reader must know before quoting."""
    lines = [f"- Not quoted: {one['entry']}, {one['step']}, round {one['round']}: {'; '.join(marks(one))}."
             for one in measurements if marks(one)]
    limited = sorted({f"{one['entry']} ({one['step']})" for one in measurements if one.get("limited")})
    if limited:
        lines.append(f"- The load tool, not the server, was the limit of: {', '.join(limited)}. Their rates are the tool's.")
    disturbed = sum(one.get("others", 0) > OTHERS_MAX for one in measurements)
    if disturbed:
        lines.append(f"- DISTURBED: during {disturbed} of {len(measurements)} measurements others took more than {OTHERS_MAX:.0%} of a core.")
    return "\n".join(lines) + "\n" if lines else ""


def of_aims(results, is_quick):
    """The aims beside what was measured."""
    rows = []
    for aim, step, found in aims.rows(results):
        judged = "not measured" if not found else "not judged" if is_quick else aims.verdict(aim, found)
        rows.append([aim.title, step or "–", f"{'≤' if aim.at_most else '≥'} {aim.limit:g}", spread(found, ".2f"), judged])
    return ("## The aims\n\nRatios are taken within a round, fanfare's figure over the other's. \"Within the spread\" is a median that misses "
            "where the best round does not.\n\n" + table(["aim", "step", "limit", "measured", ""], rows))
