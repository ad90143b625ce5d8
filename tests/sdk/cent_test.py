"""The official API library (cent) against the real binary: what a backend says, and what clients of centrifuge-python see of it.

Bounds: loopback only, 10 s for each wait. It owns its server.
"""

import base64
import time
import unittest

from cent import (AsyncClient, BatchRequest, BlockUserRequest, BroadcastRequest, CentApiResponseError, CentUnauthorizedError,
                  ChannelOptionsOverride, ChannelsRequest, Client as SyncClient, ConnectionsRequest, Disconnect,
                  DisconnectRequest, HistoryRemoveRequest, HistoryRequest, InfoRequest, InvalidateUserTokensRequest,
                  PresenceRequest, PresenceStatsRequest, PublishRequest, RefreshRequest, RevokeTokenRequest, StreamPosition,
                  SubscribeRequest, UnblockUserRequest, UnsubscribeRequest)
from cent.dto import BoolValue

from centrifuge_python_test import Told
from centrifuge import Client, ClientState
from fanfare import API_KEY, Fanfare, in_seconds, token, until


class Api(unittest.IsolatedAsyncioTestCase):
    """The server API by cent's asynchronous client."""

    @classmethod
    def setUpClass(cls):
        cls.fanfare = Fanfare()
        cls.url = f"http://127.0.0.1:{cls.fanfare.port}/api"

    @classmethod
    def tearDownClass(cls):
        cls.fanfare.must_run()
        cls.fanfare.remove()

    async def asyncSetUp(self):
        self.api = AsyncClient(self.url, API_KEY)
        self.addAsyncCleanup(self.api.close)

    async def listener(self, user, *channels, **claims):
        """A connected client of `user` and what its subscriptions are told."""
        handed = Told()
        claims = {"sub": user, "exp": in_seconds(600), "info": {"name": user}, **claims}
        client = Client(f"ws://127.0.0.1:{self.fanfare.port}/connection/websocket", events=handed, token=token(claims), proxy=None,
                        max_reconnect_delay=0.2)
        client.handed = handed
        self.addAsyncCleanup(client.disconnect)
        await client.connect()
        await client.ready()
        told = []
        for channel in channels:
            told.append(Told())
            await client.new_subscription(channel, events=told[-1]).subscribe()
            await told[-1].last("subscribed")
        return client, *told

    async def code(self, awaitable):
        try:
            await awaitable
        except CentApiResponseError as error:
            return error.code
        return 0

    def identity(self, client):
        return client.handed.of("connected")[-1].client

    async def test_publish_reaches_subscribers_with_tags(self):
        _, told = await self.listener("ann", "room:cent")
        result = await self.api.publish(PublishRequest(channel="room:cent", data={"text": "你好 🎺"}, tags={"a": "b"}))
        self.assertEqual(result.offset, 1)
        self.assertTrue(result.epoch)
        publication = (await told.last("publication")).pub
        self.assertEqual((publication.data, publication.tags, publication.info), ({"text": "你好 🎺"}, {"a": "b"}, None))

    async def test_publish_options(self):
        channel = "room:cent-options"
        _, told = await self.listener("ann", channel)
        once = PublishRequest(channel=channel, data=1, idempotency_key="k")
        first, second = await self.api.publish(once), await self.api.publish(once)
        self.assertEqual((first.offset, first.epoch), (second.offset, second.epoch))
        kept_out = await self.api.publish(PublishRequest(channel=channel, data=2, skip_history=True))
        self.assertEqual(kept_out.offset, 0)
        await self.api.publish(PublishRequest(channel=channel, data=None, b64data=base64.b64encode(b'{"n":3}').decode()))
        await told.last("publication", 3)
        self.assertEqual([each.pub.data for each in told.of("publication")][:2], [1, 2])
        self.assertEqual((await self.api.history(HistoryRequest(channel=channel))).offset, 2)

    async def test_errors(self):
        self.assertEqual(await self.code(self.api.publish(PublishRequest(channel="nowhere:a", data=1))), 102)
        self.assertEqual(await self.code(self.api.publish(PublishRequest(channel="", data=1))), 107)
        self.assertEqual(await self.code(self.api.publish(PublishRequest(channel="room:a", data=None))), 107)
        self.assertEqual(await self.code(self.api.history(HistoryRequest(channel="plain:a", limit=1))), 108)
        self.assertEqual(await self.code(self.api.presence(PresenceRequest(channel="plain:a"))), 108)
        self.assertEqual(await self.code(self.api.presence_stats(PresenceStatsRequest(channel="plain:a"))), 108)
        stranger = AsyncClient(self.url, "another key")
        self.addAsyncCleanup(stranger.close)
        with self.assertRaises(CentUnauthorizedError):
            await stranger.publish(PublishRequest(channel="room:a", data=1))

    async def test_broadcast(self):
        _, one, two = await self.listener("ann", "room:cent-b1", "room:cent-b2")
        result = await self.api.broadcast(BroadcastRequest(channels=["room:cent-b1", "nowhere:a", "room:cent-b2"], data={"n": 1}))
        codes = [response.error.code if response.error else 0 for response in result.responses]
        self.assertEqual(codes, [0, 102, 0])
        self.assertEqual(result.responses[0].result.offset, 1)
        for told in (one, two):
            self.assertEqual((await told.last("publication")).pub.data, {"n": 1})

    async def test_history(self):
        channel = "room:cent-history"
        for n in range(1, 7):
            await self.api.publish(PublishRequest(channel=channel, data=n))
        place = await self.api.history(HistoryRequest(channel=channel))
        self.assertEqual((place.offset, place.publications), (6, []))
        async def read(**options):
            result = await self.api.history(HistoryRequest(channel=channel, **options))
            return [publication.data for publication in result.publications]
        self.assertEqual(await read(limit=-1), [1, 2, 3, 4, 5, 6])
        self.assertEqual(await read(limit=2), [1, 2])
        self.assertEqual(await read(limit=2, reverse=True), [6, 5])
        self.assertEqual(await read(limit=2, since=StreamPosition(offset=3, epoch=place.epoch)), [4, 5])
        stale = HistoryRequest(channel=channel, limit=2, since=StreamPosition(offset=3, epoch="another"))
        self.assertEqual(await self.code(self.api.history(stale)), 112)
        await self.api.history_remove(HistoryRemoveRequest(channel=channel))
        self.assertEqual(await read(limit=-1), [])

    async def test_presence_channels_and_info(self):
        channel = "room:cent-presence"
        ann, _ = await self.listener("ann", channel)
        bob, _ = await self.listener("bob", channel)
        present = (await self.api.presence(PresenceRequest(channel=channel))).presence
        users = {client: info.user for client, info in present.items()}
        self.assertEqual(users, {self.identity(ann): "ann", self.identity(bob): "bob"})
        self.assertEqual(present[self.identity(ann)].conn_info, {"name": "ann"})
        stats = await self.api.presence_stats(PresenceStatsRequest(channel=channel))
        self.assertEqual((stats.num_clients, stats.num_users), (2, 2))
        channels = (await self.api.channels(ChannelsRequest(pattern="room:cent-pres*"))).channels
        self.assertEqual({name: info.num_clients for name, info in channels.items()}, {channel: 2})
        nodes = (await self.api.info(InfoRequest())).nodes
        self.assertEqual(len(nodes), 1)
        self.assertGreaterEqual(nodes[0].num_clients, 2)
        self.assertGreaterEqual(nodes[0].num_users, 2)
        self.assertGreaterEqual(nodes[0].num_channels, 1)

    async def test_subscribe_and_unsubscribe(self):
        ann, = await self.listener("subscribed")
        request = SubscribeRequest(user="subscribed", channel="given:cent", info={"seat": 1}, data={"hello": 1},
                                   override=ChannelOptionsOverride(presence=BoolValue(value=True)))
        await self.api.subscribe(request)
        told = await ann.handed.last("subscribed")
        self.assertEqual((told.channel, told.data, told.recoverable), ("given:cent", {"hello": 1}, True))
        await self.api.publish(PublishRequest(channel="given:cent", data={"n": 1}))
        publication = await ann.handed.last("publication")
        self.assertEqual((publication.channel, publication.pub.data), ("given:cent", {"n": 1}))
        present = (await self.api.presence(PresenceRequest(channel="given:cent"))).presence
        self.assertEqual(present[self.identity(ann)].chan_info, {"seat": 1})
        await self.api.unsubscribe(UnsubscribeRequest(user="subscribed", channel="given:cent"))
        self.assertEqual((await ann.handed.last("unsubscribed")).channel, "given:cent")

    async def test_unsubscribe_of_a_client_side_subscription(self):
        _, told = await self.listener("leaver", "room:cent-leave")
        await self.api.unsubscribe(UnsubscribeRequest(user="leaver", channel="room:cent-leave"))
        self.assertEqual((await told.last("unsubscribed")).code, 2000)

    async def test_disconnect(self):
        kept, = await self.listener("leaving")
        gone, = await self.listener("leaving")
        await self.api.disconnect(DisconnectRequest(user="leaving", whitelist=[self.identity(kept)]))
        self.assertEqual((await gone.handed.last("disconnected")).code, 3503)
        self.assertEqual(kept.state, ClientState.CONNECTED)
        await self.api.disconnect(DisconnectRequest(user="leaving", client=self.identity(kept),
                                                    disconnect=Disconnect(code=4500, reason="own words")))
        end = await kept.handed.last("disconnected")
        self.assertEqual((end.code, end.reason), (4500, "own words"))

    async def test_refresh(self):
        ann, = await self.listener("refreshed")
        await self.api.refresh(RefreshRequest(user="refreshed", expire_at=in_seconds(3600)))
        self.assertEqual(len(ann.handed.of("connected")), 1)
        await self.api.refresh(RefreshRequest(user="refreshed", expired=True))
        # 3005: it comes back.
        again = await ann.handed.last("connecting", 2)
        self.assertEqual(again.code, 3005)

    async def test_batch(self):
        requests = [PublishRequest(channel="room:cent-batch", data=n) for n in range(3)]
        result = await self.api.batch(BatchRequest(requests=[*requests, PresenceStatsRequest(channel="room:cent-batch")]))
        self.assertEqual([reply.offset for reply in result.replies[:3]], [1, 2, 3])
        self.assertEqual(result.replies[3].num_clients, 0)

    async def test_connections(self):
        ann, _ = await self.listener("connected", "room:cent-connections")
        found = (await self.api.connections(ConnectionsRequest(user="connected", expression=""))).connections
        self.assertEqual(list(found), [self.identity(ann)])
        mine = found[self.identity(ann)]
        self.assertEqual((mine.user, mine.protocol), ("connected", "json"))
        self.assertIn("websocket", mine.transport)

    async def test_block_user(self):
        ann, = await self.listener("blocked")
        await self.api.block_user(BlockUserRequest(user="blocked", expire_at=in_seconds(60)))
        await until("the session ends", lambda: ann.state != ClientState.CONNECTED)
        await ann.handed.last("disconnected")
        await self.api.unblock_user(UnblockUserRequest(user="blocked"))
        await self.listener("blocked")

    async def test_a_revoked_token_is_none(self):
        await self.api.revoke_token(RevokeTokenRequest(uid="stolen", expire_at=in_seconds(60)))
        handed = Told()
        stolen = token({"sub": "thief", "jti": "stolen", "exp": in_seconds(600)})
        client = Client(f"ws://127.0.0.1:{self.fanfare.port}/connection/websocket", events=handed, token=stolen, proxy=None)
        await client.connect()
        self.assertEqual((await handed.last("disconnected")).code, 3500)
        await self.listener("thief")

    async def test_an_invalidated_token_must_be_renewed(self):
        request = InvalidateUserTokensRequest(user="old", issued_before=int(time.time()) - 10, expire_at=in_seconds(60))
        await self.api.invalidate_user_tokens(request)
        asked = []

        async def get_token():
            asked.append(1)
            return token({"sub": "old", "iat": in_seconds(0), "exp": in_seconds(600)})
        client = Client(f"ws://127.0.0.1:{self.fanfare.port}/connection/websocket", events=Told(), get_token=get_token, proxy=None,
                        token=token({"sub": "old", "iat": in_seconds(-100), "exp": in_seconds(600)}))
        self.addAsyncCleanup(client.disconnect)
        await client.connect()
        await client.ready()
        self.assertEqual(len(asked), 1)


class Blocking(unittest.TestCase):
    """The same by cent's synchronous client, which sends `Authorization` otherwise."""

    def test_publish(self):
        fanfare = Fanfare()
        self.addCleanup(fanfare.remove)
        client = SyncClient(f"http://127.0.0.1:{fanfare.port}/api", API_KEY)
        self.assertEqual(client.publish(PublishRequest(channel="room:sync", data={"n": 1})).offset, 1)
        history = client.history(HistoryRequest(channel="room:sync", limit=-1))
        self.assertEqual([each.data for each in history.publications], [{"n": 1}])
        client.close()


if __name__ == "__main__":
    unittest.main()
