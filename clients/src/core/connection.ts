//! The life of a connection: attempts, transports, tokens, liveness, and coming back until the app
//! or a close code says otherwise. One state machine, whose states are the variants of `Phase`; at
//! most one link at a time, and the old one is closed before another is opened.
//!
//! It knows nothing of channels: what a connection carries is its owner's.

import type { Cancel, Hint, Runtime, Timer } from '../runtime';
import type { ConnectRequest, ConnectResult, Push, Reply } from '../protocol';
import type { Link, LinkEnd } from '../transports/link';
import type { CloseEvent, FanfareError, State, StateEvent, TransportName } from '../types';
import { Backoff } from './backoff';
import type { Calls } from './calls';
import * as codes from './codes';
import { Choice, type NamedTransport } from './choice';
import { Liveness } from './liveness';
import { Renewal } from './renewal';
import type { Settings } from './settings';
import type { Tokens } from './tokens';

/** What a connection needs, and whom it tells. */
export interface ConnectionParts {
  readonly runtime: Runtime;
  readonly settings: Settings;
  readonly calls: Calls;
  readonly tokens: Tokens<void>;
  readonly base: string;
  readonly header: { readonly [name: string]: string };
  /** At least one, in the order of trying. */
  readonly transports: readonly NamedTransport[];
  readonly owner: ConnectionOwner;
}

/** What stands on a connection. */
export interface ConnectionOwner {
  /** What the connect command says beside the token. */
  connectRequest(): ConnectRequest;
  /** Sends what goes with the connect command, in the same text where that can be. */
  opening(link: Link): void;
  /** There is a connection. */
  connected(result: ConnectResult): void;
  /** A push came. */
  push(push: Push): void;
  /** The link is gone. */
  lost(): void;
  tellState(told: StateEvent): void;
  tellClose(told: CloseEvent): void;
  tellError(told: FanfareError): void;
}

/** An attempt. */
interface Connecting {
  readonly name: 'connecting';
  readonly deadline: Timer;
  /** Its token was made for it, so another one would be no better. */
  readonly isFresh: boolean;
  /** Null while the token is asked for. */
  link: Link | null;
  /** The transport reached the server: it is not to blame for what follows. */
  isReached: boolean;
}

interface Connected {
  readonly name: 'connected';
  readonly link: Link;
  readonly since: number;
  readonly liveness: Liveness;
  readonly isPongWanted: boolean;
  readonly renewal: Renewal<void>;
}

type Phase =
  /** Nothing is wanted. */
  | { readonly name: 'disconnected' }
  /** Another attempt is due. */
  | { readonly name: 'waiting'; readonly timer: Timer }
  /** The platform is stopping; `thawed` goes on. */
  | { readonly name: 'frozen' }
  | Connecting
  | Connected;

/** A connection that comes back. */
export class Connection {
  private phase: Phase = { name: 'disconnected' };
  private readonly backoff: Backoff;
  private readonly choice: Choice;
  private isOffline = false;
  /** When the last attempt began. */
  private began = 0;
  private unwatch: Cancel | null = null;
  private readonly memory = {};

  constructor(private readonly parts: ConnectionParts) {
    const { minDelay, maxDelay } = parts.settings;
    this.backoff = new Backoff(minDelay, maxDelay);
    this.choice = new Choice(parts.transports);
  }

  get state(): State {
    const { name } = this.phase;
    return name === 'connected' || name === 'disconnected' ? name : 'connecting';
  }

  get transport(): TransportName | null {
    return this.phase.name === 'disconnected' ? null : this.choice.current.name;
  }

  /** The link, while there is one, open or not. */
  get link(): Link | null {
    const { phase } = this;
    return phase.name === 'connected' || phase.name === 'connecting' ? phase.link : null;
  }

  /** Connects and stays connected. */
  open(): void {
    if (this.phase.name !== 'disconnected') return;
    this.backoff.reset();
    this.isOffline = false;
    // Somebody else may have logged in, or the old token may be why it had ended.
    this.parts.tokens.expire();
    this.attempt();
    this.unwatch = this.parts.runtime.watch((hint) => this.onHint(hint));
    this.parts.owner.tellState({ state: 'connecting', code: 0, reason: 'connect' });
  }

  /** Ends it for good, and says so once. */
  finish(code: number, reason: string): void {
    if (this.phase.name === 'disconnected') return;
    const { owner, calls } = this.parts;
    this.letGo();
    this.phase = { name: 'disconnected' };
    if (this.unwatch) this.unwatch();
    this.unwatch = null;
    calls.end();
    owner.tellState({ state: 'disconnected', code, reason });
    owner.tellClose({ code, reason });
  }

  /** Gives the connection up for another one, after `delay` ms, or as the rules say. */
  lose(end: LinkEnd, delay?: number): void {
    if (codes.isTerminal(end.code)) return this.finish(end.code, end.reason);
    const { phase } = this;
    this.letGo();
    if (end.code === codes.EXPIRED) this.parts.tokens.expire();
    const isRefused = phase.name === 'connecting' && phase.link !== null && !phase.isReached;
    const isNext = isRefused && this.choice.failed();
    this.wait(isNext ? 0 : delay === undefined ? this.delay(end) : delay, end);
  }

  // ---- attempts ----

  private attempt(): void {
    const { runtime, settings, tokens, owner } = this.parts;
    const { timeout } = settings;
    this.began = runtime.now();
    const deadline = runtime.setTimeout(() => {
      const why = phase.link ? '' : ': no token';
      this.lose({ code: codes.ABNORMAL, reason: 'no connection within ' + timeout + ' ms' + why });
    }, timeout);
    const phase: Connecting = {
      name: 'connecting', deadline, isFresh: tokens.isDue, link: null, isReached: false,
    };
    this.phase = phase;
    tokens.get(
      (token) => {
        if (this.phase === phase) this.openLink(phase, token);
      },
      (message) => {
        if (this.phase !== phase) return;
        owner.tellError({ code: codes.TOKEN_EXPIRED, message });
        if (this.phase === phase) this.lose({ code: codes.TOKEN_EXPIRED, reason: message });
      },
    );
  }

  private openLink(phase: Connecting, token: string): void {
    const { runtime, settings, base, header, owner, calls } = this.parts;
    const connect: ConnectRequest = owner.connectRequest();
    if (token) connect.token = token;
    const command = calls.command({ connect }, (reply, error) => {
      if (this.phase !== phase) return;
      if (reply) this.onConnected(phase, reply.connect || {});
      // Without an answer, the deadline and the end of the link say what comes next.
      else if (typeof error!.code === 'number') this.onRefused(phase, error!);
    });
    const { timeout } = settings;
    const request = { runtime, base, header, timeout, connect: command, memory: this.memory };
    const link = this.choice.current.open(request, {
      opened: () => {
        if (this.phase !== phase) return;
        phase.isReached = true;
        this.choice.proven();
      },
      reply: (reply) => {
        if (this.link === link) this.onReply(link, reply);
      },
      closed: (end) => {
        if (this.link === link) this.lose(end);
      },
    });
    phase.link = link;
    owner.opening(link);
  }

  /** The connect command was answered with an error, which ends the link. */
  private onRefused(phase: Connecting, error: FanfareError): void {
    const { tokens, owner } = this.parts;
    const { message } = error;
    const code = error.code as number;
    phase.isReached = true;
    if (code === codes.TOKEN_EXPIRED && tokens.isRenewable) {
      tokens.expire();
      return this.lose({ code, reason: message }, phase.isFresh ? undefined : 0);
    }
    if (!codes.isPassing(error)) return this.finish(code, message);
    owner.tellError(error);
    if (this.phase === phase) this.lose({ code, reason: message });
  }

  private onConnected(phase: Connecting, result: ConnectResult): void {
    const { runtime, owner, calls } = this.parts;
    const link = phase.link!;
    runtime.clearTimeout(phase.deadline);
    this.choice.proven();
    this.isOffline = false;
    const liveness: Liveness = new Liveness(runtime, result.ping || 0, {
      probe: () => link.send([calls.command({ ping: {} }, (reply, error) => {
        // An error of the server's is an answer too.
        if (!reply && typeof error!.code !== 'number') return;
        // Some machines say offline for ever, behind a VPN, though they are not.
        this.isOffline = false;
        liveness.answered();
      })]),
      dead: (reason, isProbed) => {
        this.lose({ code: codes.ABNORMAL, reason }, isProbed ? 0 : undefined);
      },
    });
    const connected: Connected = {
      name: 'connected', link, since: runtime.now(), liveness, isPongWanted: !!result.pong,
      renewal: this.renewal(link, result),
    };
    this.phase = connected;
    owner.tellState({ state: 'connected', code: 0, reason: 'connected' });
    if (this.phase === connected) owner.connected(result);
    if (this.phase === connected) calls.ready(link);
  }

  // ---- while connected ----

  private onReply(link: Link, reply: Reply): void {
    const { phase } = this;
    if (phase.name === 'connected') phase.liveness.touch();
    const { push } = reply;
    if (reply.id) {
      this.parts.calls.reply(reply);
    } else if (push && push.disconnect) {
      const { code, reason } = push.disconnect;
      this.lose({ code: code || codes.ABNORMAL, reason: reason || '' });
    } else if (push) {
      this.parts.owner.push(push);
    } else if (phase.name === 'connected' && phase.isPongWanted) {
      link.send([{}]);
    }
  }

  private renewal(link: Link, result: ConnectResult): Renewal<void> {
    const { runtime, calls, tokens, owner } = this.parts;
    return new Renewal<void>({
      runtime, calls, tokens,
      command: (token) => ({ refresh: { token } }),
      send: (command) => link.send([command]),
      failed: (error) => {
        const goesOn = codes.isPassing(error) || error.code === codes.TOKEN_EXPIRED;
        if (goesOn) owner.tellError(error);
        else this.finish(error.code as number, error.message);
        return goesOn;
      },
    }, result);
  }

  // ---- between attempts ----

  /** Ends whatever the phase owns. The caller names the next phase. */
  private letGo(): void {
    const { runtime, calls, owner } = this.parts;
    const { phase } = this;
    // Nothing that happens below is the phase's any more.
    this.phase = { name: 'frozen' };
    if (phase.name === 'waiting') runtime.clearTimeout(phase.timer);
    if (phase.name === 'connecting') runtime.clearTimeout(phase.deadline);
    if (phase.name === 'connected') {
      phase.liveness.stop();
      phase.renewal.stop();
      this.backoff.held(runtime.now() - phase.since);
    }
    if ((phase.name === 'connecting' || phase.name === 'connected') && phase.link) {
      phase.link.close(codes.NORMAL, '');
      // First what stands on the link, so that it does not take the loss for an answer.
      owner.lost();
      calls.lost();
    }
  }

  private delay(end: LinkEnd): number {
    const { maxDelay } = this.parts.settings;
    const asked = Math.min((end.retryAfter || 0) * 1000, maxDelay);
    const delay = this.backoff.next() + asked;
    return this.isOffline ? Math.max(delay, maxDelay) : delay;
  }

  private wait(ms: number, why: { code: number; reason: string }): void {
    const { runtime, owner } = this.parts;
    const timer = runtime.setTimeout(() => this.attempt(), ms);
    this.phase = { name: 'waiting', timer };
    const { code, reason } = why;
    owner.tellState({ state: 'connecting', code, reason, retryIn: ms });
  }

  // ---- hints ----

  private onHint(hint: Hint): void {
    if (hint === 'offline') return this.onOffline();
    if (hint === 'online') this.isOffline = false;
    if (hint === 'frozen') return this.freeze();
    if (hint === 'hidden') return;
    const { phase } = this;
    if (phase.name === 'disconnected') return;
    if (phase.name === 'connected') {
      phase.liveness.probe();
    } else if (phase.name === 'frozen') {
      if (hint !== 'online') this.wait(0, { code: codes.NORMAL, reason: 'back again' });
    } else if (phase.name === 'waiting' || hint === 'online') {
      this.hurry();
    }
  }

  private onOffline(): void {
    const { phase } = this;
    const { maxDelay } = this.parts.settings;
    this.isOffline = true;
    if (phase.name === 'connected') phase.liveness.probe();
    if (phase.name !== 'waiting') return;
    this.letGo();
    this.wait(maxDelay, { code: codes.ABNORMAL, reason: 'offline' });
  }

  /** Closes and stands still: the platform would break the connection without telling in time. */
  private freeze(): void {
    if (this.phase.name === 'disconnected' || this.phase.name === 'frozen') return;
    this.letGo();
    const told: StateEvent = { state: 'connecting', code: codes.NORMAL, reason: 'frozen' };
    this.parts.owner.tellState(told);
  }

  /** Something is better now: an attempt at once, but never two within the shortest delay. */
  private hurry(): void {
    const { runtime, settings } = this.parts;
    const gap = this.began + settings.minDelay - runtime.now();
    // An attempt that is that young may be one of the new network already.
    if (this.phase.name === 'connecting' && gap > 0) return;
    this.backoff.reset();
    this.letGo();
    this.wait(Math.max(0, gap), { code: codes.NORMAL, reason: 'back again' });
  }
}
