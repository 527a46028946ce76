'use strict';
// The platform in a handler's context: what is asked of the service, and the client over the language's own.

const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { Database, http: client } = require('../platform.cjs');
const { withShim } = require('./shim.cjs');

test('any entity has every operation, and arguments go as they are', async () => {
  const calls = [];
  const db = new Database(async (method, args) => { calls.push([method, JSON.parse(JSON.stringify(args))]); return 'done'; });
  const { findMany } = db.project.entities.users;
  assert.strictEqual(await findMany(), 'done');
  await db.project.entities['order-lines'].findMany({ total: { $gt: 5 } }, { sort: '-total', limit: 2 });
  const { users } = db.project.entities;
  await users.findOne({ id: '123' });
  await users.create({ name: 'John' });
  await users.update('7', { age: 1 });
  await users.delete(7);
  assert.deepStrictEqual(calls, [
    ['db.findMany', { entity: 'users', args: [] }],
    ['db.findMany', { entity: 'order-lines', args: [{ total: { $gt: 5 } }, { sort: '-total', limit: 2 }] }],
    ['db.findOne', { entity: 'users', args: [{ id: '123' }] }],
    ['db.create', { entity: 'users', args: [{ name: 'John' }] }],
    ['db.update', { entity: 'users', args: ['7', { age: 1 }] }],
    ['db.delete', { entity: 'users', args: [7] }],
  ]);
  assert.strictEqual(await db.project.entities.then.count(), 'done', 'an entity may have this name, too');
  assert.strictEqual(JSON.stringify(db), '{}');
});

/** Answers with what was asked, `/status/N` with that status. */
async function withServer(use) {
  const server = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const { method, url, headers } = request;
      const status = /^\/status\/(\d+)/.exec(url);
      response.writeHead(status ? Number(status[1]) : 200, { 'content-type': url === '/text' ? 'text/plain' : 'application/json; charset=utf-8' });
      response.end(JSON.stringify({ method, url, type: headers['content-type'], key: headers['x-key'], body: Buffer.concat(pieces).toString() }));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

for (const how of ['fetch', 'http']) {
  test(`the client by ${how}`, () => withServer(async (url) => {
    const { fetch } = globalThis;
    if (how === 'http') globalThis.fetch = undefined;
    try {
      assert.deepStrictEqual(await client.get(`${url}/data?a=1`, { query: { b: ['x y', 2] }, headers: { 'X-Key': 5 } }),
        { method: 'GET', url: '/data?a=1&b=x+y&b=2', key: '5', body: '' });
      const posted = await client.post(`${url}/submit`, { data: [1, 'ü'] });
      assert.deepStrictEqual([posted.method, posted.type, posted.body], ['POST', 'application/json', '{"data":[1,"ü"]}']);
      const put = await client.put(`${url}/`, 'plain', { headers: { 'Content-Type': 'text/x-a' } });
      assert.deepStrictEqual([put.method, put.type, put.body], ['PUT', 'text/x-a', 'plain']);
      assert.strictEqual((await client.patch(`${url}/`, new URLSearchParams({ a: 'b' }))).type, 'application/x-www-form-urlencoded');
      assert.strictEqual((await client.delete(`${url}/`)).method, 'DELETE');
      assert.match(await client.get(`${url}/text`), /^\{/);
      const answer = await client.request({ url: `${url}/status/404`, method: 'get' });
      assert.deepStrictEqual([answer.status, answer.data.method, typeof answer.headers['content-type']], [404, 'GET', 'string']);
      await assert.rejects(client.get(`${url}/status/503`), { name: 'HttpError', status: 503, code: 'HTTP_STATUS' });
      await assert.rejects(client.get('http://127.0.0.1:1/'), { name: 'HttpError', code: 'HTTP_FAILED' });
    } finally {
      globalThis.fetch = fetch;
    }
  }));
}

for (const [what, files, options] of [
  ['an ES module', { 'index.mjs': 'export default async function handler(request, context) { return context.success(1) }\nexport const config = { env_required: ["API_KEY", "SECRET", "OTHER"] };' }, { main: 'index.mjs' }],
  ['CommonJS', 'exports.handler = async () => 1; exports.config = { env_required: ["API_KEY", "SECRET", "OTHER"] };', {}],
]) {
  test(`missing variables fail each call, with their names: ${what}`, () => withShim(files, async (shim) => {
    assert.strictEqual((await shim.load({ entry_point: 'index.handler', ...options })).kind, 'loaded');
    for (let i = 0; i < 2; i++) {
      const { header } = await shim.invoke({});
      assert.strictEqual(header.kind, 'missing_environment');
      assert.match(header.message, /: API_KEY, OTHER$/);
    }
  }));
}

test('a handler reaches the database, and reads what went wrong', () => withShim(`
exports.handler = async (data, context) => {
  const { users } = context.db.project.entities;
  const told = await users.create({ id: 'taken' }).catch((error) => [error.code, error.message]);
  return [await users.findMany({ name: 'Ada' }, { limit: 1 }), told, Object.keys({ ...context }).includes('db')];
};`, async (shim) => {
  shim.onCall = ({ method }, text, reply) => (method === 'db.create'
    ? reply(false, { code: 'CONFLICT', message: 'no' }) : reply(true, [method, JSON.parse(text)]));
  await shim.load();
  assert.deepStrictEqual(JSON.parse((await shim.invoke({})).body.toString()),
    [['db.findMany', { entity: 'users', args: [{ name: 'Ada' }, { limit: 1 }] }], ['CONFLICT', 'no'], true]);
}));
