//! The client as the app holds it: channels on a connection, calls beside them, and events. It only
//! puts the parts together; each rule is in the part that it is about.

import type { Platform } from '../platform';
import type {
  Command, ConnectRequest, ConnectResult, Push, RecoverRequest, Reply,
} from '../protocol';
import type { Runtime } from '../runtime';
import type { Link } from '../transports/link';
import type {
  CloseEvent, FanfareError, FanfareEvents, Options, State, StateEvent, SubscribeOptions,
  Subscription, TransportName,
} from '../types';
import { Calls } from './calls';
import { Channel, type ChannelHost } from './channel';
import { ABNORMAL, BAD_REQUEST, failure, NORMAL, SERVER_UNSUBSCRIBE, words } from './codes';
import type { NamedTransport } from './choice';
import { Connection, type ConnectionOwner } from './connection';
import { Emitter } from './emitter';
import { httpBase, plain, settingsOf } from './settings';
import { Tokens } from './tokens';

/** A channel that the server gave and gives no more. */
const NOT_GIVEN = { code: SERVER_UNSUBSCRIBE, reason: 'not given by the server any more' };

/** A client of one server. */
export class Client extends Emitter<FanfareEvents> {
  private readonly channels: { [name: string]: Channel } = Object.create(null);
  private readonly calls: Calls;
  private readonly connection: Connection;
  private readonly host: ChannelHost;
  /** Commands that are gathered, while a link is opening. */
  private batch: Command[] | null = null;

  constructor(platform: Platform, baseUrl: string, private readonly options: Options) {
    super();
    // Fails here, and not with each attempt.
    if (options.data !== undefined) plain(options.data);
    const base = httpBase(platform.resolve ? platform.resolve(baseUrl) : baseUrl);
    const runtime = platform.runtime(options);
    const settings = settingsOf(options);
    const calls = new Calls(runtime, settings);
    const connection = new Connection({
      runtime, settings, calls, base,
      tokens: new Tokens<void>(options.token, undefined),
      header: runtime.setsHeader ? options.header || {} : {},
      transports: transportsOf(platform, options, runtime),
      owner: this.owner(!runtime.setsHeader),
    });
    this.calls = calls;
    this.connection = connection;
    this.host = {
      runtime, settings, calls,
      isLinked: () => connection.link !== null,
      send: (command) => {
        if (this.batch) this.batch.push(command);
        else if (connection.link) connection.link.send([command]);
      },
      request: (command) => this.request(command),
      reconnect: (reason) => connection.lose({ code: ABNORMAL, reason }),
      tell: (event, told) => this.emit(event, told),
      forget: (channel) => {
        if (this.channels[channel.name] === channel) delete this.channels[channel.name];
      },
    };
  }

  get state(): State {
    return this.connection.state;
  }

  get transport(): TransportName | null {
    return this.transportName(this.connection.transport);
  }

  connect(): void {
    if (this.state === 'disconnected') this.eachChannel((channel) => channel.renew());
    this.connection.open();
  }

  close(): void {
    this.connection.finish(NORMAL, 'closed by the app');
  }

  subscribe(name: string, options?: SubscribeOptions): Subscription {
    if (typeof name !== 'string' || name === '') throw new TypeError('a channel has a name');
    return this.channel(name).enter(options || {});
  }

  publish(channel: string, data: unknown): Promise<void> {
    return this.request({ publish: { channel, data } }).then(() => undefined);
  }

  rpc(method: string, data?: unknown): Promise<any> {
    const rpc = data === undefined ? { method } : { method, data };
    return this.request({ rpc }).then((reply) => (reply.rpc || {}).data);
  }

  send(data: unknown): Promise<void> {
    return this.request({ send: { data } }).then(() => undefined);
  }

  /** The transport as the app is told it. */
  protected transportName(name: TransportName | null): TransportName | null {
    return name;
  }

  private owner(isHeaderTold: boolean): ConnectionOwner {
    return {
      connectRequest: () => this.connectRequest(isHeaderTold),
      opening: (link) => this.onOpening(link),
      connected: (result) => this.onConnected(result),
      push: (push) => this.onPush(push),
      lost: () => this.eachChannel((channel) => channel.away()),
      tellState: (told: StateEvent) => this.emit('state', told),
      tellClose: (told: CloseEvent) => this.emit('close', told),
      tellError: (told: FanfareError) => this.emit('error', told),
    };
  }

  private connectRequest(isHeaderTold: boolean): ConnectRequest {
    const { data, header } = this.options;
    const subs: { [channel: string]: RecoverRequest } = {};
    this.eachChannel((channel) => {
      const { recovery } = channel;
      if (recovery) subs[channel.name] = recovery;
    });
    const request: ConnectRequest = { name: 'fanfare-js', subs };
    if (data !== undefined) request.data = data;
    if (header && isHeaderTold) request.headers = header;
    return request;
  }

  /** What the channels send goes with the connect command, in one piece. */
  private onOpening(link: Link): void {
    const batch: Command[] = [];
    this.batch = batch;
    this.eachChannel((channel) => channel.begin());
    this.batch = null;
    if (batch.length > 0) link.send(batch);
  }

  private onConnected(result: ConnectResult): void {
    const subs = result.subs || {};
    this.eachChannel((channel) => {
      if (channel.given && !subs[channel.name]) channel.takeBack(NOT_GIVEN);
    });
    for (const name in subs) {
      // A listener may have ended the connection.
      if (this.state === 'connected') this.channel(name).give(subs[name]!);
    }
  }

  private onPush(push: Push): void {
    if (push.message) return this.emit('message', { data: push.message.data });
    const name = push.channel || '';
    if (push.subscribe) return this.channel(name).give(push.subscribe);
    const channel = this.channels[name];
    // What is on its way when the client leaves finds nobody.
    if (!channel) return;
    if (push.pub) channel.onPublication(push.pub);
    else if (push.join) channel.onPresence('join', push.join.info);
    else if (push.leave) channel.onPresence('leave', push.leave.info);
    else if (push.unsubscribe) {
      const { code, reason } = push.unsubscribe;
      channel.onUnsubscribe({ code: code || 0, reason: reason || '' });
    }
  }

  private channel(name: string): Channel {
    return this.channels[name] || (this.channels[name] = new Channel(this.host, name));
  }

  /** A call of the app's, with its data as it is now, whatever the app does with it afterwards. */
  protected request(command: Command): Promise<Reply> {
    if (this.state === 'disconnected') {
      return Promise.reject(failure('closed', 'there is no connection: connect() makes one'));
    }
    const said: { data?: unknown } = command.publish || command.send || command.rpc || {};
    try {
      if ('data' in said) said.data = plain(said.data);
    } catch (thrown) {
      return Promise.reject(failure(BAD_REQUEST, 'no JSON: ' + words(thrown)));
    }
    return this.calls.request(command);
  }

  private eachChannel(run: (channel: Channel) => void): void {
    // The names first: channels come and go meanwhile.
    const names = Object.keys(this.channels);
    for (let i = 0; i < names.length; i++) {
      const channel = this.channels[names[i]!];
      if (channel) run(channel);
    }
  }
}

/** The transports to try: those of the options, as far as this platform has them. */
function transportsOf(platform: Platform, options: Options, runtime: Runtime): NamedTransport[] {
  const named: NamedTransport[] = [];
  const order = ([] as TransportName[]).concat(options.transports || platform.order);
  for (let i = 0; i < order.length; i++) {
    const name = order[i]!;
    const open = platform.transports[name];
    const isMissing =
      (name === 'websocket' && !runtime.openSocket) || (name === 'sse' && !runtime.openStream);
    if (open && !isMissing) named.push({ name, open });
  }
  if (named.length === 0) throw new TypeError('none of these transports is here: ' + order.join());
  return named;
}
