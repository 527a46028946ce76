'use strict';
// What a call leaves running is told with its answer.

const test = require('node:test');
const assert = require('node:assert');
const { execFileSync } = require('child_process');
const { withShim, NODE } = require('./shim.cjs');

const tellsTimers = execFileSync(NODE, ['-p', 'typeof process.getActiveResourcesInfo']).toString().trim() === 'function';

/** A handler that evaluates `data` and has a promise for what should be awaited. */
const CODE = `
const timers = require('timers/promises').setTimeout || ((ms) => new Promise((r) => setTimeout(r, ms)));
const { Worker } = require('worker_threads'); const http = require('http'); const net = require('net'); const fs = require('fs');
const { spawn } = require('child_process'); const started = setInterval(() => {}, 1e6);
exports.handler = async (data) => { await eval(data); return 'done' };`;

async function survivorsOf(shim, code) {
  const { kind, header } = await shim.invoke(code);
  assert.strictEqual(kind, 'result', header && header.message);
  return header.survivors;
}

const timer = tellsTimers ? ['timer'] : undefined;
for (const [what, code, expected] of [
  ['a timer', 'setTimeout(() => {}, 1e6)', timer],
  ['an interval', 'setInterval(() => {}, 1e6); 0', timer],
  ['an immediate', 'const again = () => setImmediate(again); again()', timer],
  ['a worker', 'new Promise((r) => new Worker("setInterval(() => {}, 1e6)", { eval: true }).on("online", r))', ['thread']],
  ['a child', "spawn('sleep', ['60'])", ['process']],
  ['all', "setTimeout(() => {}, 1e6); spawn('sleep', ['60']); new Promise((r) => new Worker('setInterval(() => {}, 1e6)', { eval: true }).on('online', r))",
    [...(timer || []), 'thread', 'process']],
]) {
  test(`left: ${what}`, () => withShim(CODE, async (shim) => {
    await shim.load();
    assert.strictEqual(await survivorsOf(shim, '0'), undefined);
    assert.deepStrictEqual(await survivorsOf(shim, code), expected);
  }));
}

for (const [what, code] of [
  ['a timer that fired', 'timers(2)'],
  ['a timer in a callback', 'new Promise((r) => setTimeout(() => setTimeout(r, 1), 1))'],
  ['an immediate that runs', 'setImmediate(() => {}); 0'],
  ['an immediate that ran', 'new Promise(setImmediate)'],
  ['a timer that was cleared', 'clearTimeout(setTimeout(() => {}, 1e6))'],
  ['a timer without a reference', 'setTimeout(() => {}, 1e6).unref()'],
  ['a signal that nothing else waited for', "new Promise((r) => { process.once('SIGUSR2', r); process.kill(process.pid, 'SIGUSR2') })"],
  ['a worker that ended', 'new Promise((r) => new Worker("0", { eval: true }).on("exit", r))'],
  ['a child that ended', "new Promise((r) => spawn('true').on('exit', r))"],
  ['a request for a file', "fs.readFile('/etc/passwd', () => {})"],
  ['a read of many files', "Promise.all([1, 2, 3, 4, 5, 6].map(() => fs.promises.readFile('/etc/passwd')))"],
  ['an agent and its server', `new Promise((r) => {
    const server = http.createServer((q, a) => a.end('hi')).listen(0, '127.0.0.1', () => http.get(
      { port: server.address().port, agent: new http.Agent({ keepAlive: true }) }, (a) => a.resume().on('end', r))) })`],
]) {
  test(`not left: ${what}`, () => withShim(CODE, async (shim) => {
    await shim.load();
    for (let i = 0; i < 3; i++) assert.strictEqual(await survivorsOf(shim, code), undefined);
  }));
}

test('left: a worker that was begun a moment ago, by code that had none before', () => withShim(`
exports.handler = async (data) => { await null; eval(data); return 'done' };`, async (shim) => {
  await shim.load();
  assert.strictEqual(await survivorsOf(shim, '0'), undefined);
  const begin = 'new (require("worker_threads").Worker)("setInterval(() => {}, 1e6)", { eval: true })';
  assert.deepStrictEqual(await survivorsOf(shim, begin), ['thread']);
}));

test('a failure tells too, and patched functions hide nothing', () => withShim(`
process.getActiveResourcesInfo = () => []; process._getActiveHandles = () => []; require('fs').statSync = () => ({ nlink: 0 });
exports.handler = () => { require('child_process').spawn('sleep', ['60']); throw new Error('x') };`, async (shim) => {
  await shim.load();
  assert.deepStrictEqual((await shim.invoke({})).header.survivors, ['process']);
}));

test('an exception between two calls is told with the next answer', () => withShim(`
exports.handler = (data) => { if (data) require('fs').stat('/', () => { throw new Error('late') }); return 1 };`, async (shim) => {
  await shim.load();
  const first = await shim.invoke(true);
  assert.strictEqual(first.header.survivors, undefined);
  let later;
  for (let i = 0; i < 100 && later === undefined; i++) later = (await shim.invoke(false)).header.survivors;
  assert.deepStrictEqual(later, ['exception']);
}));

test('the number of threads stays as it is', () => withShim(`
const fs = require('fs'); const count = () => fs.readdirSync('/proc/self/task').length;
exports.handler = async () => {
  const before = count();
  await Promise.all([fs.promises.readFile('/etc/passwd'), new Promise((r) => require('dns').lookup('localhost', r)),
    new Promise((r) => require('crypto').pbkdf2('a', 'b', 1, 8, 'sha1', r)), new Promise((r) => require('zlib').gzip('x', r))]);
  return count() - before };`, async (shim) => {
  await shim.load();
  assert.strictEqual((await shim.invoke({})).body.toString(), '0');
}));
