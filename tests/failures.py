"""What failed, short enough to stand at the end of tests/run: whoever has only the last lines of a
long log must see which test it was and why. Reads the lines that cargo test, Node's spec reporter and
the other parts print. Bounds: LINES_MAX lines of a failure, FAILURES_MAX failures of a part; what is
left out is counted. Only the standard library."""

import re
from collections import deque

LINES_MAX = 12
FAILURES_MAX = 8
COLUMNS_MAX = 400
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# How failures are told again at the end of what ran: the line that begins them all, that of each,
# and the line behind the last where there is one.
SECTION = {
    "cargo": (re.compile(r"^failures:$"), re.compile(r"^---- (.+) stdout ----$"), re.compile(r"^test result: ")),
    "node": (re.compile(r"^\S+ failing tests:$"), re.compile(r"^test at (.+)$"), None),
}
# Node's stack and what it repeats of an assertion.
NOISE = re.compile(r"^\s+at |^\s*(generatedMessage|operator|diff): ")
# What a test printed before it failed says less than why it did.
PANICKED = re.compile(r"^thread '.*' .*panicked at ")
BACKTRACE = re.compile(r"^(stack backtrace:|note: run with )")
# A whole binary that ended: its last lines are all there is.
ABORTED = re.compile(r"process didn't exit successfully: .*\(signal")


class Failures:
    """Of one command. `language` is "cargo" or "node"; of any other the last lines are what failed."""

    def __init__(self, language):
        self.language = language
        self.is_inside = False
        self.found = []
        self.aborted = []
        self.last = deque(maxlen=LINES_MAX)

    def read(self, line):
        text = COLOUR.sub("", line).rstrip()
        if not text:
            return
        self.last.append(text)
        if ABORTED.search(text):
            self.aborted.append(list(self.last))
        if self.language not in SECTION:
            return
        begin, _, end = SECTION[self.language]
        if end and end.match(text):
            self.is_inside = False
        elif begin.match(text):
            self.is_inside = True
        elif self.is_inside:
            self.take(text)

    def take(self, text):
        if SECTION[self.language][1].match(text):
            self.found.append([])
        if self.found:
            self.found[-1].append(text)

    def lines(self):
        """What to print of a command that failed."""
        failures = [concise(self.language, failure) for failure in self.found] + self.aborted
        if not failures:
            failures = [list(self.last)]
        told = [clipped(text) for failure in failures[:FAILURES_MAX] for text in failure[:LINES_MAX]]
        left = len(failures) - FAILURES_MAX
        return told + ([f"and {left} more"] if left > 0 else [])


def concise(language, lines):
    """A failure from its name on, without what says nothing of why."""
    if language == "node":
        return [text for text in lines if not NOISE.match(text)]
    why = next((at for at, text in enumerate(lines) if PANICKED.match(text)), 1)
    end = next((at for at, text in enumerate(lines) if at > why and BACKTRACE.match(text)), len(lines))
    return lines[:1] + lines[why:end]


def clipped(text):
    return text if len(text) <= COLUMNS_MAX else text[:COLUMNS_MAX] + " …"
