'use strict';
// What hostile or broken code can do to the conversation: at most spoil its own answer.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

const handler = (body) => `const fs = require('fs'); exports.handler = async (data) => { ${body} }`;

for (const [what, thrown, message] of [
  ['null', 'null', /null/], ['a text', '"just text"', /^just text$/], ['undefined', 'undefined', /undefined/],
  ['a circle', '(() => { const a = {}; a.a = a; return a })()', /Circular/],
  ['a getter that throws', '({ get message() { throw 1 } })', /./],
  ['a proxy', 'new Proxy({}, { get() { throw 1 } })', /./],
  ['a long text', 'new Error("x".repeat(1e6))', /^Error: x{8185}$/],
  ['half a pair', 'new Error("\\ud800")', /^Error: \ufffd$/],
]) {
  test(`thrown: ${what}`, () => withShim(handler(`throw ${thrown}`), async (shim) => {
    await shim.load();
    for (let i = 0; i < 2; i++) {
      const { kind, header } = await shim.invoke({});
      assert.deepStrictEqual([kind, header.kind], ['failure', 'error']);
      assert.match(header.message, message);
    }
  }));
}

test('what nobody catches fails the call, and the next one is fine', () => withShim(`
exports.handler = (data) => {
  if (data === 'timer') { setTimeout(() => { throw new RangeError('late') }, 1); return new Promise(() => {}); }
  if (data === 'reject') { Promise.reject(new Error('lost')); return new Promise((r) => setTimeout(r, 1000)); }
  return data;
};`, async (shim) => {
  await shim.load();
  assert.strictEqual((await shim.invoke('timer')).header.message, 'RangeError: late');
  assert.strictEqual((await shim.invoke('reject')).header.message, 'Error: lost');
  assert.strictEqual((await shim.invoke('fine')).body.toString(), '"fine"');
}));

test('a call that nothing can settle hangs until it is ended', () => withShim(`
let seen = 0; exports.handler = (data) => { seen += 1; return data === 'stall' ? new Promise(() => {}) : seen };`, async (shim) => {
  await shim.load();
  const stalled = shim.invoke('stall').then(() => 'answered', () => 'ended');
  const first = await Promise.race([stalled, new Promise((resolve) => setTimeout(resolve, 300, 'hangs'))]);
  shim.process.kill('SIGKILL');
  assert.strictEqual(first, 'hangs');
}));

test('a late answer of an earlier call is dropped', () => withShim(`
let late; exports.handler = (data, context, callback) => { if (late) late(null, 'late'); late = callback; callback(null, data); callback(null, 'twice') };`, async (shim) => {
  await shim.load();
  for (const word of ['a', 'b', 'c']) assert.strictEqual((await shim.invoke(word)).body.toString(), `"${word}"`);
}));

test('ten megabytes of prints', () => withShim(handler("for (let i = 0; i < 10240; i++) console.log('x'.repeat(1023)); return 1"), async (shim) => {
  await shim.load();
  assert.strictEqual((await shim.invoke({})).body.toString(), '1');
  await shim.end();
  assert.strictEqual(shim.logs.length, 10 << 20);
}));

test('descriptors 0, 1 and 2 are not the protocol\'s', () => withShim(handler(`
  let read; try { read = fs.readSync(0, Buffer.alloc(10)) } catch (e) { read = e.code }
  fs.writeSync(1, 'one\\n'); fs.writeSync(2, 'two\\n');
  require('child_process').execFileSync('/bin/sh', ['-c', 'echo child; cat'], { stdio: 'inherit' });
  return read`), async (shim) => {
  await shim.load();
  assert.strictEqual((await shim.invoke({})).body.toString(), '0');
  await shim.end();
  assert.strictEqual(shim.logs, 'one\ntwo\nchild\n');
}));

test('closed output costs the prints, not the answer', () => withShim(handler('process.stdout.end(); try { fs.closeSync(1); fs.closeSync(2) } catch (e) {} console.log("x"); return 1'), async (shim) => {
  await shim.load();
  for (let i = 0; i < 2; i++) assert.strictEqual((await shim.invoke({})).body.toString(), '1');
}));

test('an exit ends the process without an answer', () => withShim(handler('process.exit(3)'), async (shim) => {
  await shim.load();
  assert.strictEqual((await shim.invoke({})).kind, 'end');
  assert.strictEqual(await shim.end(), 3);
}));

test('patched internals do not reach the answer', () => withShim(`
JSON.stringify = () => 'forged'; JSON.parse = () => 'forged'; Buffer.prototype.write = () => 0;
require('fs').writeSync = () => 0; Object.prototype.toJSON = undefined; global.setImmediate = () => {};
exports.handler = async (data) => data;`, async (shim) => {
  await shim.load();
  for (let i = 0; i < 3; i++) assert.strictEqual((await shim.invoke({ i })).body.toString(), `{"i":${i}}`);
}));

test('a value nested a million times is refused', () => withShim(handler('let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a'), async (shim) => {
  await shim.load();
  assert.strictEqual((await shim.invoke({})).header.kind, 'invalid_response');
  assert.strictEqual((await shim.invoke({})).kind, 'failure');
}));
