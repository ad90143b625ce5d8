//! What a WebSocket may be given to send: texts, buffers and views, as the platforms want them, and
//! their sizes. Pure. It must not hand out the whole buffer behind a view.

import { utf8Length } from '../miniprogram/utf8';

/** What the platform takes, and how many bytes it is. */
export function sendable(data: unknown): { content: string | ArrayBuffer; bytes: number } {
  if (isBuffer(data)) return { content: data, bytes: data.byteLength };
  const view = data as ArrayBufferView | null | undefined;
  if (view && isBuffer(view.buffer)) {
    const { buffer, byteOffset, byteLength } = view;
    const isWhole = byteLength === buffer.byteLength;
    const content = isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
    return { content, bytes: byteLength };
  }
  const content = String(data);
  return { content, bytes: utf8Length(content) };
}

// The buffer may be of another realm, where `instanceof` says no.
function isBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === '[object ArrayBuffer]';
}
