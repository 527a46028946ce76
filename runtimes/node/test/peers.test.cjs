'use strict';
// Handlers as other platforms' own documentation has them, unmodified.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

const json = (answer) => JSON.parse(answer.body.toString());
const headers = (answer) => Object.fromEntries(answer.header.headers);
const hasWeb = typeof Request === 'function' && !process.env.CLOUDBOX_TEST_NODE;

/** Loads a source, which must have this form, and calls it with requests: `ask(method, path, body, fields)`. */
function peer(what, style, code, play, file = 'index.js', options = {}) {
  test(`${style}: ${what}`, () => withShim({ [file]: code }, async (shim) => {
    const loaded = await shim.load({ main: file, ...options });
    assert.deepStrictEqual([loaded.kind, loaded.header.handler_style || loaded.header.message], ['loaded', style]);
    const answer = async (method, path, body, fields = []) => {
      const [at, query = ''] = path.split('?');
      const bytes = body === undefined ? undefined : Buffer.from(body);
      const got = await shim.invoke(bytes, { mode: 'http', data: bytes ? 'body' : 'query', method, path: at, query, headers: fields });
      assert.strictEqual(got.kind, 'result', `${got.header.message}\n${got.header.stack}`);
      assert.strictEqual(got.header.survivors, undefined);
      return got;
    };
    await play(answer, shim);
  }));
}

const JSON_BODY = [['content-type', 'application/json'], ['host', 'fn.example']];

peer('a function URL', 'lambda', `exports.handler = async (event) => {
  const name = event.queryStringParameters?.name ?? 'nobody';
  const body = event.body ? JSON.parse(event.body) : null;
  return {
    statusCode: 200,
    headers: { 'Content-Type': 'application/json', 'X-One': 'lost' },
    multiValueHeaders: { 'x-one': ['1', '2'] },
    cookies: ['a=1; Secure', 'b=2'],
    body: JSON.stringify({ name, body, method: event.requestContext.http.method, path: event.rawPath, query: event.rawQueryString, is: event.isBase64Encoded }),
  };
};`, async (ask, shim) => {
  const got = await ask('POST', '/p/x?name=Ada&name=Bo', '{"n":1}', JSON_BODY);
  assert.deepStrictEqual(json(got), { name: 'Ada,Bo', body: { n: 1 }, method: 'POST', path: '/p/x', query: 'name=Ada&name=Bo', is: false });
  assert.deepStrictEqual(got.header.headers.filter(([name]) => name === 'x-one' || name === 'set-cookie'),
    [['x-one', '1'], ['x-one', '2'], ['set-cookie', 'a=1; Secure'], ['set-cookie', 'b=2']]);
  const given = { rawPath: '/mine', requestContext: { http: { method: 'PUT' } }, body: '{}' };
  assert.match(json(await shim.invoke(given)).body, /"method":"PUT","path":"\/mine"/);
});

peer('an event of API Gateway taken apart', 'lambda', `exports.handler = async ({ httpMethod, body, isBase64Encoded }) => ({
  statusCode: 200, body: JSON.stringify([httpMethod, isBase64Encoded, body]) });`, async (ask) => {
  assert.deepStrictEqual(json(await ask('POST', '/', Buffer.from([255, 0]))), ['POST', true, '/wA=']);
});

peer('what reads no such event keeps its own', 'data', 'exports.handler = async (event) => ({ statusCode: 200, body: event.body })', async (ask) => {
  assert.strictEqual((await ask('POST', '/', '{"body":"x"}')).body.toString(), 'x');
});

peer('an Appwrite function', 'appwrite', `export default async ({ req, res, log, error }) => {
  log('Hello, Logs!');
  if (req.method === 'GET') return res.text('Hello, World!');
  if (req.path === '/there') return res.redirect('https://appwrite.io', 302);
  if (req.path === '/none') return res.empty();
  if (req.path === '/bytes') return res.binary(req.bodyBinary, 200, { 'content-type': 'image/png' });
  return res.json({ motto: 'Build like a team of hundreds_', got: req.bodyJson, q: req.query.q, text: req.bodyText.length });
};`, async (ask) => {
  assert.strictEqual((await ask('GET', '/')).body.toString(), 'Hello, World!');
  assert.deepStrictEqual(json(await ask('POST', '/?q=1', '{"a":1}', JSON_BODY)), { motto: 'Build like a team of hundreds_', got: { a: 1 }, q: '1', text: 7 });
  assert.strictEqual(headers(await ask('POST', '/there'))['location'], 'https://appwrite.io');
  assert.strictEqual((await ask('POST', '/none')).header.status, 204);
  assert.deepStrictEqual([...(await ask('POST', '/bytes', Buffer.from([0, 255]))).body], [0, 255]);
}, 'index.mjs');

peer('an Appwrite function with its context whole', 'appwrite', 'module.exports = async (context) => context.res.json({ path: context.req.path })', async (ask) => {
  assert.deepStrictEqual(json(await ask('GET', '/a')), { path: '/a' });
});

peer('a Nuclio function', 'nuclio', `exports.handler = function(context, event) {
  context.logger.info('reading');
  if (event.path === '/response') context.callback(new context.Response('made', { 'x-a': 'b' }, 'text/html', 201));
  else context.callback('Hello ' + event.body.toString());
};`, async (ask) => {
  assert.strictEqual((await ask('POST', '/', 'there')).body.toString(), 'Hello there');
  const made = await ask('POST', '/response', 'x');
  assert.deepStrictEqual([made.header.status, headers(made)['x-a'], headers(made)['content-type']], [201, 'b', 'text/html']);
});

peer('a Fission function', 'fission', `module.exports = async function(context) {
  const { name } = context.request.body;
  return { status: 200, body: 'Hello, ' + name + '!\\n', headers: { 'X-Path': context.request.path } };
}`, async (ask) => {
  const got = await ask('POST', '/a', '{"name":"Ada"}', JSON_BODY);
  assert.deepStrictEqual([got.body.toString(), headers(got)['x-path']], ['Hello, Ada!\n', '/a']);
});

peer('a Fission function with a callback', 'fission', 'module.exports = (context, callback) => { callback(201, "made"); }', async (ask) => {
  assert.strictEqual((await ask('POST', '/a', 'x')).header.status, 201);
});

peer('an Azure function', 'azure', `module.exports = async function (context, req) {
    context.log('JavaScript HTTP trigger function processed a request.');
    const name = (req.query.name || (req.body && req.body.name));
    context.res = { status: name ? 200 : 400, body: name ? "Hello, " + name : "Pass a name" };
}`, async (ask) => {
  assert.strictEqual((await ask('GET', '/?name=Ada')).body.toString(), 'Hello, Ada');
  assert.strictEqual((await ask('GET', '/')).header.status, 400);
});

peer('an Azure function that calls done', 'azure', 'module.exports = function (context, req) { context.res = { body: req.method }; context.done(); }', async (ask) => {
  assert.strictEqual((await ask('PUT', '/')).body.toString(), 'PUT');
});

peer('a Netlify function', 'lambda', `exports.handler = async function (event, context) {
  if (event.httpMethod !== 'POST') return { statusCode: 405, body: 'Method Not Allowed' };
  return { statusCode: 200, body: JSON.stringify({ message: 'Hello ' + JSON.parse(event.body).name }) };
};`, async (ask) => {
  assert.strictEqual((await ask('GET', '/')).header.status, 405);
  assert.deepStrictEqual(json(await ask('POST', '/', '{"name":"Ada"}')), { message: 'Hello Ada' });
});

peer('a server that listens', 'app', `const http = require('http');
const server = http.createServer((req, res) => {
  let text = '';
  req.on('data', (piece) => { text += piece; });
  req.on('end', () => { res.setHeader('Set-Cookie', ['a=1', 'b=2']); res.statusCode = 202; res.end(req.method + ' ' + req.url + ' ' + text); });
});
server.listen(0, '127.0.0.1');`, async (ask) => {
  for (const path of ['/a?b=c', '/b?b=c']) {
    const got = await ask('POST', path, 'body');
    assert.deepStrictEqual([got.header.status, got.body.toString()], [202, `POST ${path} body`]);
    assert.strictEqual(got.header.headers.filter(([name]) => name === 'set-cookie').length, 2);
  }
});

test('app: what a server sends bit by bit is streamed', () => withShim(`
module.exports = require('http').createServer(async (req, res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const piece of ['one', 'two']) { res.write(piece); await new Promise((done) => setTimeout(done, 10)); }
  res.end();
});`, async (shim) => {
  await shim.load();
  const head = await shim.invoke(undefined, { mode: 'http', method: 'GET', data: 'query', may_stream: true });
  assert.deepStrictEqual([head.header.is_streamed, headers(head)['content-type']], [true, 'text/event-stream']);
  let text = '';
  for (;;) {
    const piece = await shim.read();
    assert.strictEqual(piece.kind, 'chunk');
    text += piece.body;
    if (piece.header.last) break;
  }
  assert.strictEqual(text, 'onetwo');
  assert.strictEqual(json(await shim.invoke(undefined, { method: 'GET' })).body, 'onetwo');
}));

if (hasWeb) {
  peer('a Netlify function of today', 'fetch', `export default async (req, context) => {
  const { name } = await req.json();
  return new Response('Hello ' + name + ' ' + context.functionName);
};`, async (ask) => {
    assert.strictEqual((await ask('POST', '/', '{"name":"Ada"}')).body.toString(), 'Hello Ada greet');
  }, 'index.mjs');

  peer('Deno.serve', 'fetch', `Deno.serve(async (req) => {
  const url = new URL(req.url);
  return Response.json({ path: url.pathname, key: Deno.env.get('SECRET') });
});`, async (ask) => {
    assert.deepStrictEqual(json(await ask('GET', '/a')), { path: '/a', key: 'x' });
  }, 'index.mjs');

  peer('Deno.serve with options', 'fetch', "Deno.serve({ port: 4242, handler: (req) => new Response(req.method) });", async (ask) => {
    assert.strictEqual((await ask('GET', '/a')).body.toString(), 'GET');
  });

  peer('a service worker', 'fetch', `addEventListener('fetch', (event) => {
  event.respondWith(handleRequest(event.request));
});
async function handleRequest(request) {
  return new Response('Hello worker!', { headers: { 'content-type': 'text/plain', 'x-method': request.method } });
}`, async (ask) => {
    const got = await ask('GET', '/');
    assert.deepStrictEqual([got.body.toString(), headers(got)['x-method']], ['Hello worker!', 'GET']);
  });
}
