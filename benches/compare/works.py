"""The works: who does which, in which steps, and what of each measurement the tables show.

Pure data. A `Work` has `Entry`s, the ways in which servers do it, and `Step`s, its sizes; every entry does every step in every round. What a
step asks of the load tool stands here as its options. A step lasts so many seconds or so many messages, so that the whole run has a bound.
They stand in the order in which they are done: what matters most comes first, should the time not be enough.
"""

from dataclasses import dataclass, replace

from .servers import KEY

# Everything of `--quick` is smaller by these.
QUICK_CLIENTS, QUICK_SECONDS = 10, 6


@dataclass(frozen=True)
class Entry:
    """One way of one server to do a work."""

    name: str
    server: str
    protocol: str = "raw"
    scheme: str = "ws"
    # `{channel}` is filled in by the load tool.
    path: str = "/ws"
    port: str = "port"
    # Turned on in the server.
    words: tuple = ()
    # More of the load tool's options; `{http}` is the server's address by HTTP.
    options: tuple = ()
    cores: tuple = (0,)
    load_cores: tuple = (1,)
    # So many processes of the server share the clients, and the cores.
    processes: int = 1

    def shares_of_cores(self):
        """The cores of each process."""
        return [self.cores[index::self.processes] for index in range(self.processes)]


@dataclass(frozen=True)
class Step:
    """One size of a work."""

    name: str
    mode: str
    clients: int
    options: tuple = ()
    # For these entries alone.
    only: tuple = ()
    # A step of this work, from whose results in the first round the rate is taken: half of the lowest of the highest.
    rate_from: str = ""


@dataclass(frozen=True)
class Column:
    """A figure that the tables show: its name in the results, its title, its form, and whether less is better."""

    key: str
    title: str
    form: str
    less: bool = True


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    about: str
    entries: tuple
    steps: tuple
    quick_steps: tuple
    columns: tuple
    # How it is measured: `load`, `user` or a fault's name.
    kind: str = "load"
    rounds: int = 3
    # Not without being asked for.
    only_by_name: bool = False
    # The column that is drawn.
    plot: str = ""
    # What the report derives: `slope` is the growth from the first step to the last, `error` what samples leave open.
    derive: str = ""
    # Why those that do not do it here do not.
    absent: str = ""

    def sizes(self, is_quick):
        return self.quick_steps if is_quick else self.steps


CPU = Column("cpu_us", "CPU µs/delivery", ".3f")
RATE = Column("deliveries_per_s", "deliveries/s", ",.0f", less=False)
P50 = Column("p50_us", "p50 µs", ",.0f")
P99 = Column("p99_us", "p99 µs", ",.0f")
P9999 = Column("p9999_us", "p99.99 µs", ",.0f")
LOAD = Column("load_busy", "load's core busy", ".2f")

IN_CHANNELS = "?channel={channel}"
CENTRIFUGE = "/connection/websocket"
PROTOBUF = CENTRIFUGE + "?format=protobuf"
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"


def entries(echo=False, channels=False):
    """Each server in the way that it does fastest what is asked."""
    path = ("/echo" if echo else "/ws") + (IN_CHANNELS if channels else "")
    found = [Entry(name, name, path=path) for name in ("fanfare", "plain", "ws", "bun")]
    found.append(Entry("socketio", "socketio", "socketio",
                       path=SOCKETIO + ("&echo=1" if echo else "") + ("&channel={channel}" if channels else "")))
    if not echo:
        found.append(Entry("nchan", "nchan", path="/ws/{channel}"))
        found.append(Entry("centrifugo", "centrifugo", "centrifuge-json", path=CENTRIFUGE))
    # The plain server knows neither channels nor echo.
    return tuple(entry for entry in found if not ((echo or channels) and entry.server == "plain"))


def one(found, *names):
    return tuple(entry for entry in found if entry.name in names)


def lasts(is_quick, seconds):
    return ("--duration", f"{seconds / QUICK_SECONDS:.2f}" if is_quick else str(seconds))


def scaled(is_quick, clients):
    return max(1, clients // QUICK_CLIENTS) if is_quick else clients


def steps(make):
    """The steps in full and in small."""
    return {"steps": tuple(make(False)), "quick_steps": tuple(make(True))}


def named(is_quick, clients, words=""):
    return f"{scaled(is_quick, clients):,} clients{words}"


def fan(sizes, in_flights, seconds=3, more=()):
    def make(is_quick):
        for clients in sizes:
            # In small, four in flight say nothing that one and sixteen do not.
            for in_flight in [k for k in in_flights if not (is_quick and k == 4 and len(in_flights) > 2)]:
                yield Step(named(is_quick, clients, f", {in_flight} in flight"), "fanout", scaled(is_quick, clients),
                           ("--in-flight", str(in_flight), "--warm-up", "20" if clients <= 1000 else "5", *lasts(is_quick, seconds), *more))
    return make


def echo(is_quick):
    for clients in (100, 1000):
        if not (is_quick and clients == 100):
            yield Step(named(is_quick, clients), "echo", scaled(is_quick, clients), lasts(is_quick, 3))


def idle(is_quick):
    for clients in (3000, 9000):
        yield Step(named(is_quick, clients), "idle", scaled(is_quick, clients), lasts(is_quick, 3))


def connect(is_quick):
    yield Step(named(is_quick, 10_000), "connect", scaled(is_quick, 10_000))


def channels(is_quick):
    count = scaled(is_quick, 1000)
    yield Step(named(is_quick, 10_000, f" in {count:,} channels, a message a second each"), "fanout", scaled(is_quick, 10_000),
               ("--channels", str(count), "--rate", str(count), *lasts(is_quick, 6)))


def publish(is_quick):
    for kept, history in (("load-{n}", "without history"), ("kept:load-{n}", "with history")):
        for clients in (0, 1):
            # What answers and does nothing else has nobody to deliver to.
            only = () if (history, clients) == ("without history", 0) else ("fanfare", "fanfare, raw publish", "centrifugo", "nchan")
            yield Step(f"{history}, {clients} subscriber{'' if clients == 1 else 's'}", "publish", clients,
                       ("--in-flight", "16", "--channel", kept, *lasts(is_quick, 3)), only=only)


def latency(is_quick):
    clients = scaled(is_quick, 1000)
    yield Step("highest", "fanout", clients, ("--in-flight", "16", "--warm-up", "20", *lasts(is_quick, 2)))
    yield Step("at one rate", "fanout", clients, lasts(is_quick, 6), rate_from="highest")


def never(is_quick):
    clients = scaled(is_quick, 500)
    # One client in a hundred; of fifty there is no such part.
    for share in (0, 2 if is_quick else 1):
        yield Step(f"{share} % never reading", "fanout", clients,
                   ("--rate", "40", "--size", "16384", "--never-read", str(share), *lasts(is_quick, 9)))


def window(is_quick):
    # As many as one sees of them, and a rate at which neither is the limit.
    yield Step(named(is_quick, 200, ", 400 messages a second"), "fanout", scaled(is_quick, 200),
               ("--rate", "400", "--warm-up", "20", *lasts(is_quick, 6)))


def storm(is_quick):
    yield Step(named(is_quick, 10_000), "storm", scaled(is_quick, 10_000), ("--messages", "20", "--channel", "kept:load-{n}",
                                                                            "--patience", "30s"))


def two(is_quick):
    # At a rate that both bear, a write takes one message at either; in flight, several.
    yield Step(named(is_quick, 4000, ", 10 messages a second"), "fanout", scaled(is_quick, 4000),
               ("--rate", "10", "--warm-up", "10", *lasts(is_quick, 4)))
    yield Step(named(is_quick, 4000, ", 4 in flight"), "fanout", scaled(is_quick, 4000),
               ("--in-flight", "4", "--warm-up", "20", *lasts(is_quick, 4)))


def user(is_quick):
    # 24 s in five rounds, of a server that is busy for half of them, are the minute of its time that a sampled share needs.
    for step in fan((1000, 10_000), (1, 4, 16), seconds=25)(is_quick):
        yield replace(step, only=("fanfare", "bun"))
    for clients in (100, 1000):
        yield Step(named(is_quick, clients, ", echo"), "echo", scaled(is_quick, clients), lasts(is_quick, 25),
                   only=("fanfare, echo", "bun, echo"))


def fault(is_quick):
    yield Step("one peer", "fault", 1)


RELAY = entries()
FANFARE_JSON = Entry("fanfare, JSON", "fanfare", "centrifuge-json", path=CENTRIFUGE)
FANFARE_PROTOBUF = Entry("fanfare, Protobuf", "fanfare", "centrifuge-protobuf", path=PROTOBUF)
CENTRIFUGO_JSON = Entry("centrifugo, JSON", "centrifugo", "centrifuge-json", path=CENTRIFUGE)
CENTRIFUGO_PROTOBUF = Entry("centrifugo, Protobuf", "centrifugo", "centrifuge-protobuf", path=PROTOBUF)

# A namespace of servers/fanfare.toml.
WINDOWED = ("--channel", "window:load-{n}")
PUBLISH_API = ("--publish-url", "{http}/api/publish", "--publish-header", KEY, "--publish-header", "Content-Type: application/json",
               "--publish-body", '{"channel":"{channel}","data":"{data}"}')
PUBLISH_RAW = ("--publish-url", "{http}/api/channels/{channel}", "--publish-header", KEY)
PUBLISH_NCHAN = ("--publish-url", "{http}/pub/{channel}")

WORKS = {
    work.name: work
    for work in (
        Work("fanout", "Fan-out of one channel",
             "Client 0 sends a message of 128 bytes over its WebSocket and everyone gets it, client 0 included; with K in flight, K messages "
             "are under way at a time. CPU is the server's, all its processes and threads, user and system. Latency is closed-loop: from "
             "the sending to each receipt. Centrifugo, whose clients speak its protocol in JSON, joins up to 16 messages in a frame by default.",
             RELAY, **steps(fan((1000, 10_000), (1, 4, 16))), columns=(CPU, RATE, P50, P99, LOAD), plot="cpu_us"),
        Work("protocol", "The Centrifuge protocol",
             "One channel, as fan-out above, through the Centrifuge protocol in JSON and in Protobuf, with fanfare's raw endpoint beside them.",
             (RELAY[0], FANFARE_JSON, FANFARE_PROTOBUF, CENTRIFUGO_JSON, CENTRIFUGO_PROTOBUF),
             **steps(fan((1000,), (1, 4, 16))), columns=(CPU, RATE, P99), plot="cpu_us",
             absent="Nobody but Centrifugo speaks this protocol."),
        Work("idle", "Idle memory",
             "Clients that are connected and silent. The figure is the slope of the proportional set size (PSS) between the two numbers of "
             "clients, so that what a server takes at its start is no part of it. Beside it stands what the kernel holds for both ends of a "
             "connection, which is the same for everyone. Those of the Centrifuge protocol are subscribed to one channel.",
             (*RELAY[:-1], FANFARE_JSON, CENTRIFUGO_JSON), **steps(idle), rounds=2,
             columns=(Column("pss_kb_per_conn", "KiB/client", ",.2f"), Column("kernel_kb_per_conn", "kernel, both ends, KiB", ",.1f")),
             derive="slope", plot="pss_kb_per_conn"),
        Work("publish", "Publications a second by HTTP",
             "16 connections, each with one call at a time. fanfare, Centrifugo and nchan with and without a history of 1,000 messages. Two "
             "rows publish nothing and say what the rest of a call costs: a read and a write of the same bytes, without HTTP, which is what "
             "the kernel and the runtime take; and actix-web with one route that reads the body and answers.",
             (Entry("fanfare", "fanfare", path="/ws" + IN_CHANNELS, options=PUBLISH_API),
              Entry("fanfare, raw publish", "fanfare", path="/ws" + IN_CHANNELS, options=PUBLISH_RAW),
              Entry("centrifugo", "centrifugo", "centrifuge-json", path=CENTRIFUGE, options=PUBLISH_API),
              Entry("nchan", "nchan", path="/sub/{channel}", options=PUBLISH_NCHAN),
              Entry("actix-web that only answers", "actix", options=PUBLISH_API),
              Entry("a read and a write", "socket", options=PUBLISH_API)),
             **steps(publish), columns=(Column("publications_per_s", "publications/s", ",.0f", less=False),
                                        Column("cpu_us_per_publication", "CPU µs/publication", ",.1f")), plot="publications_per_s",
             absent="Bun, ws, Socket.IO and the plain server have no API of their own: what their program answered by HTTP would measure how it was written."),
        Work("echo", "Echo",
             "Each client sends a message and, when it has it back, the next.",
             entries(echo=True), **steps(echo), columns=(CPU, RATE, P50, P99), plot="cpu_us",
             absent="nchan and Centrifugo cannot send a message back to who sent it alone; the plain server knows one room."),
        Work("latency", "Latency at one rate",
             "Every server at the same rate, half of what the slowest of them bears at most, without coordinated omission: latency counts "
             "from the time at which a message was to leave.",
             RELAY, **steps(latency), columns=(Column("rate", "messages/s", ",.1f", less=False), RATE, P50, P99, P9999, CPU), plot="p99_us"),
        Work("storm", "A storm",
             "All clients are cut at once, messages are published meanwhile, and all come back: until the last one has what it missed.",
             (Entry("fanfare, JSON", "fanfare", "centrifuge-json", path=CENTRIFUGE, options=PUBLISH_API),
              Entry("fanfare, raw", "fanfare", path="/ws" + IN_CHANNELS + "&envelope=1", options=PUBLISH_RAW),
              Entry("centrifugo, JSON", "centrifugo", "centrifuge-json", path=CENTRIFUGE, options=PUBLISH_API),
              Entry("nchan", "nchan", "nchan", path="/ws/{channel}", options=PUBLISH_NCHAN),
              Entry("socketio", "socketio", "socketio", path=SOCKETIO + "&channel={channel}", words=("recovery",),
                    options=("--publish-url", "{http}/publish?channel={channel}"))),
             **steps(storm), columns=(Column("back_s", "s until all are complete", ",.2f"), Column("lost", "messages missing", ",.0f")),
             plot="back_s",
             absent="Bun, ws and the plain server bring back nothing that was missed."),
        Work("two", "Two workers",
             "fanfare with two workers on two cores, the load on the same two, beside two processes of one worker and one core each, with "
             "half of the clients: cost per delivery, not throughput. Balance is what the worker with more has, over the mean of both: of the "
             "sessions, as `/status` tells them by worker, and of the CPU time of the two busiest threads, by `schedstat`. With both cores "
             "shared by load and server, no rate and no latency of this table is to be quoted. One load serves both processes: each message is "
             "published at both, and the next leaves when everyone at both has it, as with two workers.",
             (Entry("two workers", "fanfare", cores=(0, 1), load_cores=(0, 1)),
              Entry("two processes", "fanfare", cores=(0, 1), load_cores=(0, 1), processes=2)),
             **steps(two), columns=(CPU, Column("sessions_balance", "sessions, greatest/mean", ".3f"),
                                      Column("cpu_balance", "CPU time, greatest/mean", ".3f")), plot="cpu_us",
             absent="The others have other ways to use two cores, or none; what two workers cost is asked of fanfare alone."),
        Work("tls", "TLS",
             "As fan-out, over TLS 1.3: fanfare's own, nginx in front of fanfare (CPU and memory of both together), and Bun's.",
             (Entry("fanfare", "fanfare", scheme="wss", port="tls", options=("--insecure",)),
              Entry("proxied", "proxied", scheme="wss", port="tls_proxy", options=("--insecure",)),
              Entry("bun", "bun", scheme="wss", words=("tls",), options=("--insecure",))),
             **steps(fan((1000,), (1, 16))), columns=(CPU, RATE, P99, Column("pss_kb", "PSS, KiB", ",.0f")), plot="cpu_us",
             absent="nginx stands for those that leave TLS to it; Bun is there because it has its own."),
        Work("never", "Clients that never read",
             "40 messages of 16 KiB a second; the latency is that of the clients that do read, from the time at which a message was to leave.",
             one(RELAY, "fanfare", "ws", "bun", "nchan", "centrifugo"), **steps(never),
             columns=(P50, P99, P9999, Column("pss_kb", "PSS, KiB", ",.0f")), plot="p99_us",
             absent="What Socket.IO and the plain server keep for clients that do not read has no bound."),
        Work("window", "The send window",
             "fanfare with a send window of 50 ms beside fanfare without one, raw and through the Centrifuge protocol in JSON: one channel at one "
             "rate, which neither finds hard. Latency counts from the time at which a message was to leave, so the window is in it.",
             (Entry("fanfare", "fanfare", path="/ws" + IN_CHANNELS),
              Entry("fanfare, window", "fanfare", path="/ws" + IN_CHANNELS, options=WINDOWED),
              FANFARE_JSON,
              Entry("fanfare, JSON, window", "fanfare", "centrifuge-json", path=CENTRIFUGE, options=WINDOWED)),
             **steps(window), columns=(CPU, P50, P99, LOAD), plot="cpu_us",
             absent="Nobody else has one."),
        Work("deflate", "permessage-deflate",
             "As fan-out, messages of 2,048 bytes, compressed.",
             (Entry("fanfare", "fanfare", options=("--deflate",)),
              *(Entry(name, name, path=path, words=("deflate",), options=("--deflate",))
                for name, path in (("ws", "/ws"), ("bun", "/ws"), ("nchan", "/ws/{channel}")))),
             **steps(fan((1000,), (1, 16), more=("--size", "2048"))), columns=(CPU, RATE, P99), plot="cpu_us",
             absent="Centrifugo and Socket.IO have compression turned off here, the plain server has none."),
        Work("sse", "Server-sent events",
             "As fan-out, through SSE; published by HTTP.",
             (Entry("fanfare", "fanfare", "sse", "http", "/sse" + IN_CHANNELS, options=PUBLISH_RAW),
              Entry("nchan", "nchan", "sse", "http", "/sub/{channel}", options=PUBLISH_NCHAN)),
             **steps(fan((1000,), (1, 16))), columns=(CPU, RATE, P99), plot="cpu_us",
             absent="The others have no server-sent events of their own, or only behind a protocol of theirs."),
        Work("connect", "Connections a second",
             "From the first connection's beginning until the last client is connected, and subscribed where the protocol has that.",
             RELAY, **steps(connect), columns=(Column("connects_per_s", "connections/s", ",.0f", less=False),), plot="connects_per_s"),
        Work("channels", "Many channels",
             "Each channel has ten clients and gets one message a second.",
             entries(channels=True), **steps(channels), columns=(CPU, P50, P99, P9999), plot="cpu_us",
             absent="The plain server knows one room."),
        Work("never_reads", "A client that never reads",
             "1,000 messages of 1 KiB a second to one client that reads and one that never does: when it is gone, what the server's memory "
             "grew by, and whether a Close was in what it could read at last. Without a time it was not gone while it was watched.",
             one(RELAY, "fanfare", "plain", "ws", "bun"), **steps(fault), kind="never_reads", rounds=1,
             columns=(Column("gone_after_s", "gone after s", ",.1f"), Column("watched_s", "watched s", ".0f"), Column("rss_kib_grown", "RSS grown, KiB", ",.0f"),
                      Column("rss_kib_kept", "kept afterwards, KiB", ",.0f"), Column("close_code", "close code", ".0f")),
             absent="nchan, Centrifugo and Socket.IO speak another protocol than the peer does."),
        Work("header_2_40", "A header that lies",
             "The header of a message of 2^40 bytes, and up to 64 MiB behind it: the Close that comes back and what the memory grew by.",
             one(RELAY, "fanfare", "plain", "ws", "bun"), **steps(fault), kind="header_2_40", rounds=1,
             columns=(Column("close_code", "close code", ".0f"), Column("kib_taken", "taken, KiB", ",.0f"),
                      Column("rss_kib_grown", "RSS grown, KiB", ",.0f")),
             absent="nchan, Centrifugo and Socket.IO speak another protocol than the peer does."),
        Work("user", "User-space CPU",
             "Nine tenths of a delivery is the kernel's `send`, the same for everyone. What is the server's own is its time in user space: "
             "the exact total, times the share that `perf record -e cpu-clock -F 4999` samples there (utime where there is no perf).",
             (*one(RELAY, "fanfare", "bun"), Entry("fanfare, echo", "fanfare", path="/echo"), Entry("bun, echo", "bun", path="/echo")),
             **steps(user), kind="user", rounds=5, only_by_name=True,
             columns=(Column("user_us", "user µs/delivery", ".3f"), CPU, Column("user_share", "user share", ".3f")), plot="user_us",
             derive="error",
             absent="It takes minutes of each server, and Bun is what fanfare is held against."),
    )
}
