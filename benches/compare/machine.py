"""The machine: what every figure depends on, who else is busy on it, and what the kernel says of a process.

Reads /proc and changes nothing but this process's limit of open files, and those processes that it is told to kill. Linux only.
"""

import os
import resource
import shutil
import signal
import sys
from pathlib import Path

from .paths import Stop

SERVER_CORE, LOAD_CORE = 0, 1
# A measurement during which others took more than this share of a core is made again, once.
OTHERS_MAX = 0.10
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def check():
    if not sys.platform.startswith("linux") or not shutil.which("taskset"):
        raise Stop("Linux and taskset are needed: the figures come from /proc")
    if len(os.sched_getaffinity(0)) < 2:
        raise Stop("two cores are needed, one for the server and one for the load")


def raise_file_limit(need):
    """Each client is one file in the load tool and one in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    except (ValueError, OSError):
        pass
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft < need:
        raise Stop(f"{need} open files are needed, the limit is {soft}: raise it (ulimit -n), or use --quick")


def describe():
    """What is quoted with every figure."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal:"))
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20),
        "kernel": os.uname().release,
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
    }


def busy_seconds():
    """CPU time that the whole machine has spent so far, on all cores, time stolen by its host included."""
    fields = [int(word) for word in open("/proc/stat").readline().split()[1:]]
    # user, nice, system, (idle, iowait,) irq, softirq, steal; guest time is in user already.
    return sum(fields[place] for place in (0, 1, 2, 5, 6, 7) if place < len(fields)) / TICKS_PER_SECOND


def own_seconds():
    """That of this process and of those children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def kernel_kib():
    """What the kernel holds in its own tables and for sockets' bytes: both ends of each connection are in it."""
    slab = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("Slab:"))
    pages = next(int(line.split()[-1]) for line in open("/proc/net/sockstat") if line.startswith("TCP:"))
    return slab + pages * os.sysconf("SC_PAGESIZE") // 1024


def resident_kib(pids):
    """Resident memory of these processes together."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            total += next((int(line.split()[1]) for line in file if line.startswith("VmRSS:")), 0)
    return total


def first_client_port():
    """From here on the system gives ports to clients."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def listens(pids, port):
    """Whether one of these processes holds a socket that listens on this port of 127.0.0.1."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port}
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if os.readlink(file) in sockets:
                    return True
            except OSError:
                pass  # It was closed in between.
    return False


def descendants(pid):
    """A process and all that it has started, which still run."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                pass
    return found


def kill(pids):
    """Kills these processes, of which the first may have started the others."""
    for pid in reversed(pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # It has ended, or has taken other rights.
