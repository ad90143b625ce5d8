"""Raw results: one file of JSON for each work, one measurement a line, kept after every measurement.

A file says under which conditions it was made; measurements of other conditions are never mixed into it. Whoever resumes takes
what stands there; a measurement that failed is made again.
"""

import json

from .paths import RESULTS, Stop


class Results:
    """The measurements of one work."""

    def __init__(self, work, conditions, folder=RESULTS, resume=False):
        self.path, self.conditions, self.measurements = folder / f"{work}.json", conditions, []
        if resume and self.path.is_file():
            self.take_up()

    def take_up(self):
        stood = json.loads(self.path.read_text())
        for key in ("quick", "machine", "commit"):
            if stood["conditions"].get(key) != self.conditions.get(key):
                raise Stop(f"{self.path.name} was made with another {key}: leave --resume out, or remove the file")
        self.conditions = stood["conditions"]
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


def read_all(folder=RESULTS):
    """`{work: {"conditions": …, "measurements": […]}}` of all files that stand."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def values(measurements, step, entry, key):
    """A figure of all rounds in which it was taken."""
    found = [one.get(key) for one in measurements if (one["step"], one["entry"]) == (step, entry) and "error" not in one]
    return [value for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)]
