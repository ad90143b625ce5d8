//! What `/poll` is asked and what it answers, as texts and values. Pure.

import type { WirePublication } from '../protocol';

/** The position of a channel that keeps nothing. */
export const NOWHERE = '-';

/** One message of an answer. */
interface Message extends WirePublication {
  channel: string;
  b64data?: string;
}

/** An answer of `/poll`. */
export interface Answer {
  readonly messages: readonly Message[];
  /** The position of each channel, in the order of the request. */
  readonly positions: readonly string[];
  readonly recovered: boolean;
}

/** Reads an answer; null where it is none. */
export function readAnswer(body: string): Answer | null {
  try {
    const { messages, since, recovered } = JSON.parse(body);
    return { messages: messages.slice(), positions: since.split(','), recovered: !!recovered };
  } catch {
    return null;
  }
}

/** The publications of one channel in an answer. */
export function publications(answer: Answer, channel: string): WirePublication[] {
  const found: WirePublication[] = [];
  for (let i = 0; i < answer.messages.length; i++) {
    const message = answer.messages[i]!;
    if (message.channel === channel) found.push(publication(message));
  }
  return found;
}

/** A message as a publication, which it is but for bytes. */
export function publication(message: Message): WirePublication {
  if (message.data === undefined) message.data = message.b64data;
  return message;
}

/** A position in its two parts. */
export function split(position: string): { offset: number; epoch: string } {
  const at = position.indexOf('@');
  return { offset: Number(position.slice(0, at)), epoch: position.slice(at + 1) };
}

/** Whether something is missing between two positions that so many messages stand between. */
export function isLost(before: string, after: string, messages: number): boolean {
  if (before === NOWHERE || after === NOWHERE) return before !== after;
  const from = split(before);
  const to = split(after);
  return from.epoch !== to.epoch || to.offset !== from.offset + messages;
}

/** A form of a poll. */
export function form(channels: readonly string[], since: string, token: string): string {
  const fields = channels.map((channel) => 'channel=' + encodeURIComponent(channel));
  if (since) fields.push('since=' + encodeURIComponent(since));
  if (token) fields.push('token=' + encodeURIComponent(token));
  return fields.join('&');
}
