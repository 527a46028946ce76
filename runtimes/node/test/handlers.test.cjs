'use strict';
// What honest code finds: how it is loaded, what it is called with, what becomes of its results.

const fs = require('fs');
const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

const json = (answer) => JSON.parse(answer.body.toString());
const event = 'exports.handler = (data, context) => ';

test('nothing is left of what the shim loaded for itself', () => withShim(`
exports.handler = async () => [
  Object.keys(require.cache).filter((name) => /rehears/.test(name)), globalThis.env, process.cwd(), process.argv[1], process.listenerCount('exit'),
];`, async (shim) => {
  assert.strictEqual((await shim.load({ env: { A: 'b' } })).kind, 'loaded');
  const folder = fs.realpathSync(shim.folder);
  assert.deepStrictEqual(JSON.parse((await shim.invoke(Buffer.from('{}'))).body), [[], { A: 'b' }, folder, `${shim.folder}/index.js`, 0]);
}));

test('what is left for the next tick is done before the handler is looked for', () => withShim(`
process.nextTick(() => { exports.handler = async () => 'late'; });`, async (shim) => {
  assert.strictEqual((await shim.load()).kind, 'loaded');
}));

test('the last handler wins, and errors keep their text', () => withShim(`
exports.handler = async () => 'first';
exports.handler = async (data) => {
  if (!data.name) throw new Error('Name is required');
  return { greeting: 'Hello, ' + data.name + '!' };
};`, async (shim) => {
  const loaded = await shim.load({ entry_point: 'index.handler' });
  assert.deepStrictEqual([loaded.kind, loaded.header.handler_style], ['loaded', 'data']);
  assert.deepStrictEqual(json(await shim.invoke({ name: 'Ada' })), { greeting: 'Hello, Ada!' });
  const failure = (await shim.invoke({})).header;
  assert.deepStrictEqual([failure.kind, failure.message], ['error', 'Error: Name is required']);
  assert.match(failure.stack, /index\.js:4/);
  assert.doesNotMatch(failure.stack, /shim\.cjs|handler\.cjs/);
  assert.strictEqual((await shim.invoke({ name: 'Bo' })).kind, 'result');
}));

for (const [what, files, options] of [
  ['module.exports', { 'index.js': 'module.exports = (data) => data' }, {}],
  ['a default export', { 'index.mjs': 'export default async (data) => data' }, { main: 'index.mjs' }],
  ['a named export', { 'index.mjs': 'await null; export async function handler(data) { return data }' }, { main: 'index.mjs' }],
  ['package.json', { 'index.js': 'export const main = (data) => data', 'package.json': '{"type":"module"}' }, { entry_point: 'main' }],
  ['a folder', { 'src/index.js': 'exports.run = (data) => data' }, { main: 'src/index.js', entry_point: 'src/index.run' }],
  ['a callback', { 'index.js': 'exports.handler = (event, context, callback) => setTimeout(callback, 1, null, event)' }, {}],
  ['a pinned style', { 'index.js': 'exports.handler = (data) => data' }, { handler_style: 'data' }],
]) {
  test(`handler by ${what}`, () => withShim(files, async (shim) => {
    assert.strictEqual((await shim.load(options)).kind, 'loaded');
    assert.deepStrictEqual(json(await shim.invoke({ a: [1, 'ü'] })), { a: [1, 'ü'] });
  }));
}

for (const [what, text, kind, message, options] of [
  ['no handler', 'exports.other = 1', 'entry_point', /"handler".*exports other/, {}],
  ['not the one that was chosen', 'exports.handler = () => 1', 'entry_point', /"run".*exports handler/, { entry_point: 'index.run' }],
  ['an unknown style', event + '1', 'entry_point', /handler_style "wsgi"/, { handler_style: 'wsgi' }],
  ['a Web handler without the Web types', 'delete globalThis.Request; module.exports = () => new Response("")', 'entry_point',
    /form "fetch", and Node.js [\d.]+ lacks Request and Response, .*nodejs18.*runtime/, {}],
  ['a throw at the top', 'throw new TypeError("no")', 'error', /^TypeError: no$/, {}],
  ['bad syntax', 'let let = 1 1', 'error', /^SyntaxError/, {}],
  ['a missing module', 'require("nowhere")', 'error', /nowhere/, {}],
]) {
  test(`load fails: ${what}`, () => withShim(text, async (shim) => {
    const { header } = await shim.load(options);
    assert.strictEqual(header.kind, kind);
    assert.match(header.message, message);
  }));
}

for (const [what, body, options, data] of [
  ['JSON', Buffer.from('[1,{"a":null}]'), {}, [1, { a: null }]],
  ['text', Buffer.from('NaN ü'), {}, 'NaN ü'],
  ['bytes', Buffer.from([0xff, 0]), {}, { base64: '/wA=' }],
  ['nothing', Buffer.alloc(0), {}, null],
  ['a query', Buffer.alloc(0), { data: 'query', query: 'a=1&b=x%20y&a=2&__proto__=p' }, JSON.parse('{"a":["1","2"],"b":"x y","__proto__":"p"}')],
  ['a large body', Buffer.from(JSON.stringify('x'.repeat(300000))), {}, 'x'.repeat(300000)],
]) {
  test(`data from ${what}`, () => withShim(event + 'data', async (shim) => {
    await shim.load();
    assert.deepStrictEqual(json(await shim.invoke(body, options)), data);
  }));
}

test('the context tells of the call and the function', () => withShim(`${event}({ ...context, left: context.getRemainingTimeInMillis(),
  yes: context.success(1), no: context.error('bad', 'E1'), secret: process.env.SECRET, home: process.env.NODE_OPTIONS, cwd: process.cwd() })`, async (shim) => {
  await shim.load();
  const seen = json(await shim.invoke({}, { query: 'q=1', headers: [['x-a', '1'], ['x-a', '2']] }));
  assert.deepStrictEqual([seen.method, seen.path, seen.query, seen.headers], ['POST', '/p/1/functions/greet', { q: '1' }, { 'x-a': '1, 2' }]);
  assert.deepStrictEqual([seen.functionName, seen.function_id, seen.projectId, seen.version, seen.invocationId], ['greet', 7, 1, 2, 'i-1']);
  assert.deepStrictEqual([seen.yes, seen.no], [{ success: true, data: 1 }, { success: false, error: { message: 'bad', code: 'E1' } }]);
  assert.ok(seen.left > 0 && seen.left <= 60000);
  assert.deepStrictEqual([seen.secret, seen.env, seen.home], ['x', { SECRET: 'x' }, undefined]);
}));

test('structured lines and prints', () => withShim(`console.log('top');
exports.handler = (data, { log }) => { console.log('out'); console.error('err'); log.warn('slow', { ms: 1 }); log.info('odd \\ud800', { f: 1n }); process.stdout.write('no break') }`, async (shim) => {
  await shim.load();
  const { lines } = await shim.invoke({});
  assert.deepStrictEqual(lines[0], { nonce: lines[0].nonce, level: 'warn', message: 'slow', fields: { ms: 1 } });
  assert.strictEqual(lines[1].message, 'odd \ufffd');
  await shim.invoke({});
  assert.ok(shim.logs.startsWith('top\nout\nerr\nno break'), shim.logs);
}));

const http = { mode: 'http' };
for (const [what, value, status, headers, body] of [
  ['an object', '({ a: 1 })', 200, [['content-type', 'application/json']], '{"a":1}'],
  ['a string', '"text"', 200, [['content-type', 'application/json']], '"text"'],
  ['nothing', 'undefined', 200, [['content-type', 'application/json']], 'null'],
  ['a text answer', '({ statusCode: 201, body: "hi" })', 201, [['content-type', 'text/plain; charset=utf-8']], 'hi'],
  ['headers', '({ statusCode: 302, headers: { Location: "/", "Set-Cookie": ["a=1", "b=2"], n: 5 } })', 302, [['location', '/'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['n', '5']], ''],
  ['base64', '({ statusCode: 200, headers: { "Content-Type": "image/png" }, body: "AQI=", isBase64Encoded: true })', 200, [['content-type', 'image/png']], '\u0001\u0002'],
  ['a JSON body', '({ statusCode: 404, body: { e: 1 } })', 404, [['content-type', 'application/json']], '{"e":1}'],
  ['a word for a status', '({ statusCode: "200" })', 200, [['content-type', 'application/json']], '{"statusCode":"200"}'],
]) {
  test(`HTTP answer from ${what}`, () => withShim(event + value, async (shim) => {
    await shim.load();
    const answer = await shim.invoke({}, http);
    assert.deepStrictEqual([answer.header.status, answer.header.headers, answer.body.toString()], [status, headers, body]);
  }));
}

for (const [what, value, kind, message] of [
  ['a circle', '{ const a = {}; a.a = a; return a }', 'invalid_response', /circular/],
  ['a BigInt', '{ return { a: 1n } }', 'invalid_response', /BigInt/],
  ['a function', '{ return () => 1 }', 'invalid_response', /function/],
  ['status 600', '{ return { statusCode: 600 } }', 'invalid_response', /600/],
  ['a line break in a header', '{ return { statusCode: 200, headers: { a: "x\\r\\ny: z" } } }', 'invalid_response', /line break/],
  ['a bad header name', '{ return { statusCode: 200, headers: { "a b": "x" } } }', 'invalid_response', /name/],
  ['two megabytes', '{ return "x".repeat(2 << 20) }', 'response_too_large', /2097154.*1048576/],
]) {
  test(`refused: ${what}`, () => withShim(event + value, async (shim) => {
    await shim.load();
    const { header } = await shim.invoke({}, http);
    assert.strictEqual(header.kind, kind);
    assert.match(header.message, message);
    assert.strictEqual((await shim.invoke({}, http)).header.kind, kind);
  }));
}
