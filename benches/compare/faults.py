"""Peers that find faults: one that never reads, and one that lies about a length.

Each speaks WebSocket by hand to a server that runs, on loopback, and is bounded in time and bytes. What they look at is the server's memory and
whether it still holds the peer's socket, which a peer that does not read cannot see itself.
"""

import base64
import os
import socket
import struct
import time
from pathlib import Path

from . import machine

PATIENCE_SECONDS = 5
# A client that never reads.
RATE, SIZE = 1000, 1024
WATCHED_SECONDS, QUICK_WATCHED_SECONDS = 30, 4
# A header that lies.
ANNOUNCED = 1 << 40
POURED_BYTES_MAX = 64 << 20
ANSWER_SECONDS = 3
TEXT, BINARY, CLOSE = 1, 2, 8
MASK = b"\x5a\xc3\x17\x8e"


def handshake(port, path="/ws"):
    stream = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        # Byte by byte: what follows belongs to the frames.
        byte = stream.recv(1)
        if not byte:
            raise OSError("the server ended the connection in the handshake")
        head += byte
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise OSError(f"the handshake was refused: {head.splitlines()[0].decode()}")
    return stream


def header(opcode, length):
    if length < 126:
        return bytes([0x80 | opcode, 0x80 | length]) + MASK
    if length < 1 << 16:
        return bytes([0x80 | opcode, 0x80 | 126]) + struct.pack(">H", length) + MASK
    return bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", length) + MASK


def masked(payload):
    keys = (MASK * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(payload), "big")


def frames(data):
    """Whole frames at the start of some bytes, as (opcode, payload), and the rest."""
    found, at = [], 0
    while len(data) - at >= 2:
        length, start = data[at + 1] & 0x7F, at + 2
        if length == 126:
            length, start = int.from_bytes(data[at + 2:at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(data[at + 2:at + 10], "big"), at + 10
        if start + length > len(data):
            break
        found.append((data[at] & 0x0F, bytes(data[start:start + length])))
        at = start + length
    return found, data[at:]


def close_code(payload):
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005


def is_held(server_port, client_port):
    """Whether a process still holds the server's end of this connection: its socket has an inode."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = tuple(int(fields[place].rsplit(":", 1)[1], 16) for place in (1, 2))
        if ports == (server_port, client_port):
            return fields[9] != "0"
    return False


class Driver:
    """Sends at a steady rate, and takes back what the server relays."""

    def __init__(self, port):
        self.stream = handshake(port)
        self.stream.setblocking(False)
        self.frame = header(TEXT, SIZE) + masked(b"x" * SIZE)
        self.began, self.sent, self.received, self.unsent, self.rest = time.monotonic(), 0, 0, b"", b""

    def turn(self):
        due = int((time.monotonic() - self.began) * RATE)
        self.unsent += self.frame * (due - self.sent)
        self.sent = due
        try:
            while self.unsent:
                self.unsent = self.unsent[self.stream.send(self.unsent):]
        except BlockingIOError:
            pass
        self.take()

    def take(self):
        try:
            while data := self.stream.recv(1 << 18):
                found, self.rest = frames(self.rest + data)
                self.received += sum(opcode == TEXT for opcode, _ in found)
        except BlockingIOError:
            pass

    def push_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()
            time.sleep(0.002)


def left_over(stream):
    """The Close's code in what a client finds when it reads after all, or None."""
    stream.settimeout(PATIENCE_SECONDS)
    code, rest = None, b""
    try:
        while data := stream.recv(1 << 18):
            found, rest = frames(rest + data)
            code = next((close_code(payload) for opcode, payload in found if opcode == CLOSE), code)
    except OSError:
        pass
    return code


def never_reads(server, is_quick):
    """A client that never reads, under a steady push."""
    port, pids = server.place.port(), server.pids()
    driver = Driver(port)
    driver.push_for(0.5 if is_quick else 2)
    before = machine.resident_kib(pids)
    stuck = handshake(port)
    client_port, began, peak, gone = stuck.getsockname()[1], time.monotonic(), before, None
    watched = QUICK_WATCHED_SECONDS if is_quick else WATCHED_SECONDS
    while gone is None and time.monotonic() - began < watched:
        driver.push_for(0.05)
        peak = max(peak, machine.resident_kib(pids))
        if not is_held(port, client_port):
            gone = time.monotonic() - began
    driver.push_for(0.5 if is_quick else 2)
    after = machine.resident_kib(pids)
    code = left_over(stuck) if gone is not None else None
    stuck.close()
    driver.stream.close()
    return {"gone_after_s": gone, "watched_s": watched, "rss_kib_grown": peak - before, "rss_kib_kept": after - before,
            "close_code": code, "driver_received": driver.received}


def header_2_40(server, _is_quick):
    """The header of a message of 2^40 bytes, with payload behind it as a real sender would have it."""
    port, pids = server.place.port(), server.pids()
    # One session before, so that what the first one costs is not counted as the lie's.
    handshake(port).close()
    before = peak = machine.resident_kib(pids)
    stream = handshake(port)
    stream.setblocking(False)
    chunk, unsent, rest, code, poured = b"\x55" * (64 << 10), header(BINARY, ANNOUNCED), b"", None, 0
    last, is_open = time.monotonic(), True
    while is_open and time.monotonic() - last < ANSWER_SECONDS:
        try:
            # Once there is an answer, or the bound is reached, it only listens.
            if unsent or (code is None and poured < POURED_BYTES_MAX):
                unsent = unsent or chunk
                count = stream.send(unsent)
                unsent, poured, last = unsent[count:], poured + count, time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            poured, unsent = max(poured, POURED_BYTES_MAX), b""
        try:
            data = stream.recv(4096)
            is_open = bool(data)
            found, rest = frames(rest + data)
            code = next((close_code(payload) for opcode, payload in found if opcode == CLOSE), code)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            is_open = False
        peak = max(peak, machine.resident_kib(pids))
    stream.close()
    return {"close_code": code, "kib_taken": poured // 1024, "rss_kib_grown": peak - before}


FAULTS = {"never_reads": never_reads, "header_2_40": header_2_40}
