'use strict';
// Bodies of requests that are read while they arrive.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

const hasWeb = typeof Request === 'function' && !process.env.CLOUDBOX_TEST_NODE;
const PIECE = Buffer.alloc(100000, 'a');
const PIECES = 20;

/** Calls with a body of many pieces; gives the answer and how many pieces were asked for. */
async function upload(shim, path, fields = {}) {
  let asked = 0;
  shim.onCall = (header, text, reply) => {
    assert.strictEqual(header.method, 'body.read');
    asked++;
    if (path === '/broken' && asked > 2) reply(false, { code: 'PAYLOAD_TOO_LARGE', message: 'too long' });
    else reply(true, asked <= PIECES ? PIECE : Buffer.alloc(0));
  };
  const answer = await shim.invoke(undefined, { mode: 'http', method: 'POST', path, has_upload: true, ...fields });
  assert.strictEqual(answer.header.survivors, undefined);
  return { text: answer.body.toString(), asked, ...answer };
}

/** Each form answers with the bytes that it read; on other paths it reads none, or a little. */
function reads(form, code, file = 'index.js') {
  test(`${form}: a body is read as it comes`, () => withShim({ [file]: code }, async (shim) => {
    assert.strictEqual((await shim.load({ main: file })).header.handler_style, form);
    for (let i = 0; i < 2; i++) {
      const all = await upload(shim, '/all');
      assert.deepStrictEqual([all.text, all.asked], [String(PIECES * PIECE.length), PIECES + 1], JSON.stringify(all.header));
    }
    const none = await upload(shim, '/none');
    assert.strictEqual(none.text, 'none');
    assert.ok(none.asked <= 3, `${none.asked} pieces for nobody`);
    const broken = await upload(shim, '/broken');
    assert.match(`${broken.text}${broken.header.message}`, /too long/);
    // An ordinary call after all of that.
    const plain = await shim.invoke(Buffer.from('abc'), { mode: 'http', method: 'POST', path: '/all' });
    assert.strictEqual(plain.body.toString(), '3');
  }));
}

const COUNT = `let size = 0;
    try {
      for await (const piece of body) size += piece.length;
      return String(size);
    } catch (error) {
      return error.message;
    }`;

if (hasWeb) {
  reads('fetch', `async function count(body) { ${COUNT} }
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    return new Response(pathname === '/none' ? 'none' : await count(request.body));
  },
};`, 'index.mjs');
}

reads('req-res', `async function count(body) { ${COUNT} }
module.exports = async (req, res) => res.type('text').send(req.path === '/none' ? 'none' : await count(req));`);

reads('app', `async function count(body) { ${COUNT} }
module.exports = require('http').createServer(async (req, res) => res.end(req.url === '/none' ? 'none' : await count(req)));`);

test('what is read and sent on has back-pressure both ways', { skip: !hasWeb }, () => withShim({
  'index.mjs': 'export default { fetch: (request) => new Response(request.body) }',
}, async (shim) => {
  await shim.load({ main: 'index.mjs' });
  const first = await upload(shim, '/', { may_stream: true });
  assert.strictEqual(first.header.is_streamed, true);
  let size = 0;
  let asked = 0;
  shim.onCall = (header, text, reply) => reply(true, ++asked + first.asked <= PIECES ? PIECE : Buffer.alloc(0));
  for (;;) {
    const frame = await shim.read();
    if (frame.kind === 'call') {
      shim.onCall(frame.header, '', (ok, value) => shim.reply(frame.header, ok, value));
      continue;
    }
    size += frame.body.length;
    if (frame.header.last) break;
  }
  assert.strictEqual(size, PIECES * PIECE.length);
}));

test('a read outside of an upload is refused like any unknown call', () => withShim(
  "exports.handler = (data, context) => context.hostCall('body.read').then(() => 'bytes', (error) => error.code)",
  async (shim) => {
    await shim.load();
    shim.onCall = (header, text, reply) => reply(false, { code: 'UNKNOWN_METHOD', message: 'no' });
    assert.strictEqual(JSON.parse((await shim.invoke({})).body), 'UNKNOWN_METHOD');
    // Bytes where JSON was asked for.
    shim.onCall = (header, text, reply) => reply(true, Buffer.from([255]));
    assert.strictEqual((await shim.invoke({})).body.toString(), 'null');
  },
));
