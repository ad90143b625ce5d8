"""Where things are, and the one way to tell people what goes on."""

import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SETTINGS = HERE / "servers"
RESULTS = HERE / "results"
# What the command installs for itself; nothing of it belongs into a commit.
INSTALLED = HERE / "installed"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "docs" / "benchmarks"


def folder_of(is_quick):
    """Where raw results lie: those of quick runs never replace others."""
    return RESULTS / "quick" if is_quick else RESULTS


class Stop(Exception):
    """The run cannot go on; the sentence says why and what to do."""


class Missing(Exception):
    """A server cannot be had here; the sentence says why."""


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
