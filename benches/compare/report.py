"""The document: what was measured, in tables and plots, the aims, the machine, from the results that stand; nothing is measured here.

Writes docs/benchmarks.md and docs/benchmarks/*.svg; of a quick run, the same beside its results, so that figures that nobody is to
quote never replace others. A measurement that lost, doubled or misordered anything has no figure here, only a line that says so. What
stays the same whatever was measured is in `prose`; here is what comes from results. It must write no path of the machine.
"""

import statistics
from pathlib import Path

from . import aims, plots, prose
from .machine import OTHERS_MAX
from .paths import DOCUMENT, PLOTS, ROOT, Stop, folder_of
from .results import by_round, error_of, marks, read_all, slope, values
from .servers import SERVERS
from .works import WORKS


def spread(found, form):
    """Median with the least and the greatest: 2.41 (2.38–2.50)."""
    if not found:
        return "–"
    middle = format(statistics.median(found), form)
    return middle if len(found) == 1 else f"{middle} ({min(found):{form}}–{max(found):{form}})"


def table(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def clean(text):
    """One line that fits a table, without this machine's folders."""
    return " ".join(text.replace(str(ROOT), ".").replace(str(Path.home()), "~").replace("|", "/").split())


def write(is_quick):
    """Everything, as a whole."""
    results = {name: found for name, found in read_all(folder_of(is_quick)).items() if name in WORKS}
    if not results:
        raise Stop("there are no results to write of: run without --report first")
    document, folder = (folder_of(True) / "benchmarks.md", folder_of(True) / "plots") if is_quick else (DOCUMENT, PLOTS)
    compare = "../.." if is_quick else "../benches/compare"
    parts = ["# Benchmarks", prose.ABOUT.format(compare=compare)]
    parts += [prose.QUICK] if is_quick else []
    parts += [of_aims(results, is_quick), conditions(results), who_does_what(results)]
    for name, work in WORKS.items():
        if name in results:
            parts += of_work(work, results[name], folder)
    parts += [not_measured(results), prose.AGAIN.format(compare=compare)]
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text("\n".join(part.rstrip("\n") + "\n" for part in parts if part))
    return document


def conditions(results):
    """The machine and the versions, and for each work under which conditions it was measured."""
    machine, versions, runs = {}, {}, {}
    for name in (name for name in WORKS if name in results):
        told, found = results[name]["conditions"], results[name]["measurements"]
        machine.update(told["machine"])
        versions.update(told["versions"])
        given = f"; with {' and '.join(told['given'])} built elsewhere" if told.get("given") else ""
        # Of each run its own: programs are built anew between two of them.
        programs = ", ".join(f"{name} `{found}`" for name, found in sorted(told.get("binaries", {}).items())) or "–"
        run = (told["began"], f"`{told['commit']}`", programs, f"`{clean(told['command'])}`{given}", f"{told['load_average']:.1f}")
        runs.setdefault(run, []).append((name, max((one["round"] for one in found), default=0), sum(one.get("seconds", 0) for one in found) / 60))
    rows = [[", ".join(f"`{name}` {rounds}" for name, rounds, _ in works), *run, f"{sum(minutes for *_, minutes in works):.0f}"]
            for run, works in runs.items()]
    text = (f"## The machine, the versions, the runs\n\n{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux "
            f"{machine['kernel']}, TCP congestion control {machine['congestion_control']}.\n\n")
    text += table(["server", "version"], [[SERVERS[name].title, clean(versions[name])] for name in SERVERS if name in versions])
    head = ["works and their rounds", "began", "commit", "SHA-256 of its programs begins with", "command", "load average before", "minutes"]
    unknown = "\nOf the runs with a dash it was not kept which programs they measured.\n" if any(row[3] == "–" for row in rows) else ""
    return text + "\n" + table(head, rows) + unknown


def who_does_what(results):
    """Of every work and server: whether it does that, and whether it was measured."""
    rows, compared = [], {name: server for name, server in SERVERS.items() if not server.is_baseline}
    for name, work in WORKS.items():
        found = results.get(name, {"measurements": []})["measurements"]
        entries = {server: [entry.name for entry in work.entries if entry.server == server] for server in compared}
        rows.append([f"{work.title} (`{name}`)", *(mark(entries[server], found) for server in compared)])
    return ("## Who does what\n\n✓ was measured, ✗ was tried and has no figure, ○ was not tried, – does not do this work here.\n\n"
            + table(["work", *(server.title for server in compared.values())], rows))


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
        # Where nothing may be quoted, the table says of what.
        columns = columns or [column for column in work.columns if column.key == work.plot]
        rows = [[name, *(spread(values(measurements, step.name, name, column.key), column.form) for column in columns)] for name in entries]
        yield f"### {step.name[0].upper()}{step.name[1:]}\n\n{table(['', *(column.title for column in columns)], rows)}"
        drawn = [(name, values(measurements, step.name, name, work.plot)) for name in entries]
        groups.append((step.name, [(name, statistics.median(found), min(found), max(found)) for name, found in drawn if found]))
    if work.derive:
        yield {"slope": of_slope, "error": of_error}[work.derive](work, measurements, sizes)
    yield notes(measurements)
    column = next((column for column in work.columns if column.key == work.plot), None)
    if column and any(rows for _, rows in groups):
        folder.mkdir(parents=True, exist_ok=True)
        title = f"{work.title}: {column.title}, {'less' if column.less else 'more'} is better"
        (folder / f"{work.name}.svg").write_text(plots.bars(title, [one for one in groups if one[1]], column.form))
        yield f"![{title}]({folder.name}/{work.name}.svg)\n"


def of_slope(work, measurements, sizes):
    """Memory that each client more adds."""
    first, last = sizes[0], sizes[-1]
    rows = []
    for entry in work.entries:
        found = slope(measurements, sizes, entry.name, "pss_kb")
        # Of each size the kernel's growth is by client.
        kernel = [by_round(measurements, step.name, entry.name, "kernel_kb_per_conn") for step in (first, last)]
        both = [(kernel[1][number] * last.clients - kernel[0][number] * first.clients) / (last.clients - first.clients)
                for number in kernel[0] if number in kernel[1]]
        rows.append([entry.name, spread(found, ",.2f"), spread(both, ",.1f")])
    return (f"### From {first.name} to {last.name}\n\n"
            + table(["", "KiB for each more", "kernel, both ends, KiB for each more"], [row for row in rows if row[1] != "–"]))


def of_error(work, measurements, sizes):
    """What the samples leave open, of each size and server."""
    rows = []
    for step in sizes:
        for entry in work.entries:
            name = entry.name
            found = values(measurements, step.name, name, "user_us")
            if not found:
                continue
            error = error_of(found, values(measurements, step.name, name, "user_error_us"))
            by = sorted({one["user_by"] for one in measurements if (one["step"], one["entry"]) == (step.name, name) and "user_by" in one})
            rows.append([step.name, name, format(statistics.fmean(found), ".3f"), "–" if error is None else format(error, ".3f"),
                         format(sum(values(measurements, step.name, name, "user_samples")), ",.0f"),
                         format(sum(values(measurements, step.name, name, "user_seconds")), ",.1f"), str(len(found)), ", ".join(by)])
    head = ["", "server", "mean, user µs/delivery", "± standard error", "samples", "seconds of server CPU sampled", "rounds", "by"]
    return "### Samples and errors\n\n" + table(head, rows) if rows else ""


def notes(measurements):
    """What a reader must know before quoting."""
    lines = [f"- Not quoted: {one['entry']}, {one['step']}, round {one['round']}: {clean('; '.join(marks(one)))}."
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
    rows, counts = [], {}
    for one in aims.rows(results):
        judged = "not judged" if is_quick and one.found else one.verdict
        counts[judged] = counts.get(judged, 0) + 1
        error = f" ± {one.error:.2g}" if one.error else ""
        rows.append([one.aim.title, one.step or "–", f"{'≤' if one.aim.at_most else '≥'} {one.aim.limit:g}", spread(one.found, ".2f") + error,
                     judged])
    told = ", ".join(f"{count} {judged}" for judged, count in counts.items())
    return f"## The aims\n\n{prose.AIMS}\nOf {len(rows)}: {told}.\n\n" + table(["aim", "step", "limit", "measured", "verdict"], rows)


def not_measured(results):
    """What a reader might look for in vain, and why."""
    lines = []
    for name, work in WORKS.items():
        if name not in results:
            why = "only by `--work " + name + "`" if work.only_by_name else "this run did not come to it, or was not asked for it"
            lines.append(f"- {work.title} (`{name}`): not measured; {why}.")
            continue
        lines += missing(work, results[name])
    left_out = {server: why for found in results.values() for server, why in found["conditions"].get("left_out", {}).items()}
    versions = {server for found in results.values() for server in found["conditions"]["versions"]}
    lines += [f"- {server.title}: left out of the whole; {clean(left_out.get(name, 'it was not asked for'))}."
              for name, server in SERVERS.items() if name not in versions and not server.is_baseline]
    lines += [f"- {work.title} with the servers that have a dash above: {work.absent}" for work in WORKS.values() if work.absent]
    return "## What is not measured\n\n" + prose.NOT_MEASURED + "\n".join(lines) + "\n"


def missing(work, result):
    """What of a work was begun and not done: its steps and servers that have fewer rounds than others."""
    sizes, measurements, versions = work.sizes(result["conditions"]["quick"]), result["measurements"], result["conditions"]["versions"]
    rounds = max((one["round"] for one in measurements), default=0)
    done = {(one["step"], one["entry"], one["round"]) for one in measurements}
    wanted = [(step.name, entry.name) for step in sizes for entry in work.entries
              if entry.server in versions and (not step.only or entry.name in step.only)]
    short = [(step, entry, sum((step, entry, number) in done for number in range(1, rounds + 1))) for step, entry in wanted]
    for step, entry, count in short:
        if count < rounds:
            yield f"- {work.title}: {entry}, {step}: {count} of {rounds} rounds; `--resume` goes on with it."
