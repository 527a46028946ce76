'use strict';
// Stacks of compiled code: they show the source's places, and cost nothing where nothing is shown.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

/** Two lines of code that come of lines 4 and 9, columns 3 and 5, of `index.ts`. */
const MAPPINGS = 'AAGE;AAKE';
const map = (mappings) => JSON.stringify({ version: 3, sources: ['index.ts'], names: [], mappings });
const code = 'exports.handler = () => inner();\nconst inner = () => { throw new TypeError("no") };';

test('stacks show the places of the source', () => withShim({ 'index.cjs': code, 'index.cjs.map': map(MAPPINGS) }, async (shim) => {
  assert.strictEqual((await shim.load({ main: 'index.cjs' })).kind, 'loaded');
  const { header } = await shim.invoke({});
  assert.match(header.stack, /^TypeError: no\n {4}at inner \(.*index\.ts:9:5\)\n {4}at .*index\.ts:4:3/);
  assert.doesNotMatch(header.stack, /index\.cjs/);
}));

test('an ES module has its places, too', () => withShim({
  'index.mjs': 'export const handler = () => {\nthrow new TypeError("no") };', 'index.mjs.map': map(MAPPINGS),
}, async (shim) => {
  assert.strictEqual((await shim.load({ main: 'index.mjs' })).kind, 'loaded');
  assert.match((await shim.invoke({})).header.stack, /^TypeError: no\n {4}at .*\/index\.ts:9:5/);
}));

for (const [what, text] of [['no JSON', '{'], ['no mappings', '{}'], ['odd mappings', map(';;,,!~;AAAA,')]]) {
  test(`a map that is none: ${what}`, () => withShim({ 'index.cjs': code, 'index.cjs.map': text }, async (shim) => {
    assert.strictEqual((await shim.load({ main: 'index.cjs' })).kind, 'loaded');
    const { header } = await shim.invoke({});
    assert.match(header.message, /^TypeError: no$/);
    assert.match(header.stack, /^TypeError: no\n {4}at inner/);
  }));
}

test('code without a map keeps what Node does with stacks', () => withShim(
  'exports.handler = () => typeof Error.prepareStackTrace',
  async (shim) => {
    await shim.load({});
    const before = JSON.parse((await shim.invoke({})).body.toString());
    assert.ok(['undefined', 'function'].includes(before));
  },
));
