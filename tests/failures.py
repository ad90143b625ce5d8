"""What failed, short enough to stand at the end of tests/run: whoever has only the last lines of a long log must see which
test it was and why. Reads the lines that cargo test, Node's spec reporter and the other parts print. Bounds: LINES_MAX lines
of a failure, FAILURES_MAX failures of a part; what is left out is counted. Only the standard library."""

import re
from collections import deque

LINES_MAX = 12
FAILURES_MAX = 8
COLUMNS_MAX = 400
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# How a failure begins where failures are told again at the end, and what of one says nothing.
BEGINS = {
    "cargo": re.compile(r"^---- (.+) stdout ----$"),
    "node": re.compile(r"^test at (.+)$"),
}
NOISE = {
    "cargo": re.compile(r"^(note: run with |stack backtrace:|\s+\d+: |\s+at )"),
    "node": re.compile(r"^\s+at |^\s*(generatedMessage|operator|diff): "),
}
SECTION = {
    "cargo": (re.compile(r"^failures:$"), re.compile(r"^test result: ")),
    "node": (re.compile(r"^\S+ failing tests:$"), None),
}


class Failures:
    """Of one command. `language` is "cargo" or "node"; of any other the last lines are what failed."""

    def __init__(self, language):
        self.language = language
        self.is_inside = False
        self.found = []
        self.last = deque(maxlen=LINES_MAX)

    def read(self, line):
        text = COLOUR.sub("", line).rstrip()
        if not text:
            return
        self.last.append(text)
        if self.language not in SECTION:
            return
        begin, end = SECTION[self.language]
        if begin.match(text):
            # Cargo has a second list behind the first, of the names alone.
            self.is_inside = self.language != "cargo" or not self.is_inside
        elif end and end.match(text):
            self.is_inside = False
        elif self.is_inside:
            self.take(text)

    def take(self, text):
        if BEGINS[self.language].match(text):
            self.found.append([])
        if self.found and not NOISE[self.language].match(text):
            self.found[-1].append(text)

    def lines(self):
        """What to print of a command that failed."""
        if not self.found:
            return [clipped(text) for text in self.last]
        told = [clipped(text) for failure in self.found[:FAILURES_MAX] for text in failure[:LINES_MAX]]
        left = len(self.found) - FAILURES_MAX
        return told + ([f"and {left} more"] if left > 0 else [])


def clipped(text):
    return text if len(text) <= COLUMNS_MAX else text[:COLUMNS_MAX] + " …"
