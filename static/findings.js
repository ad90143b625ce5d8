//! Findings in words: of a close code, of a failed handshake, of what the browser forbids. Owned by console.js.
//! Bounds: none. Each answers a function, for the language may change while a finding stands. It must not touch the page.

import { explain } from './codes.js';
import { language, t } from './i18n.js';
import { tell } from './tell.js';

const NGINX = [
  'proxy_http_version 1.1;',
  'proxy_set_header Upgrade $http_upgrade;',
  'proxy_set_header Connection "upgrade";',
].join('\n');

/** Why a connection that stood is gone, or must not come back. */
export function closeFinding({ code, reason, wasClean, opened, livedMs, terminal }) {
  if (code < 1000) return () => ({ level: 'bad', title: t('found-refused', { code, reason }), text: t('do-refused') });
  return () => {
    const { name, meaning, check } = explain(code, language());
    const nearAMinute = code === 1006 && opened && livedMs > 58_000 && livedMs < 63_000;
    const details = [t('close-detail', { reason: reason || t('none'), clean: t(wasClean ? 'clean' : 'unclean'), seconds: (livedMs / 1000).toFixed(1) })];
    if (terminal) details.unshift(t('will-stop'));
    return {
      level: terminal ? 'bad' : 'warn',
      title: t('close-title', { code, name, meaning }),
      text: [reason, nearAMinute ? t('looks-like-60') : check].filter(Boolean).join(' · '),
      details,
    };
  };
}

/** Why a handshake failed: `findings` as diagnose gives them, what it is put down to first. */
export function handshakeFinding(findings, useWs) {
  return () => {
    const [lead, ...evidence] = findings;
    const name = lead.key.replace(/^found-/, '');
    return {
      level: 'bad',
      title: tell(lead),
      text: t(`do-${name}`, lead.values),
      code: name === 'upgrade' ? NGINX : '',
      details: evidence.map(tell),
      action: name === 'wss' ? { label: t('use-ws'), run: useWs } : null,
    };
  };
}

/** What the browser does not even try. */
export function mixedFinding(useWss) {
  return () => ({ level: 'bad', title: t('found-mixed'), text: t('do-mixed'), action: { label: t('use-wss'), run: useWss } });
}
