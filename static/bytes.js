//! Bytes to and from what people read: hex, Base64, sizes, text. Pure functions, owned by nobody.
//! Bounds: the caller's; a dump is cut by the caller. It must not touch the page.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Length of a text in UTF-8, which is what travels. */
export function textSize(text) {
  return encoder.encode(text).length;
}

/** `1.5 KiB` and the like. */
export function readableSize(count) {
  if (count < 1024) return `${count} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Reads `de ad:be-ef` or `0xdeadbeef`; null if it is not whole bytes in hex. */
export function fromHex(text) {
  const digits = text.replace(/0x/gi, '').replace(/[\s:,\-]/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) return null;
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Reads Base64, the URL alphabet too; null if it is neither. */
export function fromBase64(text) {
  try {
    const plain = atob(text.replace(/\s/g, '').replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(plain, (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Base64 of bytes. */
export function toBase64(bytes) {
  let plain = '';
  // In slices: a call takes only so many arguments.
  for (let i = 0; i < bytes.length; i += 8192) plain += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(plain);
}

/** Plain hex digits with a space between bytes. */
export function toHex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
}

/** Hex dump: offset, `width` bytes, the same as ASCII. */
export function dump(bytes, width = 16) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += width) {
    const slice = bytes.subarray(at, at + width);
    const ascii = Array.from(slice, (b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${toHex(slice).padEnd(width * 3 - 1)}  ${ascii}`);
  }
  return lines.join('\n');
}

/** Bytes as text; what is not UTF-8 shows as U+FFFD. */
export function asText(bytes) {
  return decoder.decode(bytes);
}
