"""The document and its plots, from results that are made up here and never leave the test."""

import dataclasses
import tempfile
import unittest
import xml.etree.ElementTree as tree
from pathlib import Path
from unittest import mock

from compare import aims, plots, report
from compare.results import by_round
from compare.works import WORKS

STEP = WORKS["fanout"].quick_steps[0].name
CONDITIONS = {"quick": True, "machine": {"cpu": "C", "cores": 2, "memory_gib": 4, "kernel": "6", "congestion_control": "cubic"}, "commit": "1",
              "versions": {"fanfare": "0", "bun": "1"}, "command": "run", "began": "today", "load_average": 0.0, "given": []}


def measured(entry, number, cpu_us, **more):
    return {"step": STEP, "entry": entry, "round": number, "cpu_us": cpu_us, "clean": True, "others": 0.0, **more}


RESULT = {"conditions": CONDITIONS, "measurements": [
    measured("fanfare", 1, 1.0), measured("bun", 1, 2.0), measured("fanfare", 2, 3.0), measured("bun", 2, 3.0),
    measured("fanfare", 3, 9.0), measured("bun", 3, 77.0, lost=4)]}


class TheDocument(unittest.TestCase):
    def text(self):
        with tempfile.TemporaryDirectory() as folder:
            with mock.patch.multiple(report, folder_of=lambda _: Path(folder), read_all=lambda _: {"fanout": RESULT}):
                text = report.write(True).read_text()
            self.assertTrue((Path(folder) / "plots" / "fanout.svg").is_file())
        return text

    def test_a_lossy_measurement_stands_as_a_line_and_not_as_a_figure(self):
        # It is told that it was tried and what it lost; its speed is nobody's business.
        text = self.text()
        self.assertIn(f"Not quoted: bun, {STEP}, round 3: 4 lost.", text)
        self.assertNotIn("77", text)
        self.assertIn("| bun | 2.500 (2.000–3.000) |", text)

    def test_a_quick_run_says_so_and_judges_nothing(self):
        # Half a second on a busy machine must not read as an aim that is met.
        text = self.text()
        self.assertIn("Quote none of it", text)
        self.assertNotIn("| met |", text)

    def test_who_was_left_out_and_what_was_not_tried_is_told(self):
        # A table without nchan must not look as if nchan did not matter.
        text = self.text()
        self.assertIn("plain actix-web-actors: left out of the whole", text)
        self.assertIn("| Echo (`echo`) | ○ |", text)


class TheAims(unittest.TestCase):
    def test_ratios_are_taken_within_a_round_that_has_both(self):
        # The same server differs by a third between two minutes: a quotient of two medians compares two minutes.
        aim = next(aim for aim in aims.AIMS if (aim.work, aim.under) == ("fanout", "bun"))
        self.assertEqual(aims.ratios(aim, RESULT["measurements"], STEP, [STEP]), [0.5, 1.0])
        self.assertEqual(aims.verdict(aim, [0.5, 1.0]), "met")
        self.assertEqual(aims.verdict(aim, [0.9, 1.1, 1.2]), "met within the spread")
        self.assertEqual(aims.verdict(aim, [1.1, 1.2]), "missed")

    def test_what_may_be_exceeded_is_part_of_what_is_compared_with(self):
        # A window adds its length to the latency, whatever that was: a ratio alone would allow more where it was more.
        aim = dataclasses.replace(next(aim for aim in aims.AIMS if (aim.work, aim.under) == ("fanout", "bun")), plus=2.0)
        without = by_round(RESULT["measurements"], STEP, "bun", "cpu_us")
        over = by_round(RESULT["measurements"], STEP, "fanfare", "cpu_us")
        expected = [over[number] / (without[number] + 2.0) for number in over if number in without]
        self.assertEqual(aims.ratios(aim, RESULT["measurements"], STEP, [STEP]), expected)

    def test_each_aim_names_a_figure_that_is_measured(self):
        # An aim with a misspelt entry would say "not measured" for ever.
        for aim in aims.AIMS:
            work = WORKS[aim.work]
            names = [entry.name for entry in work.entries]
            self.assertIn(aim.over, names)
            self.assertTrue(aim.under in (*names, "", "best", "slope", "greatest"), aim)
            self.assertTrue([step for step in work.steps if aim.step in step.name and aim.but not in step.name], aim)


class ThePlots(unittest.TestCase):
    def test_a_plot_is_well_formed_whatever_the_names_are(self):
        # A page shows nothing of an SVG with one wrong character.
        tree.fromstring(plots.bars("a < b & 'c'", [("<g>", [("fanfare & co", 1.0, 0.5, 2.0), ("zero", 0, 0, 0)])], ".1f"))
        tree.fromstring(plots.bars("nothing", [], ".1f"))
