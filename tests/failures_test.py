"""python3 -m unittest discover -s tests -p '*_test.py'"""

import unittest

from failures import FAILURES_MAX, LINES_MAX, Failures

CARGO = """
running 2 tests
test listener::a_name ... FAILED
test listener::another ... ok

failures:

---- listener::a_name stdout ----

thread 'listener::a_name' (7) panicked at tests/wire/listener.rs:495:5:
assertion `left == right` failed
  left: 5
 right: 6
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    listener::a_name

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 1 test
test later ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
"""

NODE = """
✖ a page that waits (30012.1ms)
ℹ tests 2
ℹ fail 1

✖ failing tests:

test at page.test.mjs:12:1
✖ a page that waits (30012.1ms)
  AssertionError [ERR_ASSERTION]: not there
      at TestContext.<anonymous> (file:///page.test.mjs:14:3)
    generatedMessage: false,
    actual: 1,
"""


def lines_of(language, text):
    failures = Failures(language)
    for line in text.splitlines(keepends=True):
        failures.read(line)
    return failures.lines()


class WhatFailed(unittest.TestCase):
    def test_a_failed_test_of_cargo_is_told_with_its_name_and_why(self):
        self.assertEqual(
            lines_of("cargo", CARGO),
            ["---- listener::a_name stdout ----", "thread 'listener::a_name' (7) panicked at tests/wire/listener.rs:495:5:",
             "assertion `left == right` failed", "  left: 5", " right: 6"],
        )

    def test_a_failed_test_of_node_is_told_without_the_stack(self):
        self.assertEqual(
            lines_of("node", NODE),
            ["test at page.test.mjs:12:1", "✖ a page that waits (30012.1ms)", "  AssertionError [ERR_ASSERTION]: not there",
             "    actual: 1,"],
        )

    def test_what_a_test_printed_and_a_list_of_its_own_do_not_hide_why_it_failed(self):
        printed = "".join(f"step {number}\n" for number in range(50)) + "failures:\n    an::inner_one\n"
        text = CARGO.replace("stdout ----\n", "stdout ----\n" + printed)
        self.assertEqual(lines_of("cargo", text), lines_of("cargo", CARGO))

    def test_lines_of_an_assertion_that_look_like_a_stack_are_told(self):
        text = CARGO.replace("  left: 5\n", "  left: 5\n  1: expected\n   at the end of it\n")
        self.assertEqual(lines_of("cargo", text)[3:6], ["  left: 5", "  1: expected", "   at the end of it"])

    def test_a_binary_that_aborts_is_told_beside_a_test_that_failed(self):
        text = CARGO + "thread 'x' has overflowed its stack\nprocess didn't exit successfully: `x` (signal: 6, SIGABRT)\n"
        lines = lines_of("cargo", text + "test later ... ok\n" * 30)
        self.assertEqual(lines[0], "---- listener::a_name stdout ----")
        self.assertEqual(lines[-1], "process didn't exit successfully: `x` (signal: 6, SIGABRT)")
        self.assertIn("thread 'x' has overflowed its stack", lines)

    def test_of_what_broke_before_a_test_failed_the_last_lines_are_told(self):
        text = "".join(f"line {number}\n" for number in range(30))
        for language in ("cargo", "node", "rig"):
            self.assertEqual(lines_of(language, text), [f"line {number}" for number in range(30 - LINES_MAX, 30)])

    def test_many_failures_and_long_ones_are_bounded(self):
        one = "---- a stdout ----\n" + "x\n" * 100
        lines = lines_of("cargo", "failures:\n" + one * (FAILURES_MAX + 3))
        self.assertEqual(len(lines), FAILURES_MAX * LINES_MAX + 1)
        self.assertEqual(lines[-1], "and 3 more")
        self.assertLess(len(lines_of("rig", "y" * 10_000)[0]), 500)


if __name__ == "__main__":
    unittest.main()
