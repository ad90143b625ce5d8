//! Runs a compiled mini program in this page by glass-easel, WeChat's own component framework:
//! app.js, then the first page, its files unmodified. In the browser.

import * as glassEasel from 'glass-easel';
import { MiniProgramEnv } from 'glass-easel-miniprogram-adapter';

import { defineBuiltIn } from './built-in.mjs';
import { phone, wx } from './wx.mjs';

const program = await (await fetch('program.json')).json();
const config = await (await fetch('config.json')).json();
const path = program.pages[0];
Object.assign(window, { wx, phone });

const modules = new Map();
function requireFrom(folder, name) {
  const parts = `${folder}/${name}`.split('/');
  const kept = [];
  for (const part of parts) {
    if (part === '..') kept.pop();
    else if (part && part !== '.') kept.push(part);
  }
  return load(kept.join('/').replace(/\.js$/, ''));
}
function load(name) {
  if (modules.has(name)) return modules.get(name).exports;
  const module = { exports: name === 'config' ? config : {} };
  modules.set(name, module);
  if (name === 'config') return module.exports;
  const source = `${program.scripts[name]}\n//# sourceURL=${name}.js`;
  const folder = name.split('/').slice(0, -1).join('/');
  new Function('require', 'module', 'exports', source)(
    (other) => requireFrom(folder, other),
    module,
    module.exports,
  );
  return module.exports;
}

let app = {};
window.App = (definition) => {
  app = definition;
};
window.getApp = () => app;
load('app');
app.onLaunch?.({});

const env = new MiniProgramEnv();
const globalSpace = env.getGlobalCodeSpace().getComponentSpace();
const space = env.createCodeSpace('', true);
space.getComponentSpace().updateComponentOptions({ writeIdToDOM: true });
const templates = new Function(`return ${program.templates}`)();
defineBuiltIn(space.getComponentSpace(), globalSpace, templates);

const context = new glassEasel.CurrentWindowBackendContext();
// Without this no tap ever reaches a page.
context.onEvent((target, type, detail, options) => {
  glassEasel.triggerEvent(target, type, detail, options);
});
const backend = env.associateBackend(context);
for (const [name, css] of Object.entries(program.styles)) {
  backend.registerStyleSheetContent(name, css);
  space.addStyleSheet(name, name);
}
space.addComponentStaticConfig(path, program.configs[path]);
space.addCompiledTemplate(path, { groupList: templates, content: templates[path] });
space.globalComponentEnv(window, path, () => load(path));

const root = backend.createRoot('page', space, path);
const place = document.querySelector('#page');
root.attach(place.parentElement, place);
const page = root.get();
page.onLoad?.({});
page.onShow?.();
page.onReady?.();
window.thePage = page;
const { navigationBarTitleText } = { ...program.window, ...program.configs[path] };
document.querySelector('#title').textContent = navigationBarTitleText;
document.documentElement.dataset.ready = 'yes';
