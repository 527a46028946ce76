'use strict';
// What the syntax check says, and what it leaves.

const test = require('node:test');
const assert = require('node:assert');
const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

/** The Node.js that is tested, which may be older than the one that runs the tests. */
const NODE = process.env.CLOUDBOX_TEST_NODE || process.execPath;

/** `{code, said, main, files}` of a check of these files. */
function check(files, main = 'index.js', entryPoint = 'index.handler') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloudbox-check-test-'));
  try {
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
    const done = spawnSync(NODE, [path.join(__dirname, '..', 'check.cjs'), folder, main, entryPoint], { encoding: 'utf8' });
    const mark = path.join(folder, '.cloudbox-main');
    const found = fs.existsSync(mark) ? fs.readFileSync(mark, 'utf8') : null;
    return { code: done.status, said: done.stderr, main: found, files: fs.readdirSync(folder) };
  } finally {
    fs.readdirSync(folder).forEach((name) => fs.unlinkSync(path.join(folder, name)));
    fs.rmdirSync(folder);
  }
}

for (const [what, files, main] of [
  ['CommonJS', { 'index.js': 'exports.handler = async () => { await 1 }' }, 'index.js'],
  ['sloppy code', { 'index.js': 'with ({}) {}; var let = 010; exports.handler = let' }, 'index.js'],
  ['a first line for the shell', { 'index.js': '#!/usr/bin/env node\nexports.handler = 1' }, 'index.js'],
  ['a return at the top', { 'index.js': 'return; exports.handler = 1' }, 'index.js'],
  ['an import', { 'index.js': 'import fs from "fs"; export const handler = 1' }, 'index.mjs'],
  ['an await at the top', { 'index.js': 'await null; export default 1' }, 'index.mjs'],
  ['package.json', { 'index.js': 'export default 1', 'package.json': '{"type":"module"}' }, 'index.js'],
]) {
  test(`good: ${what}`, () => {
    const { code, said, main: found, files: left } = check(files);
    assert.deepStrictEqual([code, said, found], [0, '', main]);
    assert.ok(left.includes(main));
    assert.strictEqual(left.length, Object.keys(files).length + 1);
  });
}

for (const [what, files, said] of [
  ['CommonJS', { 'index.js': 'const a = 1;\n\n    foo bar(\n' }, /^index\.js:3:9: SyntaxError: .*\n {4}foo bar\(\n$/],
  ['an ES module', { 'index.js': 'import a from "b";\nlet x = ;\n' }, /^index\.js:2:9: SyntaxError: .*\nlet x = ;\n$/],
  ['an end too early', { 'index.js': 'exports.handler = () => {\n' }, /^index\.js:\d+:\d+: SyntaxError: /],
  ['package.json', { 'index.js': '1', 'package.json': '{' }, /^package\.json:1:1: SyntaxError: /],
  ['no main file', { 'other.js': '1' }, /^index\.js: no such file/],
  ['two main files', { 'index.js': 'export default 1', 'index.mjs': '1' }, /index\.mjs is there too/],
]) {
  test(`bad: ${what}`, () => {
    const result = check(files);
    assert.deepStrictEqual([result.code, result.main], [1, null]);
    assert.match(result.said, said);
    assert.strictEqual(result.files.length, Object.keys(files).length);
  });
}

for (const [what, source, entryPoint] of [
  ['another name', 'exports.other = () => 1', 'index.handler'],
  ['nothing', 'export const config = {}', 'handler'],
  ['not the one that was chosen', 'exports.other = () => 1', 'index.run'],
]) {
  test(`no handler: ${what}`, () => {
    const { code, said, main } = check({ 'index.js': source }, 'index.js', entryPoint);
    assert.deepStrictEqual([code, main], [1, null]);
    assert.match(said, /^index\.m?js: no function "(handler|run)" to call/);
  });
}

for (const source of [
  'module.exports = { other: 1 }', 'export default () => 1', 'export * from "./a.js"', 'exports["hand" + "ler"] = 1', 'exports.run = () => 1',
  'import { run } from "./a.js"; export { run }', 'exports.\\u0072un = 1', 'Object.assign(exports, { a: 1 })',
]) {
  test(`perhaps a handler: ${source}`, () => assert.strictEqual(check({ 'index.js': source }, 'index.js', 'run').said, ''));
}
