'use strict';
// From a file to a handler that can be called: which module system, which export, which form.

const { createRequire } = require('module');
const { existsSync, readFileSync } = require('fs');
const { dirname, extname, join } = require('path');
const { pathToFileURL } = require('url');
const Module = require('module');

const { ANY_NAME } = require('./names.cjs');
const { formOf, isApplication, styleNames } = require('./forms.cjs');

/** No handler that can be called where one was looked for. */
class NoEntryPoint extends Error {}

/** The form that is pinned, or the one that fits. Its handlers can be called in this version of Node.js. */
function styleOf(handler, origin, pinned) {
  const style = formOf(handler, origin, pinned);
  if (style === undefined) {
    const known = styleNames().join(', ');
    throw new NoEntryPoint(`handler_style "${pinned}" is not one that Node.js functions have: auto, ${known}`);
  }
  const lacked = style.lacks === undefined ? '' : style.lacks();
  if (lacked === '') return style;
  const is = `the handler has the form "${style.name}", and Node.js ${process.versions.node} lacks ${lacked}`;
  throw new NoEntryPoint(`${is}: choose such a runtime, and deploy again`);
}

/** Whether `.js` files of this folder are ES modules. */
function isModuleFolder(folder) {
  for (let at = folder; ; at = dirname(at)) {
    try {
      return JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT' || at === dirname(at)) return false;
    }
  }
}

/** A script that declares `main` (or `handler`) and exports nothing: one line more makes it an export. */
const PLAIN = /^[ \t]*(?:async[ \t]+)?function[ \t]+(main|handler)[ \t]*\(/m;
const EXPORTS = /\bexports\b|^[ \t]*(?:export|import)\b|\bimport[ \t]*\(/m;

/** The exports of a script that has none of its own; nothing where it has. */
function plainExportsOf(file) {
  if (extname(file) === '.mjs') return undefined;
  const source = readFileSync(file, 'utf8');
  const declared = PLAIN.exec(source);
  if (!declared || EXPORTS.test(source)) return undefined;
  const name = declared[1];
  const script = new Module(file, null);
  script.filename = file;
  script.paths = Module._nodeModulePaths(dirname(file));
  script._compile(`${source}\n;exports.${name} = ${name};`, file);
  return { [name]: script.exports[name] };
}

/** What the file exports. */
async function exportsOf(file) {
  const extension = extname(file);
  if (extension === '.mjs' || (extension === '.js' && isModuleFolder(dirname(file)))) {
    return import(pathToFileURL(file).href);
  }
  try {
    return createRequire(file)(file);
  } catch (error) {
    if (error && error.code === 'ERR_REQUIRE_ESM') return import(pathToFileURL(file).href);
    throw error;
  }
}

/** The handler among the exports, and where it was found: the one named; for a name that is no choice, others too. */
function find(exported, entryPoint) {
  const wanted = entryPoint.slice(entryPoint.lastIndexOf('.') + 1);
  const isChosen = !ANY_NAME.includes(wanted);
  const isObject = exported !== null && (typeof exported === 'object' || typeof exported === 'function');
  const inner = isObject && exported.default !== undefined ? exported.default : undefined;
  const innerNamed = inner !== null && typeof inner === 'object' ? inner : {};
  const whole = exported !== null && typeof exported === 'object' ? exported : {};
  const named = isObject ? [['named', exported[wanted]], ['named', innerNamed[wanted]]] : [];
  const others = isObject ? [
    ['named', exported.handler], ['default', inner], ['fetch', bound(innerNamed, 'fetch')], ['named', innerNamed.handler],
    ['fetch', bound(whole, 'fetch')], ['named', exported.main], ['named', exported.handle], ['named', exported.app],
    ['named', exported.server], ['whole', exported],
  ] : [];
  const isCallable = (value) => typeof value === 'function' || isApplication(value);
  const applications = [['default', inner], ['whole', exported]].filter(([, it]) => isApplication(it));
  const candidates = isChosen ? named : applications.concat(named.map(([origin, it]) => [it === inner ? 'default' : origin, it]), others);
  const found = candidates.find(([, candidate]) => isCallable(candidate)) || registered(wanted, isChosen);
  if (found) return { handler: found[1], origin: found[0] };
  const names = isObject ? Object.keys(exported) : [];
  const has = names.length > 0 ? names.slice(0, 50).join(', ') : 'nothing';
  throw new NoEntryPoint(`no function "${wanted}" to call: the code exports ${has}`);
}

/** Handlers that were given to a function in place of being exported: `Deno.serve`, or a listener for `fetch`. */
const given = [];
/** What a source says that gives its handler so. */
const GIVES = /\bDeno\s*\.\s*serve\s*\(|^\s*addEventListener\s*\(\s*['"`]fetch\b/m;

/** Has a file that does so find those functions; nobody else sees them, since libraries ask by them where they are. */
function takeHandlers(file, env) {
  if (!GIVES.test(readFileSync(file, 'utf8'))) return;
  const serve = (...all) => {
    const handler = all.find((one) => typeof one === 'function') || bound(all[0], 'handler') || bound(all[0], 'fetch');
    given.push(['fetch', handler]);
    return { finished: new Promise(() => {}), shutdown: async () => {}, ref() {}, unref() {} };
  };
  if (!('Deno' in globalThis)) {
    const all = { get: (name) => process.env[name], has: (name) => name in process.env, toObject: () => ({ ...env }) };
    globalThis.Deno = { serve, env: all };
  }
  if ('addEventListener' in globalThis) return;
  globalThis.addEventListener = (type, listener) => {
    if (type !== 'fetch') return;
    given.push(['fetch', (request, _, ctx) => new Promise((resolve, reject) => {
      Promise.resolve(listener({ type, request, respondWith: resolve, waitUntil: ctx.waitUntil, passThroughOnException() {} })).catch(reject);
    })]);
  };
}

/** The handler that was registered: with one of those functions, with Google's framework, or as a server that listens. */
function registered(wanted, isChosen) {
  let found = isChosen ? undefined : given[given.length - 1];
  const registry = Object.keys(require.cache).find((name) => /functions-framework\/build\/src\/function_registry\.js$/.test(name));
  if (registry !== undefined) {
    const entry = require.cache[registry].exports.getRegisteredFunction(wanted);
    if (entry && entry.signatureType === 'http') found = ['framework', entry.userFunction];
    if (entry && entry.signatureType === 'cloudevent') found = ['events', entry.userFunction];
  }
  if (found === undefined && !isChosen) {
    const server = process._getActiveHandles().find((one) => one.constructor.name === 'Server' && one.listenerCount('request') > 0);
    if (server !== undefined) found = ['whole', server];
  }
  return found;
}

/** A method that keeps its object. */
function bound(object, name) {
  return object !== undefined && object !== null && typeof object[name] === 'function' ? object[name].bind(object) : undefined;
}

/** The `config` that the code exports beside its handler. */
function configOf(exported, handler) {
  const inner = exported.default;
  const holders = [exported, inner, handler];
  const holder = holders.find((one) => one !== null && one !== undefined && one.config !== null && typeof one.config === 'object');
  return holder === undefined ? undefined : holder.config;
}

/** Loads the code: `{handler, style, config}`. */
async function loadHandler({ code_dir, main, entry_point, handler_style, env }) {
  const file = join(code_dir, main);
  takeHandlers(file, env);
  // Compiled code: its stacks are to show the sources' lines.
  if (existsSync(`${file}.map`)) require('./maps.cjs').install();
  const plain = plainExportsOf(file);
  const exported = plain || await exportsOf(file);
  const { handler, origin } = find(exported, entry_point);
  const isMain = plain !== undefined && plain.main === handler;
  return { handler, style: styleOf(handler, isMain ? 'main' : origin, handler_style), config: configOf(exported, handler) };
}

module.exports = { NoEntryPoint, loadHandler, find };
