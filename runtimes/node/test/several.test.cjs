'use strict';
// Several calls at once: each has its own answer, logs, host calls and pieces.

const test = require('node:test');
const assert = require('node:assert');
const { withCalls } = require('./calls.cjs');
const { execFileSync } = require('child_process');
const { withShim, NODE } = require('./shim.cjs');

const has = (expression) => execFileSync(NODE, ['-p', expression]).toString().trim() === 'true';
const hasWeb = has("typeof Response === 'function'");
const tellsTimers = has("typeof process.getActiveResourcesInfo === 'function'");
/** Node.js 14 doesn't say in which context a promise was rejected. */
const tellsRejections = has("parseInt(process.versions.node, 10) > 14");

/** A handler that goes on with `data.wait` when another call says `data.open`. */
const GATES = `
const gates = {};
const gate = (name) => gates[name] || (gates[name] = (() => { let open; const opened = new Promise((r) => { open = r; }); return { open, opened }; })());
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
`;
const withHandler = (body, use) => withCalls(`${GATES} exports.handler = async (data, context) => {
  if (data.open) { gate(data.open).open(); return 'opened'; }
  const wait = () => gate(data.wait).opened;
  ${body} };`, use);

test('answers come in any order', () => withHandler('await wait(); return data.wait;', async (calls, loaded) => {
  assert.strictEqual(loaded.concurrency, 8);
  const [a, b] = [calls.start({ wait: 'a' }), calls.start({ wait: 'b' })];
  assert.strictEqual(await calls.start({ open: 'b' }).value, 'opened');
  assert.strictEqual(await b.value, 'b');
  calls.start({ open: 'a' });
  assert.strictEqual(await a.value, 'a');
}));

test('without concurrency all is as it was', () => withShim("exports.handler = () => { console.log('to the pipe'); return 1 }", async (shim) => {
  for (const header of [(await shim.load({ concurrency: 1 })).header]) assert.strictEqual(header.concurrency, undefined);
  assert.strictEqual((await shim.invoke({})).body.toString(), '1');
  await shim.end();
  assert.strictEqual(shim.logs, 'to the pipe\n');
}));

test('what a call prints is its own, in order with its log frames and before its answer', () => withHandler(`
  console.log(data.wait, 1); context.log('line'); await wait(); process.stderr.write(data.wait + ' 2\\n');
  setTimeout(() => console.log('late'), 50).unref(); return new Promise((r) => process.nextTick(r, 0));`, async (calls, loaded, shim) => {
  const [a, b] = [calls.start({ wait: 'a' }), calls.start({ wait: 'b' })];
  await b.find(({ kind }) => kind === 'log');
  calls.start({ open: 'a' });
  calls.start({ open: 'b' });
  await Promise.all([a.answer, b.answer]);
  for (const [call, name] of [[a, 'a'], [b, 'b']]) {
    assert.deepStrictEqual(call.frames.map(({ kind }) => kind), ['output', 'log', 'output', 'result']);
    assert.strictEqual(call.output, `${name} 1\n${name} 2\n`);
  }
  // Nobody's any more: it goes where the prints of no call go.
  while (shim.logs !== 'late\nlate\n') await new Promise(setImmediate);
}));

test('a print of any length, and what no call printed', () => withCalls(`
let out; setInterval(() => { if (out) { console.log(out); out = undefined; } }, 1);
exports.handler = (data) => {
  process.stdout.write('x'.repeat(200000)); out = 'from a timer of the load'; require('fs').writeSync(1, 'raw ');
  return new Promise((r) => setTimeout(r, 20)); };`, async (calls, loaded, shim) => {
  const call = calls.start({});
  await call.answer;
  assert.deepStrictEqual(call.frames.map(({ body }) => body.length), [65536, 65536, 65536, 3392, 4]);
  await shim.end();
  assert.strictEqual(shim.logs, 'raw from a timer of the load\n');
}));

test('host calls of two calls, replies in between and last first', () => withHandler(`
  const all = await Promise.all([1, 2, 3].map((n) => context.hostCall('echo', [data.wait, n])));
  return all;`, async (calls, loaded, shim) => {
  const held = [];
  shim.onCall = ({ method }, text, reply) => held.push(() => reply(true, JSON.parse(text)));
  const [a, b] = [calls.start({ wait: 'a' }), calls.start({ wait: 'b' })];
  while (held.length < 6) await new Promise(setImmediate);
  held.reverse().forEach((answer) => answer());
  assert.deepStrictEqual(await a.value, [1, 2, 3].map((n) => ['a', n]));
  assert.deepStrictEqual(await b.value, [1, 2, 3].map((n) => ['b', n]));
}));

test('the bounds hold for all calls together, and an answer frees what its call had', () => withHandler(`
  if (data.never) { for (let i = 0; i < 64; i++) context.hostCall('never', i); await wait(); return 'left'; }
  return context.hostCall('echo', 1);`, async (calls, loaded, shim) => {
  const seen = [];
  shim.onCall = ({ method, nonce }, text, reply) => { seen.push(method); if (method === 'echo') reply(true, JSON.parse(text)); };
  const a = calls.start({ never: true, wait: 'a' });
  while (seen.length < 64) await new Promise(setImmediate);
  const b = calls.start({});
  await calls.start({ open: 'x' }).answer;
  assert.deepStrictEqual([seen.length, b.frames.length], [64, 0]);
  calls.start({ open: 'a' });
  assert.deepStrictEqual([await a.value, await b.value], ['left', 1]);
}));

test('a host call that is made for a call that is over', () => withHandler(`
  if (data.wait === undefined) { globalThis.kept = context.hostCall; return 1; }
  return kept('echo', 1).catch((error) => error.code);`, async (calls) => {
  await calls.start({}).answer;
  assert.strictEqual(await calls.start({ wait: 'a' }).value, 'NO_CALL');
}));

test('a slow reader of one answer holds up no other', () => withHandler(`
  if (data.stream) return { statusCode: 200, body: (async function* () { await sleep(1); for (let i = 0; i < 5; i++) yield String(i); yield Buffer.alloc(600000); })() };
  return 'quick';`, async (calls) => {
  const stream = { mode: 'http', may_stream: true };
  const [slow, fast] = [0, 1].map(() => calls.start({ stream: true }, stream));
  slow.takes = false;
  const last = await fast.answer;
  assert.deepStrictEqual([last.header.last, last.body.length], [true, 0]);
  assert.strictEqual(fast.pieces().length, 8);
  assert.strictEqual(await calls.start({}).value, 'quick');
  assert.strictEqual(slow.pieces().length, 2);
  calls.taken(slow);
  await slow.find(({ body }) => body.toString() === '2');
  await calls.start({}).answer;
  assert.strictEqual(slow.pieces().length, 3);
  slow.takes = true;
  calls.taken(slow);
  calls.taken(slow);
  await slow.answer;
  assert.strictEqual(Buffer.concat(slow.pieces().map(({ body }) => body)).length, 600005);
}));

test('an answer that failed while it waits for its reader ends', () => withHandler(`
  if (data.stream) return { statusCode: 200, body: (async function* () {
    setTimeout(() => { throw new Error('beside it'); }, 30);
    try { for (;;) { await sleep(1); yield 'x'; } } finally { gate('ended').open(); } })() };
  await wait(); return 'it ended';`, async (calls) => {
  const call = calls.start({ stream: true }, { mode: 'http', may_stream: true });
  call.takes = false;
  const other = calls.start({ wait: 'ended' });
  const last = await call.answer;
  assert.deepStrictEqual([last.kind, last.header.failure.message, call.pieces().length], ['chunk', 'Error: beside it', 2]);
  assert.strictEqual(await other.value, 'it ended');
}));

test('uploads of two calls', { skip: !hasWeb }, () => withCalls({ 'index.mjs': `export default { async fetch(request) {
  let text = ''; for await (const piece of request.body) text += Buffer.from(piece); return new Response(text); } };` }, async (calls, loaded, shim) => {
  const left = {};
  const held = [];
  shim.onCall = ({ nonce }, text, reply) => {
    left[nonce] = left[nonce] === undefined ? 3 : left[nonce] - 1;
    const piece = left[nonce] === 0 ? Buffer.alloc(0) : Buffer.from(`${nonce.slice(-1)}${left[nonce]} `);
    held.push(() => reply(true, piece));
    // Those of one call wait for those of the other.
    if (held.length === 2) held.splice(0).reverse().forEach((answer) => answer());
  };
  const all = [0, 1].map(() => calls.start(undefined, { mode: 'http', has_upload: true }));
  for (const call of all) {
    const of = call.nonce.slice(-1);
    assert.strictEqual((await call.answer).body.toString(), `${of}3 ${of}2 ${of}1 `);
  }
}, { main: 'index.mjs' }));

test('the body of a call stays as it was', () => withCalls(`module.exports = async ({ req, res }) => {
  await new Promise((r) => setTimeout(r, 20)); return res.text(String(req.bodyJson.number)); };`, async (calls) => {
  const all = [...Array(8).keys()].map((number) => calls.start({ number, more: 'x'.repeat(number * 20000) }, { mode: 'http' }));
  for (const [number, call] of all.entries()) assert.strictEqual((await call.answer).body.toString(), String(number));
}, { handler_style: 'appwrite' }));

for (const [what, code] of [
  ['thrown', "throw new TypeError('bad')"],
  ['in a callback', "setTimeout(() => { throw new TypeError('bad') }, 1); await new Promise(() => {})"],
  ['rejected, and nobody waits', "Promise.reject(new TypeError('bad')); await new Promise(() => {})"],
  ['in a file\'s callback', "require('fs').stat('/', () => { throw new TypeError('bad') }); await new Promise(() => {})"],
]) {
  test(`a failure is that of its call: ${what}`, { skip: /^rejected/.test(what) && !tellsRejections }, () => withHandler(`if (data.wait) { await wait(); return 'well'; } ${code}`, async (calls) => {
    const other = calls.start({ wait: 'a' });
    const [kind, header] = await calls.start({}).value;
    assert.deepStrictEqual([kind, header.message, header.survivors], ['failure', 'TypeError: bad', undefined]);
    calls.start({ open: 'a' });
    assert.strictEqual(await other.value, 'well');
  }));
}

test('what nobody caught and no call can be named for fails all', () => withCalls(`
let isBad = false; setInterval(() => { if (isBad) { isBad = false; throw new Error('whose?'); } }, 1);
exports.handler = (data) => { if (data.bad) isBad = true; return data.quick ? 1 : new Promise(() => {}); };`, async (calls) => {
  const all = [calls.start({}), calls.start({}), calls.start({ bad: true })];
  const answers = await Promise.all(all.map(({ answer }) => answer));
  assert.deepStrictEqual(answers.map(({ kind, header }) => [kind, header.message]), all.map(() => ['failure', 'Error: whose?']));
  answers.forEach(({ header }) => assert.ok(header.survivors.includes('exception')));
}));

test('what a call throws that is over fails no other', () => withHandler(`
  if (data.late) { setTimeout(() => { throw new Error('late'); }, 1); return 'early'; }
  await wait(); return 'well';`, async (calls) => {
  const other = calls.start({ wait: 'a' });
  assert.strictEqual(await calls.start({ late: true }).value, 'early');
  await new Promise((resolve) => setTimeout(resolve, 50));
  calls.start({ open: 'a' });
  const { kind, header } = await other.answer;
  assert.deepStrictEqual([kind, header.survivors], ['result', ['exception']]);
}));

test('survivors are told beside no other call', () => withHandler(`
  if (data.leave) setTimeout(() => {}, 1e6);
  if (data.wait) await wait(); return 1;`, async (calls) => {
  assert.strictEqual((await calls.start({}).answer).header.survivors, undefined);
  const other = calls.start({ wait: 'a' });
  assert.strictEqual((await calls.start({ leave: true }).answer).header.survivors, undefined);
  const opener = calls.start({ open: 'a' });
  const told = (await Promise.all([other.answer, opener.answer])).map(({ header }) => header.survivors);
  assert.deepStrictEqual(told.filter((one) => one !== undefined), tellsTimers ? [['timer']] : []);
}));

for (const [form, files, options] of [
  ['req-res', { 'index.js': 'module.exports = async (req, res) => { await new Promise((r) => setTimeout(r, 10)); res.send(req.body.name); };' }],
  ['app', { 'index.js': `module.exports = require('http').createServer((req, res) => { let text = ''; req.on('data', (d) => { text += d; });
    req.on('end', () => setTimeout(() => { console.log(text); res.end(JSON.parse(text).name); }, 10)); });` }],
]) {
  test(`several calls of the form ${form}`, () => withCalls(files, async (calls, loaded) => {
    assert.deepStrictEqual([loaded.handler_style, loaded.concurrency], [form, 8]);
    const all = [...Array(8).keys()].map((n) => calls.start({ name: `n${n}` }, { mode: 'http', headers: [['content-type', 'application/json']] }));
    for (const [n, call] of all.entries()) assert.strictEqual((await call.answer).body.toString(), `n${n}`);
    if (form === 'app') assert.strictEqual(all[3].output, '{"name":"n3"}\n');
  }, options));
}

test('many at once', () => withHandler(`console.log(data.n); await sleep(data.n % 7); console.log(data.n); return context.hostCall('echo', data.n);`, async (calls) => {
  const all = [...Array(100).keys()].map((n) => calls.start({ n }));
  for (const [n, call] of all.entries()) {
    assert.strictEqual(await call.value, n);
    assert.strictEqual(call.output, `${n}\n${n}\n`);
  }
}));

for (const [what, code] of [['while calls run', 'await new Promise(() => {})'], ['while calls wait for replies', "await context.hostCall('never')"]]) {
  test(`the end of the requests is the end, ${what}`, () => withHandler(code, async (calls, loaded, shim) => {
    shim.onCall = () => {};
    const call = calls.start({});
    await calls.start({ open: 'a' }).answer;
    assert.strictEqual(await shim.end(), 0);
    assert.strictEqual((await call.answer).kind, 'end');
  }));
}

test('idle, the process stays', () => withHandler('return process.exitCode === undefined;', async (calls, loaded, shim) => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.strictEqual(await calls.start({}).value, true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.strictEqual(await shim.end(), 0);
  assert.strictEqual(shim.logs, '');
}));

test('code that waits for ever at its top level is told so', () => withShim(
  { 'index.mjs': 'await new Promise(() => {}); export const handler = () => 1;' }, async (shim) => {
    const { kind, header } = await shim.load({ main: 'index.mjs', concurrency: 4 });
    assert.deepStrictEqual([kind, /nothing can settle/.test(header.message)], ['failure', true]);
  }));
