// Made by clients/build from clients/src/types.ts.

declare namespace Fanfare {
  /** A place in a channel's history: what comes next has an offset above this one. */
  export interface Position {
    offset: number;
    /** Names the count that `offset` belongs to. */
    epoch: string;
  }

  /** How messages come and go. */
  export type TransportName = 'websocket' | 'sse' | 'poll';

  /** Where the client is in its life. */
  export type State = 'disconnected' | 'connecting' | 'connected';

  /** A text, or a function that gives one, at once or later; called again when a new one is due. */
  export type TokenSource = string | (() => string | Promise<string>);

  /** A text, a `URL`, or a `TrustedScriptURL` where the page's policy demands one. */
  export type WorkerAddress = string | { readonly href: string } | { toJSON(): string };

  /** Options of a client; all may be left out. */
  export interface Options {
    /**
     * The connection token. A function is asked with each `connect()` and again whenever the token
     * has expired; an empty text connects without one.
     */
    token?: TokenSource;
    /** Goes to the backend with the connection (`hooks.connect`); anything that JSON can say. */
    data?: unknown;
    /** Header fields: of the handshake in mini programs, in the connect command in browsers. */
    header?: { [name: string]: string };
    /** The mini program's global object, where it is not to be found by itself (`wx`, `uni`, …). */
    wx?: unknown;
    /** Which transports to try, in this order. */
    transports?: TransportName[];
    /**
     * Browsers: all tabs with this `name` share one connection, in a SharedWorker, whose script is
     * `worker`, a copy of `fanfare-worker.js` at the page's own origin. The name holds the user.
     * Where there is no SharedWorker, each tab has its own connection. Default false.
     */
    share?: false | { name: string; worker: WorkerAddress };
    /** Shortest delay before a new attempt, in milliseconds. Default 500. */
    minDelay?: number;
    /** Longest delay before a new attempt, in milliseconds. Default 20000. */
    maxDelay?: number;
    /** Milliseconds for a connection to be made, and for each call to be answered. Default 10000. */
    timeout?: number;
    /** How many calls may wait to be sent; the next is rejected with `queue_full`. Default 100. */
    maxQueue?: number;
  }

  /** Options of a subscription; all may be left out. */
  export interface SubscribeOptions {
    /** Go on behind this place; else from now on. */
    since?: Position | null;
    /** A subscription token, for channels that need one. */
    token?: string | ((channel: string) => string | Promise<string>);
    /** Goes to the backend with the subscription (`hooks.subscribe`). */
    data?: unknown;
  }

  /** Options of a look into the history. */
  export interface HistoryOptions {
    /** How many publications at most: by default all that the server gives; 0: the position alone. */
    limit?: number;
    /** Those behind this place (before it, with `reverse`). */
    since?: Position | null;
    /** Newest first. */
    reverse?: boolean;
  }

  /** A client in presence, in a join or a leave, or behind a publication. */
  export interface ClientInfo {
    user: string;
    client: string;
    conn_info?: unknown;
    chan_info?: unknown;
  }

  /** A publication of a channel. */
  export interface Publication {
    data: any;
    /** Where it stands; absent where the channel keeps no history. */
    offset?: number;
    epoch?: string;
    /** Who published it; absent for what the backend published. */
    info?: ClientInfo;
    tags?: { [name: string]: string };
    /** It was missed, and is brought now. */
    recovered: boolean;
  }

  /** A subscription stands, for the first time or again. */
  export interface Subscribed {
    /** There was a position to go on from. */
    wasRecovering: boolean;
    /** Everything behind that position follows; false: something may be missing, so load anew. */
    recovered: boolean;
    /** Where the subscription begins; null where the channel keeps no history. */
    position: Position | null;
    /** What the backend sent along. */
    data?: any;
  }

  /** A subscription is over. */
  export interface Unsubscribed {
    /** 0: by `unsubscribe()`; 2000 and more: by the server; else the error that refused it. */
    code: number;
    reason: string;
  }

  /** Why something failed. */
  export interface FanfareError {
    /**
     * A number of the server's (such as 103: not allowed, 108: not available), or `queue_full` (too
     * many calls wait), `timeout` (no answer in time), `closed` (the connection was lost before the
     * answer, or there is none).
     */
    code: number | 'queue_full' | 'timeout' | 'closed';
    message: string;
  }

  /** The state changed, or another attempt failed. */
  export interface StateEvent {
    state: State;
    /** Why: a close code, 0 for `connect()`. */
    code: number;
    reason: string;
    /** Milliseconds until the next attempt; absent unless one is due. */
    retryIn?: number;
  }

  /** The connection is over for good, until `connect()`. */
  export interface CloseEvent {
    code: number;
    reason: string;
  }

  /** What a client tells, by name. */
  export interface FanfareEvents {
    /** The state changed, or an attempt to connect failed and the next is due in `retryIn`. */
    state: StateEvent;
    /** It is over, by `close()` or by a final close code. Once for each `connect()`. */
    close: CloseEvent;
    /** Something failed and goes on: a token that could not be had, a connection that was refused. */
    error: FanfareError;
    /** A message for this client alone. */
    message: { data: any };
    /** Of channels that the server subscribed the client to. */
    subscribed: Subscribed & { channel: string };
    publication: Publication & { channel: string };
    join: ClientInfo & { channel: string };
    leave: ClientInfo & { channel: string };
    unsubscribed: Unsubscribed & { channel: string };
  }

  /** What a subscription tells, by name. */
  export interface SubscriptionEvents {
    publication: Publication;
    subscribed: Subscribed;
    join: ClientInfo;
    leave: ClientInfo;
    /** It is over; the object tells nothing more. */
    unsubscribed: Unsubscribed;
    /** Something failed; the subscription is tried again, unless `unsubscribed` follows. */
    error: FanfareError;
  }

  /** A page's part in a channel. Several of one channel share its subscription. */
  export interface Subscription {
    readonly channel: string;
    /** Behind what came last; null where the channel keeps no history. Good for `since`. */
    readonly position: Position | null;
    /** Listens; the answer stops it. */
    on<K extends keyof SubscriptionEvents>(
      event: K,
      fn: (told: SubscriptionEvents[K]) => void,
    ): () => void;
    off<K extends keyof SubscriptionEvents>(
      event: K,
      fn: (told: SubscriptionEvents[K]) => void,
    ): void;
    publish(data: unknown): Promise<void>;
    /** Who is there, by client id. */
    presence(): Promise<{ [client: string]: ClientInfo }>;
    history(options?: HistoryOptions): Promise<{ publications: Publication[]; position: Position }>;
    /** Ends this part; the last one of a channel ends its subscription. */
    unsubscribe(): void;
  }

  /** A client. */
  export interface FanfareClient {
    readonly state: State;
    /** The transport of the connection, or of the attempt; null while disconnected. */
    readonly transport: TransportName | null;
    /** Connects, and stays connected until `close()` or a close that is final. */
    connect(): void;
    /** Ends the connection; calls that wait are rejected with `closed`. */
    close(): void;
    /** Listens; the answer stops it. */
    on<K extends keyof FanfareEvents>(event: K, fn: (told: FanfareEvents[K]) => void): () => void;
    off<K extends keyof FanfareEvents>(event: K, fn: (told: FanfareEvents[K]) => void): void;
    subscribe(channel: string, options?: SubscribeOptions): Subscription;
    publish(channel: string, data: unknown): Promise<void>;
    rpc(method: string, data?: unknown): Promise<any>;
    /** A message to the backend, where `hooks.message` takes them. */
    send(data: unknown): Promise<void>;
  }

  /** Makes a client of a server; `baseUrl` is such as `https://push.example.com`. */
  export interface FanfareConstructor {
    new (baseUrl: string, options?: Options): FanfareClient;
  }
}

declare const Fanfare: Fanfare.FanfareConstructor;
type Fanfare = Fanfare.FanfareClient;
export = Fanfare;
