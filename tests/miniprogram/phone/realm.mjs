//! The JavaScript of a mini program: a realm of its own with the language and timers, and without
//! what a browser or Node has beside them (no TextDecoder, URL, WebSocket, fetch, Buffer, window),
//! whose ArrayBuffer is not the one that messages come as. Owned by the test that makes it.

import { readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { createContext, runInContext } from 'node:vm';

/** A realm on a phone, with the platform's object under its name. */
export class Realm {
  #context;
  #modules = new Map();

  constructor(phone, globals = {}) {
    this.#context = createContext({
      setTimeout: (...words) => phone.setTimeout(...words),
      clearTimeout: (timer) => phone.clearTimeout(timer),
      console,
      ...globals,
    });
    // Engines give these to each new realm, phones do not.
    const gone = ['WebAssembly', 'SharedArrayBuffer', 'Atomics'];
    runInContext(gone.map((name) => `delete globalThis.${name}`).join(';'), this.#context);
  }

  /** The exports of a CommonJS file. */
  require(file) {
    if (this.#modules.has(file)) return this.#modules.get(file).exports;
    const module = { exports: {} };
    this.#modules.set(file, module);
    const find = createRequire(file);
    const source = readFileSync(file, 'utf8');
    const wrapped = `(function (exports, require, module) {${source}\n})`;
    const load = runInContext(wrapped, this.#context, { filename: file });
    const resolve = (name) => find.resolve(isBuiltin(name) ? `${name}/` : name);
    load.call(module.exports, module.exports, (name) => this.require(resolve(name)), module);
    return module.exports;
  }

  /** What an expression is in it. */
  run(source) {
    return runInContext(source, this.#context);
  }
}
