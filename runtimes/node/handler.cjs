'use strict';
// From a file to a handler that can be called: which module system, which export, which form.

const { createRequire } = require('module');
const { readFileSync } = require('fs');
const { dirname, extname, join } = require('path');
const { pathToFileURL } = require('url');

/** No handler where one was looked for. */
class NoEntryPoint extends Error {}

/**
 * The forms of handlers, the first that matches wins. `name` is the style that is pinned or reported; one style may
 * have several forms. `call` may throw, return a value, or return a promise.
 */
const STYLES = [
  {
    name: 'data',
    matches: (handler) => handler.length >= 3,
    call: (handler, { data, context }) => new Promise((resolve, reject) => {
      const callback = (error, result) => (error === null || error === undefined ? resolve(result) : reject(error));
      const returned = handler(data, context, callback);
      if (returned !== null && typeof returned === 'object' && typeof returned.then === 'function') resolve(returned);
    }),
  },
  {
    name: 'data',
    matches: () => true,
    call: (handler, { data, context }) => handler(data, context),
  },
];

/** The form that is pinned, or the one that fits. */
function styleOf(handler, pinned) {
  const style = STYLES.find(({ name, matches }) => (pinned === 'auto' || name === pinned) && matches(handler));
  if (style) return style;
  const known = [...new Set(STYLES.map(({ name }) => name))].join(', ');
  throw new NoEntryPoint(`handler_style "${pinned}" is not one that Node.js functions have: auto, ${known}`);
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

/** Names that say "the handler", whatever it is called: what functions have whose author chose none. */
const ANY_NAME = ['handler', 'main', 'index', 'default'];

/** The handler among the exports: the one named; for a name that is no choice, also `handler` or the default. */
function find(exported, entryPoint) {
  const wanted = entryPoint.slice(entryPoint.lastIndexOf('.') + 1);
  const isChosen = !ANY_NAME.includes(wanted);
  const isObject = exported !== null && (typeof exported === 'object' || typeof exported === 'function');
  const inner = isObject && exported.default !== undefined ? exported.default : undefined;
  const isInnerObject = inner !== null && typeof inner === 'object';
  const named = [isObject ? exported[wanted] : undefined, isInnerObject ? inner[wanted] : undefined];
  const others = [isObject ? exported.handler : undefined, inner, isInnerObject ? inner.handler : undefined, exported];
  const candidates = isChosen ? named : named.concat(others);
  const handler = candidates.find((candidate) => typeof candidate === 'function');
  if (handler) return handler;
  const names = isObject ? Object.keys(exported) : [];
  const has = names.length > 0 ? names.slice(0, 50).join(', ') : 'nothing';
  throw new NoEntryPoint(`no function "${wanted}" to call: the code exports ${has}`);
}

/** Loads the code: `{handler, style}`. */
async function loadHandler({ code_dir, main, entry_point, handler_style }) {
  const exported = await exportsOf(join(code_dir, main));
  const handler = find(exported, entry_point);
  return { handler, style: styleOf(handler, handler_style) };
}

module.exports = { NoEntryPoint, STYLES, loadHandler, find, styleOf };
