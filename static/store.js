//! What a page remembers between visits: language, theme, switches, saved messages. Owned by the browser's localStorage.
//! Bounds: one key each, values of at most 64 Ki characters. It must not hold tokens or keys, and must not throw where
//! storage is forbidden (private windows, embedded views).

const PREFIX = 'fanfare.';
const VALUE_CHARS_MAX = 65536;

/** The remembered value, or `fallback` if there is none that reads as JSON. */
export function recall(name, fallback) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** Remembers a value; answers whether it could. */
export function remember(name, value) {
  const text = JSON.stringify(value);
  if (text.length > VALUE_CHARS_MAX) return false;
  try {
    localStorage.setItem(PREFIX + name, text);
    return true;
  } catch {
    return false;
  }
}
