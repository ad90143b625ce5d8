"""What cannot be had leaves its server out, and nothing else."""

import contextlib
import dataclasses
import io
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from compare import install, main, servers
from compare.paths import Missing, Stop


class WhatCannotBeHad(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        quiet = contextlib.redirect_stderr(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def test_a_program_that_is_not_there_leaves_its_server_out_with_its_name(self):
        # A comparison of an hour must not end in a traceback for one server of eight.
        fake = dataclasses.replace(servers.SERVERS["bun"], name="fake", install=lambda: install.run(["no-such-program", "--version"]))
        good = dataclasses.replace(fake, name="good", install=lambda: None, version=lambda: servers.first_line("echo", "1.0"))
        with mock.patch.dict(main.SERVERS, {"fake": fake, "good": good}):
            found, left_out = main.installed(["fake", "good"])
        self.assertEqual(found, {"good": "1.0"})
        self.assertIn("no-such-program", left_out["fake"])
        with self.assertRaisesRegex(Missing, "no-such-program"):
            servers.first_line("no-such-program", "-v")

    def test_what_does_not_end_is_missing_and_ends_with_all_that_it_started(self):
        # The compilers of a `go install` that was given up would run on both cores beside what is measured next.
        child = self.folder / "child"
        with mock.patch.object(install, "INSTALL_SECONDS_MAX", 0.5), self.assertRaisesRegex(Missing, "`sh .*did not end within"):
            install.run(["sh", "-c", f"sleep 600 & echo $! > {child}; wait"])
        state = Path("/proc", child.read_text().strip(), "stat")
        end = time.monotonic() + 5
        # Who took it over may not have waited for it yet.
        while time.monotonic() < end and state.is_file() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z":
            time.sleep(0.01)
        self.assertTrue(not state.is_file() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z")

    def test_what_fails_says_its_last_words(self):
        with self.assertRaisesRegex(Missing, "(?s)`sh .*failed:.*no room"):
            install.run(["sh", "-c", "echo no room >&2; exit 3"])
        self.assertEqual(install.run(["sh", "-c", "echo out; echo warning >&2"]), "out\n")

    def test_openssl_is_named_where_it_cannot_be_installed(self):
        # Without a certificate fanfare does not start, and every measurement of it would fail by itself.
        install.certificate.cache_clear()
        with mock.patch.multiple(install, INSTALLED=self.folder, on_path=lambda _: None), mock.patch("shutil.which", return_value=None):
            with self.assertRaisesRegex(Missing, "openssl is needed"):
                install.certificate()

    def test_centrifugos_version_is_the_binarys_own(self):
        # CENTRIFUGO_BIN of another version would stand in the document under ours.
        path = self.folder / "centrifugo"
        for says, built, version in (("v5.4.9", "", "5.4.9"), ("v0.0.0", "mod\tgithub.com/centrifugal/centrifugo/v6\tv6.9.0\th1:x=", "6.9.0"),
                                     ("v0.0.0", "", "0.0.0, a build without a version")):
            path.write_text(f"#!/bin/sh\necho 'Centrifugo {says} (Go version: go1.26.0)'\nexit\n{built}\n")
            path.chmod(0o755)
            with mock.patch.object(install, "centrifugo", lambda: str(path)):
                self.assertEqual(install.centrifugo_version(), version)
        path.write_text("#!/bin/sh\necho hello\n")
        with mock.patch.object(install, "centrifugo", lambda: str(path)), self.assertRaisesRegex(Missing, "tells no version"):
            install.centrifugo_version()

    def test_without_cargo_there_is_a_sentence(self):
        with mock.patch("subprocess.run", side_effect=FileNotFoundError(2, "No such file or directory")), self.assertRaisesRegex(Stop, "cargo is needed"):
            install.build(self.folder, "plain")
