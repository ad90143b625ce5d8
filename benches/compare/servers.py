"""The servers: what each is, how it is started, and where it is spoken to.

A `Running` owns the processes of one server from their start to their end, and a folder of its own for settings. Every measurement has a
fresh one. Bounds: loopback only, ports that no client is given, so many starts, so many seconds to listen and to end.
"""

import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import install, machine
from .paths import RESULTS, SETTINGS, Stop

KEY = "X-API-Key: key-of-the-comparison"
LISTEN_SECONDS_MAX = 20
END_SECONDS_MAX = 8
# Who finds its port taken ends; with other ports it is started again.
STARTS_MAX = 3
PORT_MIN = 10_000
PORT_TRIES = 100


def free_port(taken=()):
    """Below those that the system gives to clients: between this look and the server's start a thousand of them may come."""
    end = machine.first_client_port()
    for _ in range(PORT_TRIES):
        # Where there is no room below, the system chooses, and a second start has to do.
        wanted = random.randrange(PORT_MIN, end) if end - PORT_MIN > PORT_TRIES else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            if probe.getsockname()[1] not in taken:
                return probe.getsockname()[1]
    raise Stop(f"no port from {PORT_MIN} to {end} is free")


class Place:
    """What a server is told: its folder, its ports, its cores, and the words that turn something on."""

    def __init__(self, folder, cores=(machine.SERVER_CORE,), words=()):
        self.folder, self.cores, self.words, self.ports = Path(folder), tuple(cores), tuple(words), {}

    def port(self, name="port"):
        """A free one, the same for the same name."""
        if name not in self.ports:
            self.ports[name] = free_port(self.ports.values())
        return self.ports[name]

    def file(self, name, **values):
        """A file of settings with what stands in braces filled in; where it lies now."""
        text = (SETTINGS / name).read_text()
        for key, value in {"folder": self.folder, "workers": len(self.cores), **values}.items():
            # In JSON a number stands in quotes until it is one.
            text = text.replace(f'"{{{key}}}"', str(value)) if name.endswith(".json") else text.replace(f"{{{key}}}", str(value))
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Server:
    """One of those that are compared."""

    name: str
    # As the tables say it.
    title: str
    # Its version, once it is installed.
    version: Callable[[], str]
    # Makes ready what it needs; raises `Missing`.
    install: Callable[[], None]
    # The command lines that are started for it, in turn.
    commands: Callable[[Place], list]
    # Beyond the environment, for all of them.
    environment: Callable[[Place], dict] = lambda place: {}
    # No push server, but what a part of the work costs by itself: in the tables of that work alone.
    is_baseline: bool = False


def first_line(*words):
    return (install.run(words).splitlines() or ["?"])[0].strip()


def npm_version(package):
    text = (install.node_modules() / package / "package.json").read_text()
    return text.split('"version": "', 1)[1].split('"', 1)[0]


def fanfare(place):
    cert, key = install.certificate()
    settings = place.file("fanfare.toml", port=place.port(), tls_port=place.port("tls"), cert=cert, key=key)
    return [[install.fanfare(), "--config", settings]]


def fanfare_behind_nginx(place):
    cert, key = install.certificate()
    settings = place.file("proxy.conf", port=place.port(), proxy_port=place.port("tls_proxy"), cert=cert, key=key)
    return [*fanfare(place), [install.nginx(), "-c", settings, "-p", str(place.folder)]]


def nchan(place):
    settings = place.file("nchan.conf", port=place.port(), module=install.nchan(), deflate="on" if "deflate" in place.words else "off")
    return [[install.nginx(), "-c", settings, "-p", str(place.folder)]]


def centrifugo(place):
    return [[install.centrifugo(), "-c", place.file("centrifugo.json", port=place.port())]]


def bun(place):
    words = ["deflate"] if "deflate" in place.words else []
    if "tls" in place.words:
        words += ["tls", *install.certificate()]
    return [[install.bun(), str(SETTINGS / "bun.js"), str(place.port()), *words]]


def baseline(way):
    return lambda place: [[install.baseline(), str(place.port()), way]]


def node(script):
    return lambda place: [["node", str(SETTINGS / script), str(place.port()), *place.words]]


SERVERS = {
    server.name: server
    for server in (
        Server("fanfare", "fanfare", lambda: first_line(install.fanfare(), "--version"),
               lambda: (install.fanfare(), install.certificate()), fanfare),
        Server("plain", "plain actix-web-actors", lambda: "benches/compare/src/bin/plain.rs", install.plain,
               lambda place: [[install.plain(), str(place.port())]]),
        Server("ws", "ws on Node", lambda: f"{npm_version('ws')}, Node {first_line('node', '--version')}", install.node_modules,
               node("ws.mjs")),
        Server("socketio", "Socket.IO on Node", lambda: f"{npm_version('socket.io')}, Node {first_line('node', '--version')}",
               install.node_modules, node("socketio.mjs")),
        Server("bun", "Bun (uWebSockets)", lambda: first_line(install.bun(), "--version"),
               lambda: (install.bun(), install.certificate()), bun),
        Server("nchan", "nchan in nginx", lambda: f"{install.nchan_version()}, in {first_line(install.nginx(), '-v').removeprefix('nginx version: ')}",
               lambda: (install.nginx(), install.nchan()), nchan),
        Server("centrifugo", "Centrifugo", install.centrifugo_version, install.centrifugo, centrifugo,
               lambda place: {"GOMAXPROCS": str(len(place.cores))}),
        Server("actix", "actix-web that only answers", lambda: "benches/compare/src/bin/baseline.rs", install.baseline, baseline("actix"),
               is_baseline=True),
        Server("socket", "a read and a write", lambda: "benches/compare/src/bin/baseline.rs", install.baseline, baseline("socket"),
               is_baseline=True),
        Server("proxied", "fanfare behind nginx", lambda: "the same fanfare and nginx", lambda: (install.nginx(), install.fanfare(), install.certificate()),
               fanfare_behind_nginx),
    )
}


def answers(port, is_tls):
    """Whether anything comes back by HTTP. A connection alone says little: nginx listens before it has workers, and then their
    time would be nobody's."""
    with socket.create_connection(("127.0.0.1", port), 1) as stream:
        if is_tls:
            # It is our own, signed by itself.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            stream = context.wrap_socket(stream)
        stream.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return bool(stream.recv(1))


class Running:
    """A server that runs, with all its processes."""

    def __init__(self, name, cores=(machine.SERVER_CORE,), words=()):
        self.server, self.cores, self.words = SERVERS[name], cores, words
        self.processes, self.log, self.place = [], None, None

    def __enter__(self):
        for start in range(1, STARTS_MAX + 1):
            try:
                self.start()
                return self
            except Stop:
                ended = any(process.poll() is not None for process in self.processes)
                self.__exit__()
                if not ended or start == STARTS_MAX:
                    raise
            except BaseException:
                self.__exit__()
                raise

    def start(self):
        self.place = Place(tempfile.mkdtemp(prefix=f"fanfare-compare-{self.server.name}-"), self.cores, self.words)
        # nginx gives its rights away, and still has to reach it.
        self.place.folder.chmod(0o755)
        RESULTS.mkdir(exist_ok=True)
        self.log = open(RESULTS / f"{self.server.name}.log", "w")
        # FANFARE_BIN and its like are ours, not settings of the server.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FANFARE_")}
        environment.update(self.server.environment(self.place))
        for words in self.server.commands(self.place):
            self.processes.append(subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, self.cores)), *words], cwd=self.place.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT))
        for name, port in self.place.ports.items():
            self.wait_for(name, port)

    def wait_for(self, name, port):
        end = time.monotonic() + LISTEN_SECONDS_MAX
        while time.monotonic() < end and all(process.poll() is None for process in self.processes):
            try:
                # Whoever else took the port may answer as well.
                if answers(port, is_tls=name != "port" or "tls" in self.words) and machine.listens(self.pids(), port):
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise Stop(f"{self.server.name} does not listen; see results/{self.server.name}.log")

    def pids(self):
        """All its processes, those that it has started itself as well (nginx: master and workers)."""
        return [pid for process in self.processes for pid in machine.descendants(process.pid)]

    def url(self, scheme, path, port="port"):
        return f"{scheme}://127.0.0.1:{self.place.port(port)}{path}"

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.end(process)
        self.processes = []
        if self.log:
            self.log.close()
        if self.place:
            shutil.rmtree(self.place.folder, ignore_errors=True)

    @staticmethod
    def end(process):
        if process.poll() is not None:
            return
        started = machine.descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            # Its children would outlive it.
            machine.kill(started)
            process.wait()
