//! The reader of the documents, which stand beside it as they are in the repository. Owned by the browser's tab.
//! Bounds: the documents of `DOCUMENTS`; which one, and which heading of it, stands in the fragment. It must read no other file.

import { byId, make, put } from './dom.js';
import { addWords, apply, language, languageButton, onLanguage, setLanguage, t } from './i18n.js';
import { anchor, render } from './markdown.js';
import { themeButton } from './theme.js';
import { words } from './words-console.js';

const DOCUMENTS = ['README', 'plain-clients', 'clients', 'close-codes', 'tokens', 'api', 'hooks', 'settings', 'deploy', 'nginx', 'admin', 'state', 'load', 'benchmarks', 'centrifugo'];
const TRANSLATED = ['README', 'plain-clients', 'clients', 'close-codes', 'tokens', 'deploy', 'nginx', 'admin', 'state', 'centrifugo'];

addWords(words);

let shown = '';

/** `{name, isChinese, heading}` of the fragment. */
function asked() {
  const [file, heading = ''] = readable(location.hash.slice(1)).split('/');
  const name = file.replace(/\.zh-CN$/, '');
  return { name: DOCUMENTS.includes(name) ? name : 'README', isChinese: file.endsWith('.zh-CN'), heading };
}

function readable(fragment) {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function fileOf({ name, isChinese }) {
  return isChinese && TRANSLATED.includes(name) ? `${name}.zh-CN` : name;
}

async function draw() {
  const wanted = asked();
  const file = fileOf(wanted);
  if (file !== shown) {
    shown = file;
    const answer = await fetch(new URL(`${file}.md`, document.baseURI));
    const text = answer.ok ? await answer.text() : `${answer.status}`;
    // Another one was asked for meanwhile.
    if (file !== shown) return;
    byId('document').lang = file.endsWith('.zh-CN') ? 'zh-CN' : 'en';
    byId('document').replaceChildren(...render(text, leads));
    const [title] = byId('document').querySelectorAll('h1');
    document.title = `${title?.textContent ?? 'fanfare'} · fanfare`;
    document.querySelector('.page').scrollTop = 0;
  }
  drawContents(wanted);
  if (wanted.heading) document.getElementById(wanted.heading)?.scrollIntoView();
}

/** Where a link of a document leads: to another document, a heading, or elsewhere on the web. */
function leads(href) {
  if (/^https?:/.test(href)) return href;
  const [path, heading = ''] = href.split('#');
  const name = path.split('/').pop().replace(/\.md$/, '');
  if (path === '') return `#${shown}/${heading}`;
  const isHere = path.endsWith('.md') && DOCUMENTS.includes(name.replace(/\.zh-CN$/, ''));
  return isHere ? `#${name}${heading && `/${heading}`}` : '';
}

function drawContents({ name, isChinese }) {
  byId('contents').replaceChildren(...DOCUMENTS.map((one) => {
    const link = make('a', 'menu-item', t(`doc-${one}`));
    link.href = `#${fileOf({ name: one, isChinese })}`;
    if (one !== name) return make('li', '', link);
    link.setAttribute('aria-current', 'page');
    const headings = [...byId('document').querySelectorAll('h2')].map((heading) => {
      const inner = make('a', 'menu-item', heading.textContent);
      inner.href = `#${shown}/${anchor(heading.textContent)}`;
      return make('li', '', inner);
    });
    return make('li', '', link, make('ul', 'headings', ...headings));
  }));
  put(byId('untranslated'), isChinese && !TRANSLATED.includes(name) ? t('doc-untranslated') : '');
}

// The language of the page is that of the document, where there is one.
function changeLanguage() {
  const { name } = asked();
  location.hash = fileOf({ name, isChinese: language() === 'zh' });
  draw();
}

if (asked().isChinese) setLanguage('zh');
themeButton(byId('theme'));
languageButton(byId('language'));
onLanguage(changeLanguage);
addEventListener('hashchange', draw);
apply(document);
draw();
