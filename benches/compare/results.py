"""Raw results: one file of JSON for each work, one measurement a line, kept after every measurement.

A file says under which conditions it was made; measurements of other conditions are never mixed into it. Whoever resumes takes
what stands there; a measurement that failed is made again.
"""

import json
import statistics

from .paths import Stop, folder_of


# What the load tool counts and nobody wants.
WRONG = (("lost", "lost"), ("doubled", "doubled"), ("out_of_order", "out of order"), ("foreign", "that nobody sent to them"),
         ("failed", "clients could not connect"), ("refused", "publications refused"))


class Results:
    """The measurements of one work."""

    def __init__(self, work, conditions, resume=False, folder=None):
        folder = folder or folder_of(conditions["quick"])
        self.path, self.conditions, self.measurements = folder / f"{work}.json", conditions, []
        if resume and self.path.is_file():
            self.take_up()

    def take_up(self):
        stood = json.loads(self.path.read_text())
        # Some may be missing on either side: who resumes without fanfare goes on from what was measured with it.
        before, now = stood["conditions"].get("binaries", {}), self.conditions.get("binaries", {})
        other = [name for name in before if now.get(name, before[name]) != before[name]]
        if other:
            raise Stop(f"{self.path.name} was made with another {other[0]}: leave --resume out, or remove the file")
        for key in ("quick", "machine", "commit"):
            if stood["conditions"].get(key) != self.conditions.get(key):
                raise Stop(f"{self.path.name} was made with another {key}: leave --resume out, or remove the file")
        versions = {**stood["conditions"].get("versions", {}), **self.conditions.get("versions", {})}
        left_out = {name: why for name, why in {**stood["conditions"].get("left_out", {}), **self.conditions.get("left_out", {})}.items()
                    if name not in versions}
        # Who resumes with fewer does not take back what was asked for; of files that are older, nobody knows.
        asked = [told["rounds"] for told in (stood["conditions"], self.conditions) if "rounds" in told]
        self.conditions = {**stood["conditions"], "versions": versions, "left_out": left_out, "binaries": {**before, **now},
                           **({"rounds": max(asked)} if asked else {})}
        self.measurements = [found for found in stood["measurements"] if "error" not in found]

    def find(self, step, entry, round_number):
        key = (step, entry, round_number)
        return next((found for found in self.measurements if (found["step"], found["entry"], found["round"]) == key), None)

    def add(self, step, entry, round_number, figures):
        self.measurements.append({"step": step, "entry": entry, "round": round_number, **figures})
        self.write()

    def write(self):
        """As a whole, so that who is interrupted leaves a file that can be read."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join("  " + json.dumps(found) for found in self.measurements)
        text = f'{{\n "conditions": {json.dumps(self.conditions)},\n "measurements": [\n{lines}\n ]\n}}\n'
        beside = self.path.with_suffix(".part")
        beside.write_text(text)
        beside.replace(self.path)


def read_all(folder):
    """`{work: {"conditions": …, "measurements": […]}}` of all files that stand."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def marks(figures):
    """Why a measurement must not be quoted; empty when it may be."""
    if "error" in figures:
        return [str(figures["error"])]
    found = [f"{figures[key]:,} {title}" for key, title in WRONG if figures.get(key)]
    if figures.get("clean") is False and not found:
        found.append("not clean: clients were cut off")
    return found


def values(measurements, step, entry, key):
    """A figure of all rounds in which it was taken and may be quoted."""
    found = [one.get(key) for one in measurements if (one["step"], one["entry"]) == (step, entry) and not marks(one)]
    return [value for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)]


def by_round(measurements, step, entry, key):
    """`{round: figure}` of those that may be quoted."""
    found = {}
    for one in measurements:
        value = values([one], step, entry, key)
        if value:
            found[one["round"]] = value[0]
    return found


def error_of(found, sampled=()):
    """The standard error of the mean of some rounds: what their spread says of it, or what the samples of each say, whichever is
    greater. None where one round says nothing of its error."""
    if not found:
        return None
    spread = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else None
    # Rounds are independent: of their mean the error is smaller than of each.
    within = sum(error * error for error in sampled) ** 0.5 / len(sampled) if sampled else None
    return max((error for error in (spread, within) if error is not None), default=None)


def slope(measurements, steps, entry, key):
    """What one more client adds, between the first and the last step: one for each round that has both."""
    first, last = steps[0], steps[-1]
    least, most = (by_round(measurements, step.name, entry, key) for step in (first, last))
    return [(most[number] - least[number]) / (last.clients - first.clients) for number in least if number in most]
