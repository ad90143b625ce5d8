//! Answers without what differs from run to run: ids, epochs, versions, times. Pure. What is masked is still there: a field that
//! one server leaves out stays a difference.

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Fields whose value is the server's own. */
const OWN = new Set(['epoch', 'version', 'session', 'node', 'time', 'uid', 'name', 'uptime', 'process', 'metrics']);
/** Seconds of a year; what ends later ends far away. */
const YEAR = 365 * 24 * 3600;
/** Sentences for people; fanfare's say more. Those of backends (codes from 400 on, 4000 on) are passed on as they are. */
const isOwnWord = (code) => code < 400 || (code >= 2000 && code < 4000);

/** A mask for the answers of one case: the same id gets the same name. */
export function masker() {
  const ids = new Map();
  const named = (text) => text.replace(UUID, (id) => {
    if (!ids.has(id)) ids.set(id, `<id ${ids.size + 1}>`);
    return ids.get(id);
  });
  const mask = (value, key) => {
    if (typeof value === 'string') return OWN.has(key) && value ? `<${key}>` : named(value);
    if (key === 'ttl' && value >= YEAR) return '<a year or more>';
    // A token or an end given in seconds from now: the second may have passed.
    if (key === 'ttl' || key === 'expire_at') return Math.round(value / 10) * 10;
    if (OWN.has(key)) return `<${key}>`;
    if (Array.isArray(value)) return value.map((one) => mask(one));
    if (value === null || typeof value !== 'object') return value;
    const isTold = typeof value.code === 'number' && isOwnWord(value.code);
    const entries = Object.entries(value).map(([name, inner]) => {
      if (isTold && (name === 'message' || name === 'reason')) return [name, '…'];
      return [named(name), mask(inner, name)];
    });
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return mask;
}
