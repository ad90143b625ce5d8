"""What the comparison needs: found where it is, else built or installed; `Missing` where it cannot be had.

Nothing is installed into the system but nginx and openssl, where there is none; everything else goes to `installed/`,
`servers/node_modules` and cargo's target directory. A second run installs nothing. Bounds: what a command is given to end in.
"""

import functools
import mmap
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import machine
from .paths import HERE, INSTALLED, ROOT, SETTINGS, Missing, Stop, say

CENTRIFUGO = "6.9.1"
# What a Centrifugo says that nobody told its version.
UNVERSIONED = "0.0.0"
GO = (1, 26)
NCHAN = "libnginx-mod-nchan"
NCHAN_MODULE = "usr/lib/nginx/modules/ngx_nchan_module.so"
NCHAN_VERSION = INSTALLED / "nchan.version"
# Centrifugo takes five minutes on two cores.
INSTALL_SECONDS_MAX = 15 * 60


def run(words, cwd=HERE, environment=None):
    """What a command says; `Missing` where it cannot be started, fails or does not end."""
    words = list(map(str, words))
    try:
        process = subprocess.Popen(words, cwd=cwd, env={**os.environ, **(environment or {})}, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise Missing(f"{error.filename or words[0]} cannot be started: {error.strerror}") from error
    with process:
        try:
            told, errors = process.communicate(timeout=INSTALL_SECONDS_MAX)
        except BaseException as error:
            # What it has started would outlive it, and take the cores of what is measured next.
            machine.kill(machine.descendants(process.pid))
            if isinstance(error, subprocess.TimeoutExpired):
                raise Missing(f"`{' '.join(words)}` did not end within {INSTALL_SECONDS_MAX / 60:.0f} minutes") from error
            raise
    if process.returncode != 0:
        last = "\n".join([*told.splitlines(), *errors.splitlines()][-5:])
        raise Missing(f"`{' '.join(words)}` failed:\n{last}")
    return told or errors


def build(directory, *binaries):
    """A release build; the directory that it went to."""
    say(f"building {', '.join(binaries)} (release)")
    words = ["cargo", "build", "--release", "--locked", "--quiet"]
    for name in binaries:
        words += ["--bin", name]
    try:
        done = subprocess.run(words, cwd=directory, check=False)
    except OSError as error:
        raise Stop(f"cargo is needed, and cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        raise Stop(f"cargo build failed in {directory}")
    return Path(os.environ.get("CARGO_TARGET_DIR") or directory / "target") / "release"


def named(variable):
    """A program that the environment names."""
    path = os.environ.get(variable)
    if path and not Path(path).is_file():
        raise Stop(f"{variable} names {path}, which is not there")
    return path


@functools.lru_cache(None)
def of_this_repository(binary, variable):
    return named(variable) or str(build(ROOT, binary) / binary)


def fanfare():
    return of_this_repository("fanfare", "FANFARE_BIN")


def load():
    return of_this_repository("fanfare-load", "FANFARE_LOAD_BIN")


@functools.lru_cache(None)
def plain():
    return named("PLAIN_BIN") or str(build(HERE, "plain") / "plain")


@functools.lru_cache(None)
def baseline():
    return named("BASELINE_BIN") or str(build(HERE, "baseline") / "baseline")


@functools.lru_cache(None)
def node_modules():
    """`npm ci`, when the lock file is not the one that was installed last. Answers the folder of programs."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Missing("Node.js and npm are needed (version 20 or newer)")
    lock, stamp = SETTINGS / "package-lock.json", SETTINGS / "node_modules" / ".installed-lock.json"
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        say("npm ci in servers (ws, Socket.IO, Bun)")
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], SETTINGS)
        shutil.copy(lock, stamp)
    return SETTINGS / "node_modules"


@functools.lru_cache(None)
def bun():
    path = named("BUN_BIN") or str(node_modules() / ".bin" / "bun")
    run([path, "--version"])
    return path


@functools.lru_cache(None)
def centrifugo():
    """Centrifugo, the one that the environment names or that of `CENTRIFUGO`."""
    path = named("CENTRIFUGO_BIN") or str(INSTALLED / "bin" / "centrifugo")
    if not Path(path).is_file():
        if not shutil.which("go"):
            raise Missing("Go 1.26 is needed to build it")
        version = run(["go", "env", "GOVERSION"]).strip().removeprefix("go")
        if tuple(map(int, version.split(".")[:2])) < GO:
            raise Missing(f"Go 1.26 is needed to build it, this is {version}")
        say(f"go install of Centrifugo {CENTRIFUGO}: five minutes, once")
        run(["go", "install", f"github.com/centrifugal/centrifugo/v6@v{CENTRIFUGO}"],
            environment={"GOBIN": str(INSTALLED / "bin"), "GOTOOLCHAIN": "local"})
    return path


def centrifugo_version():
    """The binary's own, which CENTRIFUGO_BIN may name at any version."""
    found = re.search(r"v([0-9]\S*)", run([centrifugo(), "version"]))
    if not found:
        raise Missing(f"{centrifugo()} tells no version")
    if found.group(1) != UNVERSIONED:
        return found.group(1)
    # Only Centrifugo's own releases are told their version by the linker; of what `go install` built the compiler wrote the module's.
    with open(centrifugo(), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        module = re.search(rb"mod\tgithub\.com/centrifugal/centrifugo/v\d+\tv([^\t\n]+)", data)
        return module.group(1).decode() if module else f"{UNVERSIONED}, a build without a version"


def apt(package, *steps):
    """Steps of apt-get, which have a package as their aim; `Missing` names it."""
    if not shutil.which("apt-get"):
        raise Missing(f"{package} is needed, and this is no Debian or Ubuntu: install it yourself")
    INSTALLED.mkdir(exist_ok=True)
    for step in steps:
        # Only a download needs no rights, and writes where we are.
        rights = [] if os.geteuid() == 0 or step[0] == "download" else ["sudo", "-n"]
        try:
            run([*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *step], INSTALLED)
        except Missing as missing:
            raise Missing(f"{package} is needed: {missing}") from missing


@functools.lru_cache(None)
def system_program(name):
    """A program that the system has, or that apt-get brings."""
    if not on_path(name):
        say(f"apt-get install {name}")
        apt(name, ["update"], ["install", "-y", "--no-install-recommends", name])
    if not on_path(name):
        raise Missing(f"{name} is needed, and apt-get did not bring it")
    return on_path(name)


def on_path(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def nginx():
    return named("NGINX") or system_program("nginx")


@functools.lru_cache(None)
def nchan():
    """The module: the system's, else unpacked from Debian's package beside us, so that no other nginx loads it."""
    for path in (Path("/") / NCHAN_MODULE, INSTALLED / "nchan" / NCHAN_MODULE):
        if path.is_file():
            return str(path)
    say(f"fetching {NCHAN} from Debian")
    try:
        apt(NCHAN, ["download", NCHAN])
    except Missing:
        apt(NCHAN, ["update"], ["download", NCHAN])
    package = next(INSTALLED.glob(f"{NCHAN}_*.deb"))
    run(["dpkg", "-x", package, INSTALLED / "nchan"])
    NCHAN_VERSION.write_text(run(["dpkg-deb", "--field", package, "Version"]))
    package.unlink()
    return str(INSTALLED / "nchan" / NCHAN_MODULE)


def nchan_version():
    """Debian's, without its epoch; what was not unpacked here is the system's."""
    nchan()
    if (Path("/") / NCHAN_MODULE).is_file():
        return run(["dpkg-query", "--show", "--showformat=${Version}", NCHAN]).strip().split(":")[-1]
    return NCHAN_VERSION.read_text().strip().split(":")[-1] if NCHAN_VERSION.is_file() else "Debian's"


@functools.lru_cache(None)
def certificate():
    """A certificate for loopback and its key, made once."""
    folder = INSTALLED / "tls"
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not (cert.is_file() and key.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        run([system_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert])
    return str(cert), str(key)
