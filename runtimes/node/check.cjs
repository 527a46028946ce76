'use strict';
// Checks the syntax of a Node.js function: `node check.cjs DIR MAIN ENTRY_POINT`.
//
// Finds out whether the main file is CommonJS or an ES module: by its extension, by package.json, or by which of the
// two it can be read as. A `.js` file that can only be an ES module is renamed to `.mjs`. Prints
// `index.js:3:5: SyntaxError: …` with the line itself and exits 1, or writes the name of the file to load into
// `DIR/.cloudbox-main` and exits 0. Code that can't have the handler, since it has no word of it, is refused as well;
// what else its exports are is known when it is loaded.

const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const vm = require('vm');

const { ANY_NAME } = require('./names.cjs');
const { mapOf } = require('./maps.cjs');

/** A syntax error as V8 shows it: `file:3`, the line, a caret under it, and the message. */
function describe(text, name) {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => /:\d+$/.test(line));
  const caret = lines.findIndex((line, at) => at > first && /^\s*\^/.test(line));
  const message = lines.find((line) => /^\w*Error\b/.test(line)) || `SyntaxError: ${lines[0]}`;
  const line = first < 0 ? 1 : Number(/:(\d+)$/.exec(lines[first])[1]);
  const column = caret < 0 ? 1 : lines[caret].indexOf('^') + 1;
  const source = first < 0 || caret < 0 ? '' : `\n${lines[first + 1]}`;
  return `${name}:${line}:${column}: ${message}${source}`;
}

/** What keeps the source from being CommonJS, or null. */
function commonJsError(source, name) {
  try {
    vm.compileFunction(source.replace(/^#!.*/, ''), ['exports', 'require', 'module', '__filename', '__dirname'], { filename: name });
    return null;
  } catch (error) {
    return describe(String(error.stack), name);
  }
}

/** What keeps the file from being an ES module, or null. Node itself checks, since only it has a parser for them. */
function moduleError(source, name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloudbox-check-'));
  const copy = path.join(folder, 'main.mjs');
  try {
    fs.writeFileSync(copy, source);
    const done = spawnSync(process.execPath, ['--check', copy], { encoding: 'utf8', env: { PATH: process.env.PATH } });
    if (done.error) throw done.error;
    return done.status === 0 ? null : describe(done.stderr, name);
  } finally {
    fs.unlinkSync(copy);
    fs.rmdirSync(folder);
  }
}

/** The `type` that the folder's package.json gives its `.js` files, or undefined. */
function packageType(folder) {
  const file = path.join(folder, 'package.json');
  if (!fs.existsSync(file)) return undefined;
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).type;
  } catch (error) {
    throw new Refused(`package.json:1:1: SyntaxError: ${error.message}`);
  }
}

/** What the author is told. */
class Refused extends Error {}

/** Of a compiled file: what is wrong with it, at its place in the source. Else the same text. */
function inSource(folder, main, error) {
  const map = mapOf(path.join(folder, main));
  const place = map && error !== null && /^(.*):(\d+):(\d+): (.*)/.exec(error);
  const found = place ? map.find(Number(place[2]), Number(place[3])) : null;
  if (!found || typeof found.source !== 'string') return error;
  const name = path.join(path.dirname(main), found.source);
  return `${name}:${found.line}:${found.column}: ${place[4]} (no syntax of Node.js ${process.version})`;
}

/** The name of the file to load; throws `Refused`. */
function check(folder, main) {
  const file = path.join(folder, main);
  if (!fs.existsSync(file)) throw new Refused(`${main}: no such file in the code`);
  const source = fs.readFileSync(file, 'utf8');
  const extension = path.extname(main);
  const type = packageType(folder);
  const must = (error) => {
    if (error) throw new Refused(inSource(folder, main, error));
    return main;
  };
  if (extension === '.mjs' || (extension === '.js' && type === 'module')) return must(moduleError(source, main));
  const asCommonJs = commonJsError(source, main);
  if (asCommonJs === null || extension === '.cjs' || type === 'commonjs') return must(asCommonJs);
  const asModule = moduleError(source, main);
  if (asModule !== null) throw new Refused(/^\s*(import|export)\b/m.test(source) ? asModule : asCommonJs);
  const renamed = main.replace(/\.js$/, '') + '.mjs';
  if (fs.existsSync(path.join(folder, renamed))) throw new Refused(`${main} is an ES module, but ${renamed} is there too`);
  fs.renameSync(file, path.join(folder, renamed));
  return renamed;
}

/** Code that exports something under a name that isn't written there: a whole object, a default, another file's. */
const EXPORTS_ANYTHING = /\bmodule\b|\bdefault\b|\bexport\s*\*|\bexports\s*\[|\bObject\b|\brequire\b|\bthis\b|\\u/;

/** Throws `Refused` where no name in the source could be the handler's. */
function checkEntryPoint(folder, main, entryPoint) {
  const source = fs.readFileSync(path.join(folder, main), 'utf8');
  const wanted = entryPoint.slice(entryPoint.lastIndexOf('.') + 1);
  const hasWord = (name) => source.split(/[^\w$]+/).includes(name);
  const others = ANY_NAME.includes(wanted) ? ['handler', 'main', 'handle', 'fetch', 'listen', 'serve', 'addEventListener', 'app', 'server'] : [];
  if ([wanted, ...others].some(hasWord) || EXPORTS_ANYTHING.test(source)) return;
  const map = mapOf(path.join(folder, main));
  const name = map && typeof map.sources[0] === 'string' ? path.join(path.dirname(main), map.sources[0]) : main;
  throw new Refused(`${name}: no function "${wanted}" to call: nothing of this name is exported`);
}

function run(folder, main, entryPoint) {
  if (entryPoint === undefined) {
    process.stderr.write('usage: check.cjs DIR MAIN ENTRY_POINT\n');
    return 2;
  }
  try {
    const file = check(folder, main);
    checkEntryPoint(folder, file, entryPoint);
    fs.writeFileSync(path.join(folder, '.cloudbox-main'), file);
    return 0;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

process.exitCode = run(process.argv[2], process.argv[3], process.argv[4]);
