"""What may be quoted, and what --resume takes up."""

import tempfile
import unittest
from pathlib import Path

from compare.paths import Stop
from compare.results import Results, error_of, marks, slope, values
from compare.works import Step

CONDITIONS = {"quick": True, "machine": {}, "commit": "1", "versions": {"bun": "1"}}


def one(**figures):
    return {"step": "s", "entry": "e", "round": 1, "cpu_us": 2.0, "clean": True, **figures}


class WhatMayBeQuoted(unittest.TestCase):
    def test_a_measurement_that_lost_or_failed_has_no_figure(self):
        # A server that drops messages is fast. Its figures must not reach a table.
        for wrong in ({"lost": 1}, {"doubled": 2}, {"out_of_order": 3}, {"clean": False}, {"error": "it does not listen"}):
            self.assertTrue(marks(one(**wrong)), wrong)
            self.assertEqual(values([one(**wrong)], "s", "e", "cpu_us"), [])
        self.assertEqual(values([one(lost=0)], "s", "e", "cpu_us"), [2.0])

    def test_memory_is_the_growth_within_a_round(self):
        # With what a server takes at its start counted, few clients would look dear. A round that lacks one size has no slope.
        steps = [Step("few", "idle", 100), Step("many", "idle", 300)]
        found = [one(step="few", pss_kb=5000), one(step="many", pss_kb=5600), one(step="few", round=2, pss_kb=1)]
        self.assertEqual(slope(found, steps, "e", "pss_kb"), [3.0])


    def test_the_error_of_a_mean_is_the_greater_of_what_rounds_and_samples_say(self):
        # Rounds that agree by luck are no surer than what each of them counted.
        self.assertAlmostEqual(error_of([1.0, 3.0]), 1.0)
        self.assertAlmostEqual(error_of([2.0, 2.0], [0.3, 0.4]), 0.25)
        self.assertAlmostEqual(error_of([2.0], [0.3]), 0.3)
        self.assertEqual((error_of([2.0]), error_of([])), (None, None))


class Resuming(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def results(self, resume=True, **conditions):
        return Results("w", {**CONDITIONS, **conditions}, resume, self.folder)

    def test_what_stands_is_taken_up_and_what_failed_is_made_again(self):
        # Ninety minutes must not begin anew because one server did not start.
        before = self.results(resume=False)
        before.add("s", "e", 1, {"cpu_us": 1.0})
        before.add("s", "f", 1, {"error": "it does not listen"})
        after = self.results(versions={"ws": "8"})
        self.assertEqual(after.find("s", "e", 1)["cpu_us"], 1.0)
        self.assertIsNone(after.find("s", "f", 1))
        self.assertEqual(after.conditions["versions"], {"bun": "1", "ws": "8"})

    def test_the_rounds_that_were_asked_for_are_the_most(self):
        # Of a single round that was asked for much is judged that of one of five is not.
        self.results(resume=False, rounds=5).add("s", "e", 1, {"cpu_us": 1.0})
        self.assertEqual(self.results(rounds=1).conditions["rounds"], 5)

    def test_figures_of_another_commit_are_not_mixed_in(self):
        # Only ratios within one run count. Two commits in one table would compare what was never beside each other.
        self.results(resume=False).add("s", "e", 1, {"cpu_us": 1.0})
        with self.assertRaises(Stop):
            self.results(commit="2")

    def test_figures_of_other_programs_are_not_mixed_in(self):
        # A program that the environment names may be built anew at the same commit of this clone.
        self.results(resume=False, binaries={"fanfare": "a"}).add("s", "e", 1, {"cpu_us": 1.0})
        with self.assertRaises(Stop):
            self.results(binaries={"fanfare": "b"})
        self.assertEqual(self.results(binaries={"fanfare-load": "c"}).conditions["binaries"], {"fanfare": "a", "fanfare-load": "c"})

    def test_a_server_that_is_there_at_last_is_no_longer_left_out(self):
        self.results(resume=False, left_out={"ws": "no npm", "nchan": "no Debian"}).add("s", "e", 1, {"cpu_us": 1.0})
        self.assertEqual(self.results(versions={"ws": "8"}).conditions["left_out"], {"nchan": "no Debian"})
