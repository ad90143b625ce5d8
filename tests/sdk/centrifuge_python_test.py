"""The official Python SDK (centrifuge-python) against the real binary, in JSON and in Protobuf.

Bounds: loopback only, 10 s for each wait. It owns its server.
"""

import json
import unittest

from centrifuge import (CentrifugeError, Client, ClientEventHandler, ClientState, DeltaType, ReplyError, StreamPosition,
                        SubscriptionEventHandler)

from fanfare import Cut, Fanfare, in_seconds, token, until


class Told(ClientEventHandler, SubscriptionEventHandler):
    """Keeps all that a client or a subscription is told, by the name of the event."""

    def __init__(self):
        self.told = {}

    def __getattribute__(self, name):
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        async def keep(ctx):
            self.told.setdefault(name[3:], []).append(ctx)
        return keep

    def of(self, name):
        return self.told.get(name, [])

    def last(self, name, count=1):
        """Waits until it was told so often, and answers the last one."""
        return until(f"{count} times {name}", lambda: len(self.of(name)) >= count and self.of(name)[-1], detail=lambda: self.told)


class Ways:
    """Every test below in one encoding."""

    binary = False

    @classmethod
    def setUpClass(cls):
        cls.fanfare = Fanfare()

    @classmethod
    def tearDownClass(cls):
        cls.fanfare.must_run()
        cls.fanfare.remove()

    def pack(self, value):
        return json.dumps(value).encode() if self.binary else value

    def values(self, publications):
        return [json.loads(each.data) if self.binary else each.data for each in publications]

    def client(self, user="ann", port=None, **options):
        if user is not None:
            options.setdefault("token", token({"sub": user, "info": {"name": user}, "exp": in_seconds(600)}))
        told = Told()
        address = f"ws://127.0.0.1:{port or self.fanfare.port}/connection/websocket"
        client = Client(address, events=told, use_protobuf=self.binary, max_reconnect_delay=0.2, proxy=None, **options)
        client.handed = told
        self.addAsyncCleanup(client.disconnect)
        return client

    async def open(self, user="ann", port=None, **options):
        client = self.client(user, port, **options)
        await client.connect()
        await client.ready()
        return client

    async def subscribe(self, client, channel, **options):
        told = Told()
        subscription = client.new_subscription(channel, events=told, min_resubscribe_delay=0.02, **options)
        await subscription.subscribe()
        await told.last("subscribed")
        return subscription, told

    async def published(self, told, count):
        await told.last("publication", count)
        return self.values(each.pub for each in told.of("publication"))

    async def code(self, awaitable):
        try:
            await awaitable
        except ReplyError as error:
            return error.code
        return 0

    async def test_publish_and_presence(self):
        ann, bob = await self.open("ann"), await self.open("bob")
        _, told = await self.subscribe(ann, "room:python", join_leave=True)
        his, _ = await self.subscribe(bob, "room:python")
        await until("bob joined", lambda: any(join.info.user == "bob" for join in told.of("join")))
        value = {"text": "你好 🎺", "list": [1, None, True]}
        await bob.publish("room:python", self.pack(value))
        self.assertEqual(await self.published(told, 1), [value])
        publication = told.of("publication")[0].pub
        self.assertEqual((publication.offset, publication.info.user), (1, "bob"))
        present = (await ann.presence("room:python")).clients
        self.assertEqual(sorted(info.user for info in present.values()), ["ann", "bob"])
        stats = await ann.presence_stats("room:python")
        self.assertEqual((stats.num_clients, stats.num_users), (2, 2))
        await his.unsubscribe()
        self.assertEqual((await told.last("leave")).info.user, "bob")

    async def test_history(self):
        ann = await self.open()
        for n in range(1, 7):
            await ann.publish("room:python-history", self.pack(n))
        place = await ann.history("room:python-history")
        self.assertEqual((place.offset, place.publications), (6, []))
        read = await ann.history("room:python-history", limit=2, since=StreamPosition(offset=3, epoch=place.epoch))
        self.assertEqual(self.values(read.publications), [4, 5])
        read = await ann.history("room:python-history", limit=2, reverse=True)
        self.assertEqual(self.values(read.publications), [6, 5])

    async def test_recovery_after_a_cut(self):
        async with Cut(self.fanfare.port) as cut:
            ann, bob = await self.open("ann", cut.port), await self.open("bob")
            _, told = await self.subscribe(ann, "room:python-cut")
            await bob.publish("room:python-cut", self.pack(1))
            await told.last("publication")
            cut.cut()
            await told.last("subscribing", 2)
            for n in range(2, 31):
                await bob.publish("room:python-cut", self.pack(n))
            cut.mend()
            again = await told.last("subscribed", 2)
            self.assertEqual((again.was_recovering, again.recovered), (True, True))
            await bob.publish("room:python-cut", self.pack(31))
            self.assertEqual(await self.published(told, 31), list(range(1, 32)))

    async def test_what_a_short_history_lost_is_said_to_be_lost(self):
        async with Cut(self.fanfare.port) as cut:
            ann, bob = await self.open("ann", cut.port), await self.open("bob")
            _, told = await self.subscribe(ann, "short:python-cut")
            cut.cut()
            await told.last("subscribing", 2)
            for n in range(20):
                await bob.publish("short:python-cut", self.pack(n))
            cut.mend()
            again = await told.last("subscribed", 2)
            self.assertEqual((again.was_recovering, again.recovered), (True, False))

    async def test_delta(self):
        ann, bob = await self.open("ann"), await self.open("bob")
        _, told = await self.subscribe(ann, "delta:python", delta=DeltaType.FOSSIL)
        def version(n):
            return {"rows": [{"id": row, "text": f"第{row}行 🎺", "n": n if row == n else 0} for row in range(30)]}
        versions = [version(n) for n in range(20)]
        for value in versions:
            await bob.publish("delta:python", self.pack(value))
        self.assertEqual(await self.published(told, len(versions)), versions)

    async def test_a_session_outlives_its_token(self):
        asked = []

        async def get_token():
            asked.append(1)
            return token({"sub": "ann", "exp": in_seconds(2 if len(asked) < 3 else 600)})
        ann = await self.open(None, get_token=get_token)
        await until("asked for three tokens", lambda: len(asked) >= 3, 15)
        await ann.publish("plain:python", self.pack({}))
        self.assertEqual(len(ann.handed.of("connected")), 1)

    async def test_a_subscription_by_token(self):
        async def get_token(channel):
            return token({"sub": "ann", "channel": channel, "exp": in_seconds(600)})
        ann = await self.open()
        _, told = await self.subscribe(ann, "gate:python", get_token=get_token)
        self.assertTrue(told.of("subscribed")[0].recoverable)

    async def test_a_wrong_token_ends_it(self):
        eve = self.client(None, token=token({"sub": "eve"}, "a secret that the server does not know"))
        await eve.connect()
        self.assertEqual((await eve.handed.last("disconnected")).code, 3500)
        self.assertEqual(eve.state, ClientState.DISCONNECTED)

    async def test_channels_that_the_token_gives(self):
        claims = {"sub": "ann", "exp": in_seconds(600), "channels": ["given:python"]}
        ann, bob = await self.open(None, token=token(claims)), await self.open("bob")
        self.assertEqual((await ann.handed.last("subscribed")).channel, "given:python")
        await bob.publish("given:python", self.pack({"n": 1}))
        told = await ann.handed.last("publication")
        self.assertEqual((told.channel, self.values([told.pub])), ("given:python", [{"n": 1}]))

    async def test_error_codes(self):
        ann = await self.open()
        self.assertEqual(await self.code(ann.publish("nowhere:a", self.pack({}))), 102)
        self.assertEqual(await self.code(ann.publish("closed:a", self.pack({}))), 103)
        self.assertEqual(await self.code(ann.presence("plain:a")), 108)
        self.assertEqual(await self.code(ann.history("plain:a", limit=1)), 108)
        self.assertEqual(await self.code(ann.rpc("method", self.pack({}))), 108)
        told = Told()
        await ann.new_subscription("closed:a", events=told).subscribe()
        self.assertEqual((await told.last("unsubscribed")).code, 103)
        self.assertTrue(issubclass(ReplyError, CentrifugeError))


class Json(Ways, unittest.IsolatedAsyncioTestCase):
    """By JSON."""


class Protobuf(Ways, unittest.IsolatedAsyncioTestCase):
    """By Protobuf."""

    binary = True


if __name__ == "__main__":
    unittest.main()
