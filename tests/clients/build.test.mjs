//! The committed files: as `src` says, ES5, small, typed, and packed as they are meant to be.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';

const CLIENTS = fileURLToPath(new URL('../../clients/', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
const require = createRequire(join(CLIENTS, 'package.json'));
const acorn = require('acorn');
const ts = require('typescript');
const run = promisify(execFile);

const CLASSIC = ['browser/fanfare.js', 'browser/fanfare-worker.js', 'miniprogram/fanfare.js', 'miniprogram/websocket-shim.js'];
const text = (file) => readFileSync(join(CLIENTS, file), 'utf8');

test('the committed files are what the source says', async () => {
  // Who mends src and forgets the build ships the fault.
  await run(process.execPath, ['build', '--check'], { cwd: CLIENTS });
});

test('a stale file is found, and named', async (t) => {
  // Of a source that is small, since it is the comparison that is tried: the other test builds all of it.
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-stale-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const copy = join(folder, 'clients');
  for (const name of ['build', 'package.json', 'tsconfig.json', 'src/types.ts', 'src/helpers.ts']) cpSync(join(CLIENTS, name), join(copy, name));
  cpSync(join(CLIENTS, '../LICENSE'), join(folder, 'LICENSE'));
  symlinkSync(join(CLIENTS, 'node_modules'), join(copy, 'node_modules'));
  for (const entry of ['miniprogram/entry', 'shim/index', 'browser/entry', 'share/worker/entry']) {
    mkdirSync(dirname(join(copy, 'src', entry)), { recursive: true });
    writeFileSync(join(copy, `src/${entry}.ts`), entry.startsWith('share') ? 'self.name = "small";\nexport {};\n' : 'class Small {}\nexport default Small;\n');
  }
  await run(process.execPath, ['build'], { cwd: copy });
  appendFileSync(join(copy, 'browser/fanfare.d.mts'), '// by hand\n');
  rmSync(join(copy, 'miniprogram/fanfare.js'));
  const told = /run clients\/build: miniprogram\/fanfare\.js, browser\/fanfare\.d\.mts\n/;
  await assert.rejects(run(process.execPath, ['build', '--check'], { cwd: copy }), told);
});

test('every file is ES5, but for the one export of the module', () => {
  // A phone of 2016 refuses the whole file for one arrow.
  for (const file of CLASSIC) acorn.parse(text(file), { ecmaVersion: 5 });
  const module = text('browser/fanfare.mjs');
  acorn.parse(module, { ecmaVersion: 6, sourceType: 'module' });
  const body = module.replace(/export\{\w+ as default\};\n$/, '');
  assert.notEqual(body, module);
  acorn.parse(body, { ecmaVersion: 5 });
  assert.throws(() => acorn.parse('const a = () => 1', { ecmaVersion: 5 }));
});

test('nothing newer than ES5 is used by name either, but for Promise', () => {
  // acorn knows the language, not its library: Map, Object.assign or includes pass it and fail on the phone.
  for (const file of [...CLASSIC, 'browser/fanfare.mjs']) {
    const found = text(file).match(/\b(Symbol|Map|WeakMap|Set|Proxy|Reflect|BigInt|TextDecoder|TextEncoder|globalThis|fetch)\b(?=[.(\s])|\.(includes|startsWith|endsWith|padStart|repeat|entries|values|find|findIndex|finally|flat|flatMap|from|of)\(/g);
    assert.deepEqual(found ?? [], [], file);
  }
});

test('the sizes are what is promised', (t) => {
  for (const [file, most] of [['miniprogram/fanfare.js', 12 * 1024], ['browser/fanfare.mjs', 14 * 1024], ['browser/fanfare.js', 14 * 1024]]) {
    const [raw, packed] = [Buffer.byteLength(text(file)), gzipSync(text(file), { level: 9 }).length];
    t.diagnostic(`${file}: ${raw} bytes, ${packed} with gzip`);
    assert.ok(packed <= most, `${file}: ${packed} bytes`);
  }
  // The worker is fetched once for all tabs; what it costs is said, and held to what it is now.
  const worker = gzipSync(text('browser/fanfare-worker.js'), { level: 9 }).length;
  t.diagnostic(`browser/fanfare-worker.js: ${Buffer.byteLength(text('browser/fanfare-worker.js'))} bytes, ${worker} with gzip`);
  assert.ok(worker <= 16 * 1024, `the worker: ${worker} bytes`);
});

test('the classic script leaves one global, in a browser that has nothing newer than Promise', () => {
  const page = vm.createContext({});
  const old = 'delete Object.assign; delete Object.setPrototypeOf; delete Object.entries; delete Object.values; Symbol = Map = Set = undefined;';
  vm.runInContext(old, page);
  const before = vm.runInContext('Object.keys(this)', page);
  vm.runInContext(text('browser/fanfare.js'), page);
  const more = vm.runInContext('Object.keys(this)', page).filter((name) => !before.includes(name));
  assert.equal(more.join(), 'Fanfare');
  assert.equal(vm.runInContext('new Fanfare("https://push.example.com", {}).subscribe("a").channel', page), 'a');
});

test('the types are taken by tsc, in a module, by require and as a global', () => {
  const files = ['module.mts', 'common.cts', 'classic.ts'].map((file) => join(HERE, 'types', file));
  const options = {
    noEmit: true, strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, types: [],
    moduleResolution: ts.ModuleResolutionKind.NodeNext, skipDefaultLibCheck: true, allowUmdGlobalAccess: true, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  };
  const found = ts.getPreEmitDiagnostics(ts.createProgram(files, options));
  const words = ts.formatDiagnostics(found, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => HERE, getNewLine: () => '\n' });
  assert.equal(words, '');
});

test('the package holds the files of users, their types and words, and nothing of ours', async (t) => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: CLIENTS });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path).sort();
  assert.deepEqual(files, [
    'LICENSE', 'README.md', 'README.zh-CN.md', 'browser/fanfare-worker.js', 'browser/fanfare.d.mts', 'browser/fanfare.d.ts', 'browser/fanfare.js', 'browser/fanfare.mjs',
    'miniprogram/fanfare.d.ts', 'miniprogram/fanfare.js', 'miniprogram/index.d.ts', 'miniprogram/index.js', 'miniprogram/websocket-shim.d.ts',
    'miniprogram/websocket-shim.js', 'package.json',
  ]);
  t.diagnostic(`${JSON.parse(stdout)[0].size} bytes packed`);
});

test('the package, installed, is imported, required, typed and built into a mini program', async (t) => {
  // `exports` that are wrong show nowhere but at the user's.
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-package-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), '{"name":"user","private":true}');
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: CLIENTS });
  const [{ filename }] = JSON.parse(stdout);
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, filename)], { cwd: folder });
  const state = (words) => run(process.execPath, [...words], { cwd: folder }).then((told) => told.stdout.trim());
  const use = "console.log(new Fanfare('https://x.example').state)";
  assert.equal(await state(['--input-type=module', '-e', `import Fanfare from 'fanfare-client'; ${use}`]), 'disconnected');
  assert.equal(await state(['-e', `const Fanfare = require('fanfare-client'); ${use}`]), 'disconnected');
  assert.equal(await state(['-e', "console.log(typeof require('fanfare-client/miniprogram'))"]), 'function');
  assert.equal(await state(['-e', "console.log(typeof require('fanfare-client/websocket-shim').use)"]), 'function');
  // What tabs share is a file of its own, which bundlers look for by this name: `new URL(…, import.meta.url)`.
  const worker = "console.log(require.resolve('fanfare-client/fanfare-worker.js'))";
  assert.match(await state(['-e', worker]), /browser.fanfare-worker\.js$/);
  const manifest = JSON.parse(readFileSync(join(folder, 'node_modules/fanfare-client/package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  // Yarn stops where `engines` says that another Node is needed, and a client runs in none.
  assert.equal(manifest.engines, undefined);
  // A bundler finds the worker by name: else each page has to copy it out of node_modules by hand.
  assert.match(await state(['-e', "console.log(require.resolve('fanfare-client/fanfare-worker.js'))"]), /browser\/fanfare-worker\.js$/);
  // WeChat's tools copy the folder that `miniprogram` names and take its index.js; without it they build the browser's file.
  const built = join(folder, 'node_modules/fanfare-client', manifest.miniprogram);
  const phone = "globalThis.wx = { connectSocket() {} }; const Fanfare = require(process.argv[1]); new Fanfare('https://x.example')";
  assert.equal(await state(['-e', `${phone}; console.log('made')`, built]), 'made');
  assert.equal(await state(['-e', 'console.log(typeof require(process.argv[1]).use)', join(built, 'websocket-shim.js')]), 'function');
  // Every way in which TypeScript looks for types, that of WeChat's own template (node10) among them.
  const use10 = "import Fanfare = require('fanfare-client');\nimport Mini = require('fanfare-client/miniprogram');\nimport Shim = require('fanfare-client/websocket-shim');\n"
    + "const made: Fanfare = new Mini('https://x.example');\nconst place: Fanfare.Position | null = made.subscribe('a').position;\nShim.use(place);\n";
  writeFileSync(join(folder, 'common.cts'), use10);
  writeFileSync(join(folder, 'old.ts'), use10);
  writeFileSync(join(folder, 'module.mts'), "import Fanfare, { type Position } from 'fanfare-client';\nimport Mini from 'fanfare-client/miniprogram';\n"
    + "import Shim from 'fanfare-client/websocket-shim';\nconst made: Fanfare = new Mini('https://x.example');\nconst place: Position | null = made.subscribe('a').position;\nShim.use(place);\n");
  const { CommonJS, ESNext, Node16, NodeNext } = ts.ModuleKind;
  const { Bundler, Node10, Node16: Like16, NodeNext: LikeNext } = ts.ModuleResolutionKind;
  const ways = [
    ['old.ts', CommonJS, Node10], ['common.cts', Node16, Like16], ['common.cts', NodeNext, LikeNext],
    ['module.mts', Node16, Like16], ['module.mts', NodeNext, LikeNext], ['module.mts', ESNext, Bundler],
  ];
  for (const [file, module, moduleResolution] of ways) {
    const options = { noEmit: true, strict: true, target: ts.ScriptTarget.ES2020, lib: ['lib.es2020.d.ts'], types: [], module, moduleResolution, ignoreDeprecations: '6.0' };
    const found = ts.getPreEmitDiagnostics(ts.createProgram([join(folder, file)], options));
    assert.deepEqual(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')), [], `${file}, ${module}, ${moduleResolution}`);
  }
});
