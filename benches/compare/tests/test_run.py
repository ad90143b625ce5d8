"""The loop over works, with a measurer that measures nothing."""

import argparse
import contextlib
import dataclasses
import io
import itertools
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from compare import main, options, results
from compare.paths import Stop
from compare.works import Column, Entry, Step, Work

WORK = Work("w", "A work", "", (Entry("a", "fanfare"), Entry("b", "bun"), Entry("c", "nchan")),
            (Step("one", "fanout", 1), Step("two", "fanout", 1, only=("b",))), (), (Column("cpu_us", "CPU", ".1f"),), rounds=2)


class Fake:
    """Remembers what it was asked for."""

    def __init__(self, **figures):
        self.asked, self.figures = [], {"cpu_us": 1.0, **figures}

    def measure(self, _work, step, entry, _stood):
        self.asked.append((step.name, entry.name))
        return self.figures


class TheLoop(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.enterContext_(mock.patch.object(results, "folder_of", lambda _: Path(folder.name)))
        self.enterContext_(contextlib.redirect_stderr(io.StringIO()))

    def enterContext_(self, manager):
        manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)

    def run_with(self, fake, works=(WORK,), left_out=(), began=None, **wanted):
        conditions = {"quick": False, "machine": {}, "commit": "1", "versions": {"fanfare": "1", "bun": "1"},
                      "left_out": {name: "no Debian" for name in left_out}}
        wanted = argparse.Namespace(**{"quick": False, "resume": False, "rounds": None, **wanted})
        return main.Run(wanted, works, conditions, began, fake).all()

    def test_servers_take_turns_within_a_step_and_rounds_repeat(self):
        # A machine slows down within minutes. Who is measured five times in a row is measured on another machine.
        fake = Fake()
        self.assertTrue(self.run_with(fake))
        self.assertEqual(fake.asked, [("one", "a"), ("one", "b"), ("two", "b")] * 2, "nchan is not there")

    def test_a_run_with_losses_is_not_whole(self):
        # Exit status 0 is the promise that all of it may be quoted.
        self.assertFalse(self.run_with(Fake(lost=1)))

    def test_a_run_without_a_server_that_was_asked_for_is_not_whole(self):
        # Half of a comparison must not pass for all of it where only the exit status is read.
        fake = Fake()
        self.assertFalse(self.run_with(fake, left_out=("nchan",)))
        self.assertEqual(len(fake.asked), 6, "the others are measured")

    def test_a_work_whose_servers_are_all_missing_is_not_passed_over(self):
        nobody = dataclasses.replace(WORK, name="n", entries=(Entry("c", "nchan"),))
        fake = Fake()
        self.assertFalse(self.run_with(fake, works=(WORK, nobody)))
        self.assertEqual(len(fake.asked), 6)
        with self.assertRaises(Stop):
            self.run_with(fake, works=(nobody,))

    def test_a_loss_that_stands_is_still_one_when_the_run_is_resumed(self):
        self.run_with(Fake(lost=1))
        fake = Fake()
        self.assertFalse(self.run_with(fake, resume=True))
        self.assertEqual(fake.asked, [])

    def test_a_work_that_no_server_of_the_command_line_does_is_a_usage_error(self):
        # It was passed over in silence, with status 0.
        with self.assertRaises(SystemExit) as end:
            options.parse("", ["--servers", "bun", "--work", "fanout,sse"])
        self.assertEqual(end.exception.code, 2)
        self.assertNotIn("sse", options.parse("", ["--servers", "bun"]).work, "what was not asked for by name")

    def test_what_stands_is_not_measured_again(self):
        # --resume goes on from an interrupted run.
        self.run_with(Fake(), rounds=1)
        fake = Fake()
        self.run_with(fake, resume=True)
        self.assertEqual(len(fake.asked), 3, "the second round alone")

    def test_nothing_is_begun_when_the_time_is_over(self):
        # A slow machine must not keep the command beyond its word.
        fake = Fake()
        with mock.patch.object(main, "BUDGET_SECONDS", {False: -1}):
            self.assertFalse(self.run_with(fake))
        self.assertEqual(fake.asked, [])

    def test_builds_and_installs_are_part_of_the_time(self):
        # 90 minutes of measuring after 20 of building are not "within 90 minutes".
        fake = Fake()
        self.assertFalse(self.run_with(fake, began=time.monotonic() - main.BUDGET_SECONDS[False]))
        self.assertEqual(fake.asked, [])

    def test_nothing_is_begun_that_would_not_end_in_time(self):
        fake = Fake()
        clock = itertools.count(step=60)
        # Each look at the clock is a minute later: the third measurement would begin at 420 s, and end beyond 450.
        with mock.patch.object(main, "BUDGET_SECONDS", {False: 450}), mock.patch.object(main.time, "monotonic", lambda: next(clock)):
            self.assertFalse(self.run_with(fake))
        self.assertEqual(len(fake.asked), 2)

    def test_an_unknown_server_is_a_usage_error(self):
        # A word that is misspelt must not measure everything else.
        with self.assertRaises(SystemExit) as end:
            options.parse("", ["--servers", "fanfair"])
        self.assertEqual(end.exception.code, 2)

    def test_works_are_done_in_the_order_in_which_they_are_asked_for(self):
        # What matters most comes first, should the time not be enough.
        self.assertEqual(options.parse("", ["--work", "storm,echo,storm"]).work, ["storm", "echo"])
