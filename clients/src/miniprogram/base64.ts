//! Base64, for Alipay's binary messages: mini programs have neither `atob` nor `Buffer`. Pure. It
//! must not stumble over line breaks or missing padding.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The text of bytes. */
export function toBase64(buffer: ArrayBuffer): string {
  const bytes = new Uint8Array(buffer);
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const three = (byteAt(bytes, at) << 16) | (byteAt(bytes, at + 1) << 8) | byteAt(bytes, at + 2);
    text += DIGITS.charAt(three >> 18) + DIGITS.charAt((three >> 12) & 63);
    text += left > 1 ? DIGITS.charAt((three >> 6) & 63) : '=';
    text += left > 2 ? DIGITS.charAt(three & 63) : '=';
  }
  return text;
}

/** The bytes of a text; characters that are no digits are passed over. */
export function fromBase64(text: string): ArrayBuffer {
  const bytes = new Uint8Array(Math.floor((text.replace(/[^A-Za-z0-9+/]/g, '').length * 3) / 4));
  let bits = 0;
  let held = 0;
  let filled = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = DIGITS.indexOf(text.charAt(at));
    if (digit < 0) continue;
    bits = ((bits << 6) | digit) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[filled++] = (bits >> held) & 255;
    }
  }
  return bytes.buffer;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] || 0;
}
