//! docs/close-codes.md and its Chinese twin, held against what the server, the client and the page do: src/close.rs, src/codec,
//! src/protocol, clients/src and static/codes.js are read as text. Needs no server.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const ts = createRequire(new URL('clients/package.json', ROOT))('typescript');
const text = (file) => readFileSync(new URL(file, ROOT), 'utf8');
const evaluate = (source) => import(`data:text/javascript,${encodeURIComponent(source)}`);

/** Each language's page, its words for yes and no, and its headings: what is sent, faults, runtimes, own, subscriptions, errors. */
const PAGES = [
  {
    file: 'docs/close-codes.md', yes: 'yes', no: 'no', subscribes: ['yes', 'no'], again: ['yes', 'no', 'with a new token'],
    headings: ['Codes that fanfare sends', 'Protocol errors', 'Codes that the runtime reports', 'Codes of your own',
      'When a subscription ends', 'Errors of replies'],
  },
  {
    file: 'docs/close-codes.zh-CN.md', yes: '重连', no: '不重连', subscribes: ['重新订阅', '不重新订阅'], again: ['再试', '不再试', '换新令牌后再试'],
    headings: ['fanfare 会发出的关闭码', '协议错误', '运行环境报告的关闭码', '你自己的关闭码', '订阅结束时', '应答中的错误'],
  },
];
// Never on the wire: an answered poll and a Close without a code; the pages tell of both in a sentence.
const UNSENT = ['1000 answered', '1005 '];

/** Rows of the first table behind a heading, as lists of cells, without its head. */
function rows(page, heading) {
  const [, section] = page.split(new RegExp(`^#+ ${heading}$`, 'm'));
  assert.ok(section, `there is no heading "${heading}"`);
  const [table] = /(?:^\|.*\n)+/m.exec(section);
  return table.trim().split('\n').slice(2).map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()));
}

const bare = (cell) => cell.replaceAll('`', '');
const sorted = (list) => [...list].sort();

/** `CODE reason` of each constant of a type in src/close.rs. */
function constants(source, type) {
  const [, body] = new RegExp(`impl ${type} \\{([\\s\\S]*?)\\n    const fn fixed`).exec(source);
  const declared = body.match(/pub\(crate\) const [A-Z_]+: Self/g);
  const found = [...body.matchAll(/pub\(crate\) const [A-Z_]+: Self =\s*Self::fixed\(\s*(\d+),\s*"([^"]*)"/g)];
  assert.equal(found.length, declared.length, `a constant of ${type} in src/close.rs is written in a form that this test cannot read`);
  return found.map(([, code, reason]) => `${code} ${reason}`);
}

describe('docs/close-codes', () => {
  let isTerminal;
  let close;

  before(async () => {
    const script = ts.transpileModule(text('clients/src/core/codes.ts'), { compilerOptions: { module: 'ESNext', target: 'ES2020' } });
    ({ isTerminal } = await evaluate(script.outputText));
    close = text('src/close.rs');
  });

  // A page that told another rule than the server and the modules follow would leave clients dead, or let them storm.
  test('server, client and page agree on the codes after which nobody comes back', async () => {
    const [, ranges] = /fn may_reconnect[\s\S]*?!matches!\(self\.code, ([^)]+)\)/.exec(close);
    const final = ranges.split('|').map((range) => range.trim().split('..=').map(Number));
    const page = await evaluate(text('static/codes.js'));
    for (let code = 1000; code < 5000; code += 1) {
      // 1009 is the client's own wisdom: the server would let it come back and say the same again.
      const stays = code === 1009 || final.some(([first, last]) => code >= first && code <= last);
      assert.equal(isTerminal(code), stays, `${code} in clients/src/core/codes.ts`);
      assert.equal(page.isTerminal(code), stays, `${code} in static/codes.js`);
    }
  });

  // A code that is not on the page is one that nobody finds when it matters; a row too many sends people after a ghost.
  test('the code that the page shows in a browser has a name and a check for each that the server sends', async () => {
    const { explain } = await evaluate(text('static/codes.js'));
    const ranges = new Set(['reserved', 'closed by the server', 'refused by the server', 'unknown']);
    for (const line of constants(close, 'Close')) {
      const code = parseInt(line, 10);
      assert.ok(!ranges.has(explain(code, 'en').name), `${code} is only a range in static/codes.js`);
      assert.match(explain(code, 'zh').check, /[一-鿿]/);
    }
  });

  for (const { file, yes, no, subscribes, again, headings } of PAGES) {
    const [sent, faults, runtimes, own, subscriptions, errors] = headings;

    test(`${file}: every close that the server sends has its row, and no row is without one`, () => {
      const page = text(file);
      const told = rows(page, sent).filter(([, reason]) => reason.startsWith('`')).map(([code, reason]) => `${code} ${bare(reason)}`);
      const real = constants(close, 'Close').filter((line) => !UNSENT.includes(line));
      // Two constants of one code and one reason are one row.
      assert.deepEqual(sorted(told), sorted(new Set(real)));
    });

    test(`${file}: every fault of the wire has its code and its words`, () => {
      const source = text('src/codec/protocol_error.rs');
      const words = Object.fromEntries([...source.matchAll(/#\[error\(\s*"([^"]+)"\s*\)\]\s*(\w+)/g)].map(([, words, name]) => [name, words]));
      const [, arms] = /fn close_code[\s\S]*?match self \{([\s\S]*?)\n        \}/.exec(source);
      const real = [...arms.matchAll(/([\s\S]*?)=> (\d+),/g)].flatMap(([, names, code]) => {
        return [...names.matchAll(/Self::(\w+)/g)].map(([, name]) => `${code} ${words[name]}`);
      });
      assert.equal(real.length, Object.keys(words).length);
      const page = text(file);
      assert.deepEqual(sorted(rows(page, faults).map(([code, reason]) => `${code} ${bare(reason)}`)), sorted(real));
      const linked = rows(page, sent).filter(([, reason]) => reason.startsWith('[')).map(([code]) => code);
      assert.deepEqual(sorted(linked), sorted(new Set(real.map((line) => line.slice(0, 4)))));
    });

    test(`${file}: whether to come back is what the client does`, () => {
      const page = text(file);
      const checked = [...rows(page, sent), ...rows(page, runtimes).map(([code, back]) => [code, '', back])];
      for (const [code, , back] of checked) assert.equal(back, isTerminal(Number(code)) ? no : yes, code);
      for (const [range, , back] of rows(page, own)) {
        for (const code of range.split('–')) assert.equal(back, isTerminal(Number(code)) ? no : yes, code);
      }
      // The rule that tutorials get wrong.
      assert.equal(rows(page, runtimes)[0][0], '1000');
      assert.match(page, /^\*\*.*1000.*(?:reconnect|重连)\W*\*\*/m);
    });

    test(`${file}: ends of subscriptions and errors of replies are those of the protocol`, () => {
      const page = text(file);
      const ends = rows(page, subscriptions);
      assert.deepEqual(sorted(ends.map(([code, reason]) => `${code} ${bare(reason)}`)), sorted(constants(close, 'Unsubscribe')));
      for (const [code, , whether] of ends) assert.equal(whether, subscribes[Number(code) >= 2500 ? 0 : 1], code);

      const source = text('src/protocol/error.rs');
      const real = [...source.matchAll(/pub\(crate\) const \w+: Self = Self::fixed\((\d+), "([^"]+)"\)(\.passing\(\))?;/g)];
      assert.equal(real.length, source.match(/pub\(crate\) const \w+: Self/g).length);
      assert.deepEqual(rows(page, errors).map((row) => row.slice(0, 3)), real.map(([, code, words, passing]) => {
        return [code, `\`${words}\``, again[code === '109' ? 2 : passing ? 0 : 1]];
      }));
    });
  }
});
