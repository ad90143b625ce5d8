"""What is made of the load tool's figures."""

import http.server
import json
import threading
import unittest

from unittest import mock

from compare.measure import Workers, balance, rate_of, user_figures, words
from compare.works import WORKS


class TwoWorkers(unittest.TestCase):
    def test_balance_is_the_greatest_over_the_mean_of_the_busiest(self):
        # The threads that only write the log would make any two workers look uneven.
        self.assertEqual(balance([3.0, 0.01, 1.0, 0.0], 2), 1.5)
        self.assertEqual(balance([2000, 2000]), 1.0)
        self.assertIsNone(balance([7]), "one worker is no balance")
        self.assertIsNone(balance([]), "nothing was seen")

    def test_both_ways_have_the_same_cores(self):
        # Two processes on one core had their messages joined by the wait for it, and looked cheaper than they are.
        shares = {entry.name: entry.shares_of_cores() for entry in WORKS["two"].entries}
        self.assertEqual(shares, {"two workers": [(0, 1)], "two processes": [(0,), (1,)]})

    def test_each_message_goes_to_both_processes(self):
        # With a load of its own each process joined twice as many messages in a write: other work.
        work = WORKS["two"]
        (entry,) = [entry for entry in work.entries if entry.processes == 2]
        servers = [mock.Mock(**{"pids.return_value": [pid], "url.side_effect": lambda scheme, path, port="port", at=pid: f"{scheme}://{at}{path}"})
                   for pid in (1, 2)]
        step = work.steps[0]
        with mock.patch("compare.install.load", return_value="load"):
            found = words(step, entry, servers, None)
        urls = [word for place, word in enumerate(found) if found[place - 1] == "--url"]
        self.assertEqual([url.split("/")[2] for url in urls], ["1", "2"])
        self.assertEqual((found[found.index("--pids") + 1], found[found.index("--conns") + 1]), ("1,2", str(step.clients)))

    def test_sessions_by_worker_are_taken_once_all_are_there(self):
        # Half-way through, the two differ by what is just being accepted.
        told = iter([(3, [3, 0]), (4, [3, 1]), (4, [2, 2])])

        class Status(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                sessions, workers = next(told)
                body = json.dumps({"sessions": sessions, "workers": [{"worker": n, "sessions": count} for n, count in enumerate(workers)]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Status) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            watched = Workers(f"http://127.0.0.1:{server.server_port}/status", 4)
            watched.thread.join(10)
            self.assertEqual(watched.end(), [3, 1])
            server.shutdown()
            thread.join()


class OneRate(unittest.TestCase):
    def test_the_rate_that_the_first_round_found_is_kept(self):
        # Rounds at 22.9, 26.2 and 29.6 messages a second stood under one median.
        work = WORKS["latency"]
        highest, step = work.steps

        def bears(entry, number, rate):
            return {"step": highest.name, "entry": entry, "round": number, "deliveries_per_s": rate * highest.clients, "clean": True}
        stood = [bears("fanfare", 1, 900), bears("ws", 1, 60)]
        self.assertEqual(rate_of(work, step, stood), 30.0)
        # Who failed at it has no rate, and changes none.
        stood += [{"step": step.name, "entry": "fanfare", "round": 1, "error": "it does not listen"},
                  {"step": step.name, "entry": "ws", "round": 1, "rate": 30.0, "clean": True}, bears("ws", 2, 40)]
        self.assertEqual(rate_of(work, step, stood), 30.0)
        self.assertIsNone(rate_of(work, highest, stood))
        with self.assertRaises(ValueError):
            rate_of(work, step, [])


class UserTime(unittest.TestCase):
    def test_user_time_carries_its_samples_and_its_error(self):
        # A tenth of a microsecond without its error is met or missed by luck.
        figures = user_figures({"cpu_us": 10.0}, (0.2, 10_000))
        self.assertAlmostEqual(figures["user_us"], 2.0)
        self.assertAlmostEqual(figures["user_error_us"], 0.04)
        self.assertEqual((figures["user_samples"], figures["user_by"]), (10_000, "perf"))
        self.assertAlmostEqual(figures["user_seconds"], 10_000 / 4999)

    def test_without_perf_the_kernels_samples_count(self):
        figures = user_figures({"cpu_us": 10.0, "user_us": 2.0, "user_samples": 400}, None)
        self.assertAlmostEqual(figures["user_error_us"], 0.2)
        self.assertEqual((figures["user_by"], figures["user_seconds"]), ("utime", 4.0))
        self.assertEqual(user_figures({"cpu_us": 10.0}, None), {}, "no samples say nothing")
