"""How a server comes by its ports. The servers of these tests are ten lines of Python that listen and answer."""

import dataclasses
import socket
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from compare import machine, servers
from compare.paths import Stop

LISTENS = """
import socket, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
while True:
    peer = server.accept()[0]
    peer.recv(1000)
    peer.sendall(b"HTTP/1.1 404 Not Found\\r\\n\\r\\n")
    peer.close()
"""


class Ports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        fake = dataclasses.replace(servers.SERVERS["bun"], name="fake", commands=lambda place: [[sys.executable, "-c", LISTENS, str(place.port())]])
        self.patch(servers, SERVERS={"fake": fake}, RESULTS=Path(folder.name))
        self.taken = socket.create_server(("127.0.0.1", servers.free_port()))
        self.addCleanup(self.taken.close)

    def patch(self, where, **values):
        patch = mock.patch.multiple(where, **values)
        patch.start()
        self.addCleanup(patch.stop)

    def test_no_client_is_given_the_port_of_a_server_that_is_to_start(self):
        # 10,000 clients of the measurement before take ports by the thousand: one of them had the server's now and then.
        for _ in range(20):
            self.assertLess(servers.free_port(), machine.first_client_port())

    def test_a_port_that_is_taken_is_another_one_at_the_next_start(self):
        # One lost race would leave a hole in a table, or end a run of an hour.
        taken, free = self.taken.getsockname()[1], servers.free_port()
        self.patch(servers, free_port=mock.Mock(side_effect=[taken, free]))
        with servers.Running("fake") as server:
            self.assertEqual(server.place.port(), free)
            self.assertEqual(len(server.processes), 1)

    def test_who_never_finds_a_free_port_is_told_and_leaves_nothing_behind(self):
        self.patch(servers, free_port=mock.Mock(return_value=self.taken.getsockname()[1]))
        server = servers.Running("fake")
        with self.assertRaises(Stop):
            server.__enter__()
        self.assertEqual((servers.free_port.call_count, server.processes), (servers.STARTS_MAX, []))
        self.assertFalse(server.place.folder.exists())

    def test_a_stranger_on_the_port_is_not_the_server(self):
        # Its answers would be measured under the server's name.
        self.assertFalse(machine.listens([1 << 30], self.taken.getsockname()[1]))
        with servers.Running("fake") as server:
            self.assertTrue(machine.listens(server.pids(), server.place.port()))
            self.assertFalse(machine.listens(server.pids(), self.taken.getsockname()[1]))
