'use strict';
// Every form of handler that is known: how it is told from the others, and what becomes of its answers.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

const json = (answer) => JSON.parse(answer.body.toString());
const headers = (answer) => Object.fromEntries(answer.header.headers);
const module_ = (code) => [{ 'index.mjs': code }, { main: 'index.mjs' }];
const script = (code) => [{ 'index.js': code }, {}];

/** Loads code of a form, which must be found out, and plays with it. */
function form(what, style, [files, options], play) {
  test(`${style}: ${what}`, () => withShim(files, async (shim) => {
    const loaded = await shim.load(options);
    assert.deepStrictEqual([loaded.kind, loaded.header.handler_style || loaded.header.message], ['loaded', style]);
    await play({ invoke: (body, more) => shim.invoke(body, { mode: 'http', ...more }) });
  }));
}

form('an object with a body', 'edge', module_(`export default async function handler(request) {
  return { statusCode: 201, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ message: 'Hello World' }) };
}`), async (shim) => {
  const answer = await shim.invoke({});
  assert.strictEqual(answer.header.status, 201);
  assert.deepStrictEqual(json(answer), { message: 'Hello World' });
});

form('a string is text', 'edge', module_('export default async (req) => "Hello World"'), async (shim) => {
  const answer = await shim.invoke({});
  assert.strictEqual(headers(answer)['content-type'], 'text/plain; charset=utf-8');
  assert.strictEqual(answer.body.toString(), 'Hello World');
  assert.strictEqual(json(await shim.invoke({}, { mode: 'raw' })), 'Hello World');
});

form('the request, and env as a global', 'edge', module_(`const early = env.SECRET;
export default async function handler(request) {
  const { method, url, headers, body, query } = request;
  return { method, url, type: headers['content-type'], data: JSON.parse(body), query, key: env.SECRET, early };
}`), async (shim) => {
  const answer = await shim.invoke({ a: 1 }, {
    method: 'POST', path: '/x/y', query: 'q=1&q=2', headers: [['host', 'h.example'], ['content-type', 'application/json']],
  });
  assert.deepStrictEqual(json(answer), {
    method: 'POST', url: 'http://h.example/x/y?q=1&q=2', type: 'application/json', data: { a: 1 }, query: { q: ['1', '2'] },
    key: 'x', early: 'x',
  });
});

form('the platform in the context', 'platform', module_(`export default async function handler(request, context) {
  const { name } = request.body;
  context.log.info('Processing request', { name });
  if (!name) return context.error('no name', 'VALIDATION_ERROR');
  return context.success({ message: \`Hello, \${name}!\` });
}
export const config = { name: 'My Function', timeout: 30000 };`), async (shim) => {
  assert.deepStrictEqual(json(await shim.invoke({ name: 'Ada' })), { success: true, data: { message: 'Hello, Ada!' } });
  const refused = await shim.invoke({});
  assert.deepStrictEqual(json(refused), { success: false, error: { message: 'no name', code: 'VALIDATION_ERROR' } });
});

for (const [what, code] of [
  ['sync', "module.exports = (req, res) => { const { name = 'World' } = req.query; res.json({ message: `Hello, ${name}!`, method: req.method }); }"],
  ['async', "module.exports = async (req, res) => { await new Promise((r) => setTimeout(r, 5)); res.json({ message: `Hello, ${req.query.name}!`, method: req.method }); }"],
  ['a promise', "module.exports = (req, res) => new Promise(async (resolve) => { res.json({ message: `Hello, ${req.query.name}!`, method: req.method }); resolve(); })"],
  ['later', "module.exports = (req, res) => { setTimeout(() => res.json({ message: `Hello, ${req.query.name}!`, method: req.method }), 5); }"],
  ['a named export', "exports.hello = (req, res) => res.json({ message: `Hello, ${req.query.name}!`, method: req.method });", 'hello'],
]) {
  const [files, options] = script(code);
  const entry = what === 'a named export' ? { entry_point: 'hello' } : options;
  form(what, 'req-res', [files, entry], async (shim) => {
    const answer = await shim.invoke(null, { method: 'GET', query: 'name=John', data: 'query' });
    assert.strictEqual(headers(answer)['content-type'], 'application/json; charset=utf-8');
    assert.deepStrictEqual(json(answer), { message: 'Hello, John!', method: 'GET' });
  });
}

form('every method of the response', 'req-res', script(`module.exports = (req, res) => {
  switch (req.body.do) {
    case 'status': return res.status(418).send('short');
    case 'bytes': return res.type('png').send(Buffer.from([0, 255]));
    case 'redirect': return res.redirect('/there');
    case 'moved': return res.redirect(301, 'https://example.org/');
    case 'cookie': return res.cookie('a', 'b c', { httpOnly: true, maxAge: 1000 }).cookie('d', 1).sendStatus(204);
    case 'header': return res.setHeader('X-One', 1).append('x-one', 'two').end();
    case 'pieces': res.write('one '); res.write('two'); return res.end(' three');
    case 'pipe': return req.pipe(res);
    case 'value': return { plain: true };
    case 'mounted': return res.json([req.baseUrl, req.path, req.url]);
    case 'throw': throw new TypeError('no');
    case 'request': return res.send({ url: req.url, ip: req.ip, type: req.get('Content-Type'), raw: req.rawBody.length,
      cookies: req.cookies, is: req.is('json'), id: req.params.functionId });
  }
}`), async (shim) => {
  const run = (what, more = {}) => shim.invoke({ do: what }, more);
  const status = await run('status');
  assert.deepStrictEqual([status.header.status, status.body.toString(), headers(status)['content-type']], [418, 'short', 'text/html; charset=utf-8']);
  const bytes = await run('bytes');
  assert.deepStrictEqual([[...bytes.body], headers(bytes)['content-type']], [[0, 255], 'image/png']);
  assert.deepStrictEqual(json(await run('bytes', { mode: 'raw' })), { statusCode: 200, headers: { 'content-type': 'image/png' }, body: 'AP8=', isBase64Encoded: true });
  const redirect = await run('redirect');
  assert.deepStrictEqual([redirect.header.status, headers(redirect).location], [302, '/there']);
  assert.strictEqual((await run('moved')).header.status, 301);
  const cookie = await run('cookie');
  const set = cookie.header.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value);
  assert.match(set[0], /^a=b%20c; Max-Age=1; Path=\/; Expires=.*; HttpOnly$/);
  assert.deepStrictEqual([set[1], cookie.header.status], ['d=1; Path=/', 204]);
  assert.deepStrictEqual((await run('header')).header.headers, [['x-one', '1'], ['x-one', 'two']]);
  assert.strictEqual((await run('pieces')).body.toString(), 'one two three');
  assert.deepStrictEqual(json(await run('pipe')), { do: 'pipe' });
  assert.deepStrictEqual(json(await run('value')), { plain: true });
  assert.strictEqual((await run('throw')).header.message, 'TypeError: no');
  const request = json(await run('request', { path: '/a', query: 'b=c', headers: [['content-type', 'application/json'], ['cookie', 'x=y; z="1%202"']] }));
  const mounted = json(await run('mounted', { path: '/p/1/functions/f/a/b', base_path: '/p/1/functions/f' }));
  assert.deepStrictEqual(mounted, ['/p/1/functions/f', '/a/b', '/p/1/functions/f/a/b']);
  assert.deepStrictEqual(request, { url: '/a?b=c', ip: '127.0.0.1', type: 'application/json', raw: 16, cookies: { x: 'y', z: '1 2' }, is: 'application/json', id: '7' });
});

const hasWeb = typeof Request === 'function' && !process.env.CLOUDBOX_TEST_NODE;
if (hasWeb) {
  form('an object with fetch', 'fetch', module_(`export default {
    greeting: 'Hello',
    async fetch(request, env, ctx) {
      ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log('afterwards'); resolve(); }, 5)));
      const body = await request.json();
      const answer = Response.json({ text: this.greeting + ' ' + body.name, url: request.url, header: request.headers.get('x-a') }, { status: 202 });
      answer.headers.append('set-cookie', 'a=1');
      answer.headers.append('set-cookie', 'b=2');
      return answer;
    },
  };`), async (shim) => {
    const answer = await shim.invoke({ name: 'Ada' }, { method: 'POST', path: '/p', headers: [['host', 'h'], ['x-a', 'one'], ['x-a', 'two']] });
    assert.strictEqual(answer.header.status, 202);
    assert.deepStrictEqual(json(answer), { text: 'Hello Ada', url: 'http://h/p', header: 'one, two' });
    assert.deepStrictEqual(answer.header.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value), ['a=1', 'b=2']);
  });

  form('a function that makes a Response', 'fetch', module_(`export default async (request) => {
    const stream = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('one ')); c.enqueue(new TextEncoder().encode('two')); c.close(); } });
    return new Response(request.method === 'GET' ? stream : null, { headers: { 'x-b': 'y' } });
  }`), async (shim) => {
    const answer = await shim.invoke(null, { method: 'GET', data: 'query' });
    assert.deepStrictEqual([answer.body.toString(), headers(answer)['x-b']], ['one two', 'y']);
    assert.strictEqual((await shim.invoke(null, { method: 'POST' })).body.length, 0);
    assert.deepStrictEqual(json(await shim.invoke(null, { method: 'GET', mode: 'raw' })).body, 'one two');
  });
}

form('chained', 'openfaas', script(`module.exports = async (event, context) => {
  return context.status(201).headers({ 'X-A': 'b' }).succeed({ body: event.body, method: event.method });
};`), async (shim) => {
  const answer = await shim.invoke({ a: 1 }, { method: 'PUT' });
  assert.deepStrictEqual([answer.header.status, headers(answer)['x-a']], [201, 'b']);
  assert.deepStrictEqual(json(answer), { body: { a: 1 }, method: 'PUT' });
});

form('failed and returned', 'openfaas', script(`module.exports = async (event, context) => {
  if (event.body.fail) return context.fail(new RangeError('no'));
  context.status(200);
  return { plain: 1 };
};`), async (shim) => {
  assert.strictEqual((await shim.invoke({ fail: true })).header.message, 'RangeError: no');
  assert.deepStrictEqual(json(await shim.invoke({})), { plain: 1 });
});

form('main without an export', 'openwhisk', script(`function main(params) {
  return { greeting: 'Hello, ' + (params.name || 'stranger') + '!', method: params.__ow_method, place: params.place };
}`), async (shim) => {
  assert.deepStrictEqual(json(await shim.invoke({ name: 'Ada' }, { method: 'POST', query: 'place=x' })), { greeting: 'Hello, Ada!', method: 'post', place: 'x' });
  assert.deepStrictEqual(json(await shim.invoke({ name: 'Bo' }, { mode: 'raw' })), { greeting: 'Hello, Bo!' });
});

form('main with an HTTP answer', 'openwhisk', script("async function main() { return { statusCode: 302, headers: { location: '/x' } }; }"), async (shim) => {
  assert.strictEqual((await shim.invoke({})).header.status, 302);
});

form('event and context', 'data', module_(`export async function handler(event, context) {
  return { functionName: context.functionName, left: context.getRemainingTimeInMillis() > 0, processedEvent: event };
}`), async (shim) => {
  assert.deepStrictEqual(json(await shim.invoke({ a: 1 })), { functionName: 'greet', left: true, processedEvent: { a: 1 } });
});

form('a default export with event and context', 'data', module_('export default async (event, context) => [event, typeof context]'), async (shim) => {
  assert.deepStrictEqual(json(await shim.invoke({ a: 1 })), [{ a: 1 }, 'object']);
});

test('a pinned style wins over what the code looks like', () => withShim({ 'index.js': 'module.exports = (a, b) => b.json(a.query)' }, async (shim) => {
  const loaded = await shim.load({ handler_style: 'req-res' });
  assert.strictEqual(loaded.header.handler_style, 'req-res');
  assert.deepStrictEqual(JSON.parse(json(await shim.invoke(null, { method: 'GET', query: 'x=1' })).body), { x: '1' });
}));
