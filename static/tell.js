//! Entries of the log in words: events in the present language, messages as text, JSON, hex or Base64. Owned by nobody.
//! Bounds: a row shows 4,000 characters, an inspector 200,000. It must not touch the page.

import { asText, dump, toBase64 } from './bytes.js';
import { explain } from './codes.js';
import { language, t } from './i18n.js';

const encoder = new TextEncoder();

/** An event of the log in the present language. */
export function tell(entry) {
  const values = { ...entry.values };
  if (entry.key === 'opened') {
    const { protocol, extensions } = values;
    return [t('opened', values), protocol ? t('opened-protocol', values) : '', extensions].filter(Boolean).join(' · ');
  }
  if (values.code !== undefined) values.name = explain(values.code, language()).name;
  // A value that is null has no words of its own: no subprotocol, no reason.
  for (const name of Object.keys(values)) if (values[name] === null || values[name] === '') values[name] = t('none');
  return t(entry.key, values);
}

/** The forms that a message has: those that say something of it. */
export function formsOf(entry) {
  if (entry.kind === 'info') return ['text'];
  return entry.kind === 'json' ? ['json', 'text', 'hex'] : entry.kind === 'binary' ? ['hex', 'base64', 'text'] : ['text', 'hex'];
}

/** A message in one of its forms, of at most about `max` characters; `width` is how many bytes a line of hex has. */
export function written(entry, form, max, width = 16) {
  if (entry.kind === 'info') return tell(entry);
  const { data } = entry;
  if (form === 'json' && entry.kind === 'json') return cut(JSON.stringify(JSON.parse(data), null, 2), max);
  if (form === 'hex' || (entry.kind === 'binary' && form === 'json')) return hex(data, max, width);
  if (entry.kind !== 'binary') return cut(data, max);
  return cut(form === 'base64' ? toBase64(data) : asText(data), max);
}

function hex(data, max, width) {
  // A line is some four and a half characters for each byte; what is cut off need not be made.
  const bytes = Math.floor(max / 4.5 / width) * width;
  const all = typeof data === 'string' ? encoder.encode(data.slice(0, bytes + 1)) : data;
  const rest = all.length > bytes;
  return dump(rest ? all.subarray(0, bytes) : all, width) + (rest ? '\n…' : '');
}

function cut(text, max) {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}
