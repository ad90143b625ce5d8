//! The administrator's page: the login, then one view at a time, chosen by the address's fragment. Owned by admin.html. Bounds: one
//! view alive. It must keep the key nowhere, and show nothing of the node once the token is over.

import { admin, login, logout, onOver } from './admin-api.js';
import { channels } from './admin-channels.js';
import { hooks } from './admin-hooks.js';
import { overview } from './admin-overview.js';
import { pushes } from './admin-pushes.js';
import { sessions } from './admin-sessions.js';
import { startFigures, stopFigures } from './admin-stats.js';
import { sentence } from './admin-trouble.js';
import { words } from './admin-words.js';
import { byId, make, put, show } from './dom.js';
import { addWords, apply, language, languageButton, onLanguage, t } from './i18n.js';
import { themeButton } from './theme.js';

const VIEWS = { overview, sessions, channels, pushes, hooks };

let end = null;
let isIn = false;

addWords(words);
apply(document);
themeButton(byId('theme'));
languageButton(byId('language'));
onLanguage(() => isIn && draw());
onOver(() => leave(t('login-over')));
addEventListener('hashchange', () => isIn && draw());
byId('logout').addEventListener('click', () => {
  logout();
  leave('');
});
byId('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  enter();
});
// By https, or from the machine itself: nobody reads along.
show(byId('login-insecure'), !isSecureContext);
byId('login-key').focus();

async function enter() {
  const field = byId('login-key');
  const press = byId('login-button');
  press.disabled = true;
  try {
    await login(field.value);
    const node = await admin('GET', 'node');
    put(byId('node-name'), node.node);
    startFigures(node);
    isIn = true;
    refuse('');
    place();
    draw();
    byId('view').focus({ preventScroll: true });
  } catch (refusal) {
    refuse(sentence(refusal));
    field.select();
  }
  field.value = isIn ? '' : field.value;
  press.disabled = false;
}

function leave(reason) {
  isIn = false;
  stopFigures();
  end?.();
  end = null;
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  byId('view').replaceChildren();
  refuse(reason);
  place();
  byId('login-key').focus();
}

function refuse(text) {
  put(byId('login-error'), text);
  show(byId('login-error'), text !== '');
}

function place() {
  for (const id of ['room', 'logout', 'node-name']) show(byId(id), isIn);
  show(byId('login'), !isIn);
}

// `#sessions?channel=a`: the view, and its place in it.
function where() {
  const [name, rest] = location.hash.slice(1).split('?');
  return { name: name in VIEWS ? name : 'overview', place: Object.fromEntries(new URLSearchParams(rest ?? '')) };
}

function go(name, to) {
  const rest = new URLSearchParams(to).toString();
  const hash = `#${name}${rest ? `?${rest}` : ''}`;
  if (location.hash === hash) draw();
  else location.hash = hash;
}

function draw() {
  const { name, place: at } = where();
  end?.();
  byId('views').replaceChildren(...Object.keys(VIEWS).map((view) => {
    const link = make('a', '', t(`view-${view}`));
    link.href = `#${view}`;
    if (view === name) link.setAttribute('aria-current', 'page');
    return link;
  }));
  document.title = `${t(`view-${name}`)} · fanfare`;
  document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
  const view = byId('view');
  view.replaceChildren();
  view.scrollTop = 0;
  end = VIEWS[name](view, at, go);
}
