'use strict';
// Host calls: replies in any order, bounds, errors, and what becomes of those that nobody waits for.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

/** A shim whose handler is `body`, with `call` to make host calls. */
const withHandler = (body, use) => withShim(
  `exports.handler = async (data, context) => { const call = context.hostCall; ${body} }`,
  async (shim) => { await shim.load(); await use(shim); });

const valueOf = async (answer) => JSON.parse((await answer).body.toString());

test('a result, an error, and a call without arguments', () => withHandler(`
  const told = await call('bad.one', 1).catch((error) => [error.name, error.code, error.message, error instanceof Error]);
  return [await call('echo', { a: ['\u20ac'] }), await call('echo'), told];`, async (shim) => {
  shim.onCall = ({ method }, text, reply) => (method === 'echo' ? reply(true, JSON.parse(text)) : reply(false, { code: 'NO', message: 'not so' }));
  const expected = [{ a: ['\u20ac'] }, null, ['HostCallError', 'NO', 'not so', true]];
  for (let i = 0; i < 3; i++) assert.deepStrictEqual(await valueOf(shim.invoke({})), expected);
}));

test('many at once, answered last first', () => withHandler(`
  return Promise.all([...Array(64).keys()].map((number) => call('echo', number)));`, async (shim) => {
  const held = [];
  shim.onCall = (header, text, reply) => {
    held.push(() => reply(true, JSON.parse(text) * 2));
    if (held.length === 64) held.reverse().forEach((answer) => answer());
  };
  assert.deepStrictEqual(await valueOf(shim.invoke({})), [...Array(64).keys()].map((number) => number * 2));
}));

test('more than the service takes at once wait', () => withHandler(`
  const count = (await Promise.all([...Array(300).keys()].map((number) => call('echo', number)))).length;
  const large = 'x'.repeat((1 << 20) - 2);
  const lengths = await Promise.all([...Array(20)].map(() => call('echo', large).then((text) => text.length)));
  return [count, lengths.filter((length) => length === large.length).length];`, async (shim) => {
  let [open, bytes, most, mostBytes] = [0, 0, 0, 0];
  shim.onCall = (header, text, reply) => {
    [open, bytes] = [open + 1, bytes + text.length];
    [most, mostBytes] = [Math.max(most, open), Math.max(mostBytes, bytes)];
    setImmediate(() => {
      [open, bytes] = [open - 1, bytes - text.length];
      reply(true, JSON.parse(text));
    });
  };
  assert.deepStrictEqual(await valueOf(shim.invoke({})), [300, 20]);
  assert.ok(most <= 64 && mostBytes <= 8 << 20, `${most} calls, ${mostBytes} bytes`);
}));

test('arguments over the limit are refused here', () => withHandler(`
  return call('echo', 'x'.repeat(1 << 20)).catch((error) => [error.code, error.message]);`, async (shim) => {
  assert.deepStrictEqual(await valueOf(shim.invoke({})),
    ['ARGUMENTS_TOO_LARGE', 'echo: the arguments have 1048578 bytes, the limit is 1048576']);
}));

test('what nobody waits for is dropped, and the next call has its own', () => withHandler(`
  if (data === 'leave') { call('never', 0).then(() => console.log('LATE')); call('large', 0); return 'left'; }
  return call('echo', data);`, async (shim) => {
  const late = [];
  shim.onCall = ({ method, ...header }, text, reply) => {
    if (method === 'never') late.push(() => reply(true, 'late'));
    else if (method === 'large') reply(true, 'x'.repeat(3 << 20));
    else reply(true, JSON.parse(text));
  };
  for (let i = 0; i < 3; i++) {
    const left = await shim.invoke('leave');
    assert.deepStrictEqual([left.body.toString(), left.header.survivors], ['"left"', undefined]);
    // The service would not send it any more; if it did, nobody would be misled.
    late.pop()();
    assert.strictEqual(await valueOf(shim.invoke('mine')), 'mine');
  }
  await shim.end();
  assert.strictEqual(shim.logs, '');
}));

for (const [style, code] of [
  ['appwrite', "module.exports = async ({ req, res, hostCall }) => { await hostCall('echo', 'y'.repeat(300)); return res.json(req.bodyJson); }"],
  ['fission', "module.exports = async (context) => { await context.hostCall('echo', 'y'.repeat(300)); return { status: 200, body: context.request.text() } }"],
]) {
  test(`the body of the request stays as it was: ${style}`, () => withShim(code, async (shim) => {
    await shim.load({ handler_style: style });
    for (let i = 0; i < 3; i++) assert.strictEqual((await shim.invoke({ i }, { mode: 'http' })).body.toString(), `{"i":${i}}`);
  }));
}

test('not at the top level, not after the answer', () => withShim(`
let kept; exports.handler = async (data, context) => {
  const told = kept === undefined ? null : await kept('echo', 1).catch((error) => [error.code, error.message]);
  kept = context.hostCall;
  return told;
};`, async (shim) => {
  await shim.load();
  assert.strictEqual(await valueOf(shim.invoke({})), null);
  assert.deepStrictEqual(await valueOf(shim.invoke({})),
    ['NO_CALL', 'echo: a host call can be made only while a handler runs, for the call that it runs for']);
}));

test('a process that exits while it waits, and one whose service is gone', async () => {
  await withHandler(`setTimeout(() => process.exit(3), 20); await call('never');`, async (shim) => {
    shim.onCall = () => {};
    assert.strictEqual((await shim.invoke({})).kind, 'end');
    assert.strictEqual((await shim.done)[0], 3);
  });
  await withHandler(`await call('never');`, async (shim) => {
    shim.onCall = () => shim.requests.end();
    shim.invoke({});
    assert.strictEqual((await shim.done)[0], 0);
  });
});
