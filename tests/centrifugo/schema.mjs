//! The messages of the client protocol in Protobuf, as far as the exchanges need them: field numbers and types, in a notation of
//! our own. Bytes are JSON where they are JSON, else `{ $bytes: base64 }`.

import protobuf from 'protobufjs';

const MESSAGES = {
  Error: 'code 1 uint32, message 2 string, temporary 3 bool',
  Command: `id 1 uint32, connect 4 ConnectRequest, subscribe 5 SubscribeRequest, unsubscribe 6 InChannel, publish 7 PublishRequest,
    presence 8 InChannel, presence_stats 9 InChannel, history 10 HistoryRequest, ping 11 Empty, send 12 Data, rpc 13 RpcRequest,
    refresh 14 Token, sub_refresh 15 ChannelToken`,
  Reply: `id 1 uint32, error 2 Error, push 4 Push, connect 5 ConnectResult, subscribe 6 SubscribeResult, unsubscribe 7 Empty,
    publish 8 Empty, presence 9 PresenceResult, presence_stats 10 StatsResult, history 11 HistoryResult, ping 12 Empty, rpc 13 Data,
    refresh 14 RefreshResult, sub_refresh 15 SubRefreshResult`,
  Push: `channel 2 string, pub 4 Publication, join 5 Info, leave 6 Info, unsubscribe 7 Reason, message 8 Data, subscribe 9 SubscribePush,
    connect 10 ConnectResult, disconnect 11 Reason, refresh 12 SubRefreshResult`,
  ClientInfo: 'user 1 string, client 2 string, conn_info 3 bytes, chan_info 4 bytes',
  Publication: `data 4 bytes, info 5 ClientInfo, offset 6 uint64, tags 7 map<string>, delta 8 bool, time 9 int64, channel 10 string`,
  Info: 'info 1 ClientInfo',
  Reason: 'code 1 uint32, reason 2 string',
  SubscribePush: 'recoverable 1 bool, epoch 4 string, offset 5 uint64, positioned 6 bool, data 7 bytes',
  Data: 'data 1 bytes',
  Empty: '',
  InChannel: 'channel 1 string',
  Token: 'token 1 string',
  ChannelToken: 'channel 1 string, token 2 string',
  ConnectRequest: `token 1 string, data 2 bytes, subs 3 map<SubscribeRequest>, name 4 string, version 5 string, headers 6 map<string>`,
  ConnectResult: `client 1 string, version 2 string, expires 3 bool, ttl 4 uint32, data 5 bytes, subs 6 map<SubscribeResult>,
    ping 7 uint32, pong 8 bool, session 9 string, node 10 string, time 11 int64`,
  SubscribeRequest: `channel 1 string, token 2 string, recover 3 bool, epoch 6 string, offset 7 uint64, data 8 bytes, positioned 9 bool,
    recoverable 10 bool, join_leave 11 bool, delta 12 string, flag 14 int64`,
  SubscribeResult: `expires 1 bool, ttl 2 uint32, recoverable 3 bool, epoch 6 string, publications 7 list<Publication>, recovered 8 bool,
    offset 9 uint64, positioned 10 bool, data 11 bytes, was_recovering 12 bool, delta 13 bool`,
  PublishRequest: 'channel 1 string, data 2 bytes',
  PresenceResult: 'presence 1 map<ClientInfo>',
  StatsResult: 'num_clients 1 uint32, num_users 2 uint32',
  StreamPosition: 'offset 1 uint64, epoch 2 string',
  HistoryRequest: 'channel 1 string, limit 7 int32, since 8 StreamPosition, reverse 9 bool',
  HistoryResult: 'publications 1 list<Publication>, epoch 2 string, offset 3 uint64',
  RpcRequest: 'data 1 bytes, method 2 string',
  RefreshResult: 'client 1 string, version 2 string, expires 3 bool, ttl 4 uint32',
  SubRefreshResult: 'expires 1 bool, ttl 2 uint32',
};

function field(text) {
  const [name, id, written] = text.trim().split(/\s+/);
  const [, container, inner] = /^(map|list)<(\w+)>$/.exec(written) ?? [null, null, written];
  const of = { id: Number(id), type: inner };
  if (container === 'map') of.keyType = 'string';
  if (container === 'list') of.rule = 'repeated';
  return [name, of];
}

const nested = Object.fromEntries(Object.entries(MESSAGES).map(([name, text]) => (
  [name, { fields: Object.fromEntries(text.split(',').filter((part) => part.trim()).map(field)) }]
)));
const root = protobuf.Root.fromJSON({ nested }, new protobuf.Root());
const TYPES = Object.fromEntries(Object.keys(MESSAGES).map((name) => [name, root.lookupType(name)]));

/** Whether the field takes bytes, by the type that it is in. */
const isBytes = (type, name) => type.fields[name]?.type === 'bytes';

/** A value as protobufjs takes it: JSON in fields of bytes becomes its text. */
function toBytes(type, value) {
  return walk(type, value, (data) => (data?.$bytes === undefined ? Buffer.from(JSON.stringify(data)) : Buffer.from(data.$bytes, 'base64')));
}

/** What protobufjs gave, with bytes as JSON where they are that. */
function fromBytes(type, value) {
  return walk(type, value, (data) => {
    try {
      return JSON.parse(Buffer.from(data).toString());
    } catch {
      return { $bytes: Buffer.from(data).toString('base64') };
    }
  });
}

function walk(type, value, ofBytes) {
  const out = {};
  for (const [name, inner] of Object.entries(value)) {
    const at = type.fields[name];
    const of = at && TYPES[at.type];
    if (isBytes(type, name)) out[name] = ofBytes(inner);
    else if (!of) out[name] = inner;
    else if (at.map) out[name] = Object.fromEntries(Object.entries(inner).map(([key, one]) => [key, walk(of, one, ofBytes)]));
    else if (at.repeated) out[name] = inner.map((one) => walk(of, one, ofBytes));
    else out[name] = walk(of, inner, ofBytes);
  }
  return out;
}

/** A message behind its length. */
export function encode(name, value) {
  const type = TYPES[name];
  return Buffer.from(type.encodeDelimited(type.fromObject(toBytes(type, value))).finish());
}

/** A message alone, as the connect request of one-way transports. */
export function encodeBare(name, value) {
  const type = TYPES[name];
  return Buffer.from(type.encode(type.fromObject(toBytes(type, value))).finish());
}

/** The messages of a frame or of what has come of a stream; answers them and how many bytes they took. */
export function decode(name, bytes, { delimited = true } = {}) {
  const type = TYPES[name];
  const messages = [];
  const read = (message) => messages.push(fromBytes(type, type.toObject(message, { longs: Number })));
  if (!delimited) {
    try {
      read(type.decode(bytes));
    } catch {
      messages.push({ undecodable: true });
    }
    return { messages, used: bytes.length };
  }
  const reader = protobuf.Reader.create(bytes);
  let used = 0;
  try {
    while (reader.pos < reader.len) {
      read(type.decodeDelimited(reader));
      used = reader.pos;
    }
  } catch (error) {
    // The rest has not come yet.
    if (!(error instanceof RangeError)) return { messages: [...messages, { undecodable: true }], used: bytes.length };
  }
  return { messages, used };
}
