"""The real server of the Python SDK tests, tokens, waiting, and a proxy that cuts. Owned by the test case that starts it.

Bounds: loopback only, 15 s to get ready, 10 s for each wait. Only the standard library.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import math
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTINGS = (HERE / "settings.toml").read_text()
TOKEN_SECRET = re.search(r'^hmac_secret = "(.+)"$', SETTINGS, re.MULTILINE)[1]
API_KEY = re.search(r'^key = "(.+)"$', SETTINGS, re.MULTILINE)[1]
READY_SECONDS_MAX = 15
WAIT_SECONDS_MAX = 10


class Fanfare:
    """A server on a free port with the settings of these tests."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = Path(tempfile.mkdtemp(prefix="fanfare-sdk-"))
        (self.folder / "fanfare.toml").write_text(f'listen = ["127.0.0.1:{self.port}"]\n{SETTINGS}')
        binary = os.environ.get("FANFARE_BIN") or HERE.parent.parent / "target/debug/fanfare"
        # Its variables are for the tests; to the server they would look like misspelt settings.
        env = {name: value for name, value in os.environ.items() if not name.startswith("FANFARE_")}
        self.log = open(self.folder / "fanfare.log", "w+b")
        self.process = subprocess.Popen([binary, "serve", "--config", self.folder / "fanfare.toml"],
                                        stdout=self.log, stderr=subprocess.STDOUT, env=env)
        self.wait_until_ready()

    def wait_until_ready(self):
        end = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        output = (self.folder / "fanfare.log").read_text()
        self.remove()
        raise AssertionError(f"fanfare did not get ready:\n{output}")

    def must_run(self):
        assert self.process.poll() is None, (self.folder / "fanfare.log").read_text()[-4000:]

    def remove(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def token(claims, secret=TOKEN_SECRET):
    """A token (JWT, HS256) with these claims."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")
    signed = b".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


def in_seconds(seconds):
    """Unix seconds from now."""
    return math.ceil(time.time()) + seconds


async def until(what, condition, seconds=WAIT_SECONDS_MAX, detail=lambda: ""):
    """Waits until the condition holds and answers what it gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what} {detail()}"
        await asyncio.sleep(0.02)


class Cut:
    """A TCP proxy on a port of its own that kills what goes through it."""

    def __init__(self, port):
        self.target, self.down, self.writers = port, False, set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.cut()
        self.server.close()

    async def accept(self, reader, writer):
        if self.down:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers |= {writer, far_writer}
        await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer))
        self.writers -= {writer, far_writer}

    @staticmethod
    async def copy(reader, writer):
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    def cut(self):
        self.down = True
        for writer in self.writers:
            writer.transport.abort()

    def mend(self):
        self.down = False
