//! Numbers, sizes and times as people read them, in the language of the page. Owned by the admin page. It must not touch the
//! document.

import { language } from './i18n.js';

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const SPANS = [[86_400, 'd', '天'], [3600, 'h', '小时'], [60, 'min', '分']];

/** `1,234`; `–` for what is not known. */
export function count(number) {
  return number === null || number === undefined ? '–' : Math.round(number).toLocaleString('en');
}

/** A rate, with a digit behind the point while it is small. */
export function rate(number) {
  return number < 10 && number !== Math.round(number) ? number.toFixed(1) : count(number);
}

/** `1.5 MiB`. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return '–';
  let value = bytes;
  let at = 0;
  while (value >= 1024 && at < SIZES.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${SIZES[at]}`;
}

/** Seconds as the two largest units: `3 h 12 min`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const isChinese = language() === 'zh';
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [length, en, zh] of SPANS) {
    const whole = Math.floor(left / length);
    left -= whole * length;
    if (whole > 0 || parts.length > 0) parts.push(isChinese ? `${whole} ${zh}` : `${whole} ${en}`);
  }
  parts.push(isChinese ? `${left} 秒` : `${left} s`);
  // `1 h`, not `1 h 0 min`.
  return parts.slice(0, 2).filter((part, at) => at === 0 || !part.startsWith('0 ')).join(' ');
}

/** A short time in seconds: `0.4 ms`, `12 ms`, `1.2 s`. */
export function delay(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds >= 1) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const ms = seconds * 1000;
  if (ms >= 10) return `${Math.round(ms)} ms`;
  return ms >= 0.1 || ms === 0 ? `${Number(ms.toFixed(1))} ms` : `${Math.round(ms * 1000)} µs`;
}

/** The time of day of a date that the server wrote, by the clock of who reads. */
export function clock(date) {
  return new Date(date).toLocaleTimeString(language() === 'zh' ? 'zh-CN' : 'en-GB');
}
