//! UTF-8 without TextEncoder and TextDecoder, which phones do not have in mini programs. Pure. It
//! must not throw: what is no UTF-8, or no text, becomes U+FFFD.

// A whole pair is one match, so that what is left of two is a half.
const SURROGATES = /[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g;

/** The bytes that `text` takes. */
export function utf8Length(text: string): number {
  return escaped(text).replace(/%../g, '.').length;
}

/** The bytes of a text. */
export function utf8Bytes(text: string): ArrayBuffer {
  const bytes: number[] = [];
  escaped(text).replace(/%(..)|[^]/g, (part, hex) => {
    bytes.push(hex ? parseInt(hex, 16) : part.charCodeAt(0));
    return '';
  });
  return new Uint8Array(bytes).buffer;
}

/** The text of bytes. */
export function utf8Text(buffer: ArrayBuffer): string {
  const bytes = new Uint8Array(buffer);
  let text = '';
  for (let at = 0; at < bytes.length; at++) {
    text += '%' + (256 + (bytes[at] as number)).toString(16).slice(1);
  }
  try {
    return decodeURIComponent(text);
  } catch (error) {
    return '\ufffd';
  }
}

// encodeURIComponent throws at half a pair.
function escaped(text: string): string {
  const whole = text.replace(SURROGATES, (found) => (found.length > 1 ? found : '\ufffd'));
  return encodeURIComponent(whole);
}
