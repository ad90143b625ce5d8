//! Tokens of connections and subscriptions: good, expired, too early, of someone else, of another shape.

import { inSeconds, token } from '../exchange.mjs';

const OTHER = 'another secret, also long enough for HS256!!';

const connection = [
  ['good', () => ({ sub: '42', exp: inSeconds(600) })],
  ['without an end', () => ({ sub: '42' })],
  ['anonymous', () => ({ exp: inSeconds(600) })],
  ['with information', () => ({ sub: '42', info: { name: 'Ann' } })],
  ['with information in base64', () => ({ sub: '42', b64info: 'eyJhIjoxfQ==' })],
  ['with expire_at', () => ({ sub: '42', exp: inSeconds(600), expire_at: inSeconds(300) })],
  ['with expire_at 0', () => ({ sub: '42', exp: inSeconds(600), expire_at: 0 })],
  ['expired', () => ({ sub: '42', exp: inSeconds(-100) })],
  ['whose session would have expired', () => ({ sub: '42', expire_at: inSeconds(-100) })],
  ['too early', () => ({ sub: '42', nbf: inSeconds(100) })],
  ['from the past', () => ({ sub: '42', nbf: inSeconds(-100), iat: inSeconds(-100) })],
  ['with an end far ahead', () => ({ sub: '42', exp: 9999999999 })],
  ['with a number as user', () => ({ sub: 42 })],
  ['with a text as end', () => ({ sub: '42', exp: 'soon' })],
  ['with channels', (t) => ({ sub: '42', channels: [t.channel(), t.channel('bare')] })],
  ['with a channel of no namespace', () => ({ sub: '42', channels: ['nosuch:x'] })],
  ['with subs', (t) => ({ sub: '42', subs: { [t.channel()]: { info: { seat: 1 }, data: { topic: 'x' } }, [t.channel('users')]: { override: { presence: { value: false } } } } })],
  ['with meta', () => ({ sub: '42', meta: { kept: 1 } })],
].map(([name, claims]) => ({ name: `token ${name}`, run: async (t) => {
  const ws = await t.open();
  const reply = await ws.ask({ connect: { token: token(claims(t)) } });
  if (!reply?.connect) return;
  await ws.ask({ presence_stats: { channel: 'open:none' } });
  await ws.settle();
} }));

const rubbish = [
  ['of another key', () => token({ sub: '42' }, OTHER)],
  ['that is none', () => 'x'],
  ['of three parts of nothing', () => '..'],
  ['without a signature', () => token({ sub: '42' }).replace(/\.[^.]*$/, '.')],
  ['with alg none', () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"42"}').toString('base64url')}.`],
  ['that was cut', () => token({ sub: '42' }).slice(0, -3)],
].map(([name, made]) => ({ name: `token ${name}`, run: async (t) => {
  const ws = await t.open();
  await ws.ask({ connect: { token: made() } });
} }));

const presence = [{ name: 'what a token says is shown in presence and publications', run: async (t) => {
  const channel = t.channel();
  const ws = await t.connected({ token: token({ sub: '42', info: { name: 'Ann' } }) });
  await ws.ask({ subscribe: { channel } });
  await ws.ask({ presence: { channel } });
  await ws.ask({ publish: { channel, data: 1 } });
  await ws.pushes(1);
  await ws.ask({ subscribe: { channel: t.channel('users') } });
} }];

const refreshing = [
  ['good', (sub) => ({ sub, exp: inSeconds(900) })],
  ['without an end', (sub) => ({ sub })],
  ['expired', (sub) => ({ sub, exp: inSeconds(-10) })],
  ['of another user', () => ({ sub: '43', exp: inSeconds(900) })],
  ['too early', (sub) => ({ sub, exp: inSeconds(900), nbf: inSeconds(100) })],
].map(([name, claims]) => ({ name: `refresh with a token ${name}`, run: async (t) => {
  const ws = await t.connected({ token: token({ sub: '42', exp: inSeconds(600) }) });
  await ws.ask({ refresh: { token: token(claims('42')) } });
  await ws.ask({ presence_stats: { channel: 'open:none' } });
} }));

const rubbishRefresh = [['of another key', () => token({ sub: '42' }, OTHER)], ['that is none', () => 'x']].map(([name, made]) => (
  { name: `refresh with a token ${name}`, run: async (t) => {
    const ws = await t.connected({ token: token({ sub: '42', exp: inSeconds(600) }) });
    await ws.ask({ refresh: { token: made() } });
  } }
));

const forSubscription = [
  ['good', (channel) => ({ sub: '42', channel, exp: inSeconds(600) })],
  ['without an end', (channel) => ({ sub: '42', channel })],
  ['with information', (channel) => ({ sub: '42', channel, info: { seat: 1 } })],
  ['with override', (channel) => ({ sub: '42', channel, override: { presence: { value: true }, force_recovery: { value: true } } })],
  ['with expire_at', (channel) => ({ sub: '42', channel, exp: inSeconds(600), expire_at: inSeconds(300) })],
  ['expired', (channel) => ({ sub: '42', channel, exp: inSeconds(-10) })],
  ['of another channel', () => ({ sub: '42', channel: 'shut:other' })],
  ['of another user', (channel) => ({ sub: '43', channel })],
  ['of nobody', (channel) => ({ channel })],
  ['without a channel', () => ({ sub: '42' })],
  ['too early', (channel) => ({ sub: '42', channel, nbf: inSeconds(100) })],
  ['of another client', (channel) => ({ sub: '42', channel, client: 'x' })],
  ['with an end far ahead', (channel) => ({ sub: '42', channel, exp: 9999999999 })],
].map(([name, claims]) => ({ name: `subscription token ${name}`, run: async (t) => {
  const channel = t.channel('shut');
  const ws = await t.connected({ token: token({ sub: '42' }) });
  await ws.ask({ subscribe: { channel, token: token(claims(channel)) } });
  await ws.ask({ presence_stats: { channel: 'open:none' } });
} }));

const rubbishSubscription = [['of another key', (channel) => token({ sub: '42', channel }, OTHER)], ['that is none', () => 'x']].map(([name, made]) => (
  { name: `subscription token ${name}`, run: async (t) => {
    const ws = await t.connected({ token: token({ sub: '42' }) });
    await ws.ask({ subscribe: { channel: t.channel('shut'), token: made(t.channel('shut')) } });
    await ws.ask({ subscribe: { channel: t.channel('open'), token: made(t.channel('open')) } });
  } }
));

const subRefreshing = [
  ['good', (channel) => ({ sub: '42', channel, exp: inSeconds(900) })],
  ['without an end', (channel) => ({ sub: '42', channel })],
  ['expired', (channel) => ({ sub: '42', channel, exp: inSeconds(-10) })],
  ['of another user', (channel) => ({ sub: '43', channel, exp: inSeconds(900) })],
  ['of another channel', () => ({ sub: '42', channel: 'shut:other', exp: inSeconds(900) })],
].map(([name, claims]) => ({ name: `sub_refresh with a token ${name}`, run: async (t) => {
  const channel = t.channel('shut');
  const ws = await t.connected({ token: token({ sub: '42' }) });
  await ws.ask({ subscribe: { channel, token: token({ sub: '42', channel, exp: inSeconds(600) }) } });
  await ws.ask({ sub_refresh: { channel, token: token(claims(channel)) } });
  await ws.ask({ presence_stats: { channel: 'open:none' } });
  await ws.ask({ sub_refresh: { channel: t.channel('open'), token: token(claims(t.channel('open'))) } });
} }));

const passing = [
  { name: 'a token that ends soon', run: async (t) => {
    const ws = await t.open();
    await ws.ask({ connect: { token: token({ sub: '42', exp: inSeconds(30) }) } });
    await ws.ask({ subscribe: { channel: t.channel() } });
  } },
];

/** The cases. */
export default [...connection, ...rubbish, ...presence, ...refreshing, ...rubbishRefresh, ...forSubscription, ...rubbishSubscription, ...subRefreshing, ...passing];
