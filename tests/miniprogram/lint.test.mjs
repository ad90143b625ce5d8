//! The mini program's files under WeChat's own compilers and the platforms' own typings: wcc and
//! wcsc on the example, tsc on its scripts, and tsc on what the client asks of each platform.
//! Bounds: some 20 s; needs no server.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, describe, test } from 'node:test';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CLIENTS = fileURLToPath(new URL('../../clients', import.meta.url));
const EXAMPLE = join(CLIENTS, 'miniprogram/example');
const { resolve } = createRequire(import.meta.url);
const folders = [];

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A copy of the example to break. */
function copy() {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-lint-'));
  folders.push(folder);
  cpSync(EXAMPLE, folder, { recursive: true });
  return folder;
}

function files(folder, ending) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(ending))
    .sort();
}

/** Runs one of WeChat's compilers on the files; answers its status and its words. */
function compile(tool, words, folder, ending) {
  const system = process.platform === 'darwin' ? 'mac' : 'linux';
  const program = join(dirname(resolve('miniprogram-compiler')), 'bin', system, tool);
  // The package brings them without the right to run.
  chmodSync(program, 0o755);
  const { status, stdout, stderr, error } = spawnSync(
    program,
    [...words, ...files(folder, ending)],
    {
      cwd: folder,
      maxBuffer: 1 << 24,
    },
  );
  if (error) throw error;
  return { status, words: `${stdout}${stderr}` };
}

const wcc = (folder) => compile('wcc', ['-d', '-cc', '0'], folder, '.wxml');
const wcsc = (folder) => compile('wcsc', ['-db', '-pc', '0'], folder, '.wxss');

/** Runs tsc; answers its words, empty where all is well. */
function tsc(words) {
  const { status, stdout, error } = spawnSync(
    process.execPath,
    [resolve('typescript/bin/tsc'), '--noEmit', ...words],
    {
      cwd: HERE,
    },
  );
  if (error) throw error;
  assert.equal(status === 0, stdout.toString() === '');
  return stdout.toString();
}

/** Checks the example's scripts in this folder, with the module's types beside the module. */
function check(folder) {
  cpSync(join(CLIENTS, 'miniprogram/fanfare.d.ts'), join(folder, 'fanfare.d.ts'));
  const config = join(folder, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      compilerOptions: {
        allowJs: true,
        checkJs: true,
        noEmit: true,
        target: 'es2018',
        lib: ['es2018'],
        module: 'commonjs',
        moduleResolution: 'bundler',
        skipLibCheck: true,
        strict: false,
        noImplicitThis: true,
        typeRoots: [join(HERE, 'node_modules')],
        types: ['miniprogram-api-typings'],
      },
      include: ['**/*.js'],
      exclude: ['fanfare.js'],
    }),
  );
  return tsc(['-p', config]);
}

describe('the example', { concurrency: true }, () => {
  // A template that WeChat's compiler refuses opens in no devtools, whatever other tools make of
  // it.
  test('its templates and styles pass WeChat’s own compilers', () => {
    assert.equal(wcc(EXAMPLE).status, 0);
    assert.equal(wcsc(EXAMPLE).status, 0);
    const broken = copy();
    const page = join(broken, 'pages/danmaku/index');
    writeFileSync(
      `${page}.wxml`,
      readFileSync(`${page}.wxml`, 'utf8').replace('</scroll-view>', ''),
    );
    writeFileSync(`${page}.wxss`, readFileSync(`${page}.wxss`, 'utf8').replace('{', ''));
    assert.notEqual(wcc(broken).status, 0, 'a template that is broken is found');
    assert.notEqual(wcsc(broken).status, 0, 'a style that is broken is found');
  });

  // A misspelt call of `wx` fails only when somebody taps there.
  test('its scripts use wx and the client as their typings have them', () => {
    assert.equal(check(copy()), '');
    const broken = copy();
    const page = join(broken, 'pages/danmaku/index.js');
    const source = readFileSync(page, 'utf8');
    const misspelt = source
      .replaceAll('wx.showToast', 'wx.showToats')
      .replace('client.connect()', 'client.conect()');
    writeFileSync(page, misspelt);
    const words = check(broken);
    assert.match(words, /'showToats' does not exist/);
    assert.match(words, /'conect' does not exist/);
  });

  // Who hears the screen hears a view that is pressed as nothing, a box by its hint that goes with
  // the first letter, and each bullet again that stands in the list as well.
  test('what is pressed and written has a role and a name, and what flies is hidden from readers', () => {
    const words = readFileSync(join(EXAMPLE, 'pages/danmaku/index.wxml'), 'utf8');
    const tags = [...words.matchAll(/<(\w[\w-]*)((?:"[^"]*"|[^">])*)>/g)].map(([tag]) => tag);
    const pressed = tags.filter((tag) => tag.includes('bindtap'));
    assert.equal(pressed.length, 3);
    for (const tag of pressed) assert.match(tag, /aria-role="button"/);
    for (const tag of tags.filter((tag) => /id="(dis)?connect"/.test(tag))) {
      assert.match(tag, /aria-disabled=/);
    }
    const boxes = tags.filter((tag) => tag.startsWith('<input'));
    assert.equal(boxes.length, 1);
    assert.match(boxes[0], /aria-label="/);
    const flying = tags.filter((tag) => tag.includes('{{flying}}'));
    assert.equal(flying.length, 1);
    assert.match(flying[0], /aria-hidden="{{true}}"/);
  });

  // It must open in the devtools as it is: every file that is named is there, each page has its
  // four, and none of them is beyond what a package may have.
  test('it opens as it is', () => {
    const app = JSON.parse(readFileSync(join(EXAMPLE, 'app.json'), 'utf8'));
    const project = JSON.parse(readFileSync(join(EXAMPLE, 'project.config.json'), 'utf8'));
    assert.equal(project.setting.urlCheck, false);
    assert.ok(project.appid);
    const there = files(EXAMPLE, '');
    for (const page of app.pages) {
      for (const ending of ['js', 'json', 'wxml', 'wxss'])
        assert.ok(there.includes(`${page}.${ending}`));
    }
    for (const name of ['app.js', 'app.wxss', 'config.js', 'fanfare.js', app.sitemapLocation]) {
      assert.ok(there.includes(name), name);
    }
    const bytes = there
      .map((name) => statSync(join(EXAMPLE, name)))
      .filter((file) => file.isFile())
      .reduce((sum, { size }) => sum + size, 0);
    assert.ok(bytes < 200_000, `${bytes} bytes of the 2 MB`);
    const module = readFileSync(join(CLIENTS, 'miniprogram/fanfare.js'), 'utf8');
    assert.equal(readFileSync(join(EXAMPLE, 'fanfare.js'), 'utf8'), module);
  });
});

describe('what the client asks of a platform', { concurrency: true }, () => {
  const typings = {
    wechat: 'miniprogram-api-typings',
    alipay: '@mini-types/my',
    douyin: '@douyin-microapp/typings',
    uni: '@dcloudio/types',
  };
  const words = (types) => [
    '--strict',
    '--target',
    'es2020',
    '--module',
    'es2020',
    '--moduleResolution',
    'bundler',
    '--skipLibCheck',
    '--typeRoots',
    'node_modules',
    '--types',
    types,
  ];
  for (const [name, types] of Object.entries(typings)) {
    // The platforms differ in small things, and what is passed wrongly is passed over in silence.
    // So their own typings are asked.
    test(`${name}: ${types} agrees`, () => {
      assert.equal(tsc([...words(types), `typings/${name}.ts`]), '');
    });
  }

  test('a platform that differs is found', () => {
    // WeChat's header is `header`, and a list of protocols is a list.
    const folder = mkdtempSync(join(HERE, 'typings/broken-'));
    folders.push(folder);
    const file = join(folder, 'broken.ts');
    writeFileSync(file, "wx.connectSocket({ url: '', protocols: 'chat' });\nexport {};\n");
    assert.match(tsc([...words('miniprogram-api-typings'), file]), /TS2322/);
  });
});
