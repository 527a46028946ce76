'use strict';
// Answers in pieces: sent as they come where the caller takes that, else as a whole; back-pressure; what breaks off.

const test = require('node:test');
const assert = require('node:assert');
const { withShim } = require('./shim.cjs');

const STREAM = { mode: 'http', may_stream: true };

/** Goes on when the test says so: the handler polls a file. */
const GATE = `const gate = async (file) => { while (!require('fs').existsSync(file)) await new Promise((r) => setTimeout(r, 5)); };`;
const GATE_ESM = `import { existsSync } from 'fs'; const gate = async (file) => { while (!existsSync(file)) await new Promise((r) => setTimeout(r, 5)); };`;

const FORMS = {
  'a generator': ['index.js', `${GATE} exports.handler = async (file) => ({ statusCode: 201, headers: { 'content-type': 'text/event-stream' },
    body: (async function* () { yield 'one'; await gate(file); yield Buffer.from('two'); })() });`],
  'a Readable': ['index.js', `${GATE} const { Readable } = require('stream'); exports.handler = async (file) => ({ statusCode: 201,
    headers: { 'content-type': 'text/event-stream' }, body: Readable.from((async function* () { yield 'one'; await gate(file); yield 'two'; })()) });`],
  'a Response': ['index.mjs', `${GATE_ESM} export default { async fetch(request) { const file = await request.json();
    const body = new ReadableStream({ async start(c) { const e = new TextEncoder(); c.enqueue(e.encode('one')); await gate(file); c.enqueue(e.encode('two')); c.close(); } });
    return new Response(body, { status: 201, headers: { 'content-type': 'text/event-stream' } }); } };`],
  'req and res': ['index.js', `${GATE} module.exports = async (req, res) => { res.writeHead(201, { 'content-type': 'text/event-stream' }); res.write('one');
    await gate(req.body.file || req.body); res.write('two'); res.end(); };`],
};

for (const [name, [main, code]] of Object.entries(FORMS)) {
  test(`${name}: the first piece is there before the handler goes on`, () => withShim({ [main]: code }, async (shim) => {
    await shim.load({ main });
    for (let i = 0; i < 2; i++) {
      const file = `${shim.folder}/go${i}`;
      const head = await shim.invoke(name === 'req and res' ? { file } : file, STREAM);
      assert.deepStrictEqual([head.kind, head.header.status, head.header.is_streamed], ['result', 201, true], JSON.stringify(head.header));
      assert.deepStrictEqual(head.header.headers, [['content-type', 'text/event-stream']]);
      assert.strictEqual((await shim.read()).body.toString(), 'one');
      require('fs').writeFileSync(file, '');
      let rest = '';
      for (;;) {
        const { kind, header, body } = await shim.read();
        assert.deepStrictEqual([kind, header.failure, header.survivors], ['chunk', undefined, undefined]);
        rest += body.toString();
        if (header.last) break;
      }
      assert.strictEqual(rest, 'two');
    }
    const file = `${shim.folder}/go0`;
    const whole = await shim.invoke(name === 'req and res' ? { file } : file, { mode: 'http' });
    assert.deepStrictEqual([whole.header.is_streamed, whole.header.status, whole.body.toString()], [undefined, 201, 'onetwo']);
    const raw = await shim.invoke(name === 'req and res' ? { file } : file);
    assert.strictEqual(JSON.parse(raw.body.toString()).body, 'onetwo');
  }));
}

test('what is there at once is one frame', () => withShim({
  'a.mjs': `export default { fetch: () => new Response('text') };`,
  'b.cjs': `module.exports = (req, res) => { res.write('te'); res.write('xt'); res.end(); };`,
  'c.cjs': `exports.handler = () => ({ statusCode: 200, body: (function* () { yield 'te'; yield 'xt'; })() });`,
}, async (shim) => {
  await shim.load({ main: 'a.mjs' });
  const { header, body } = await shim.invoke({}, STREAM);
  assert.deepStrictEqual([header.is_streamed, header.survivors, body.toString()], [undefined, undefined, 'text']);
}));

for (const [name, code] of [
  ['a generator', `exports.handler = () => ({ statusCode: 200, body: (async function* () { yield 'x'; await new Promise((r) => setTimeout(r, 20)); throw new RangeError('half way'); })() });`],
  ['a timer beside it', `exports.handler = () => ({ statusCode: 200, body: (async function* () { yield 'x'; setTimeout(() => { throw new RangeError('half way'); }, 20); await new Promise(() => {}); })() });`],
  ['res', `module.exports = async (req, res) => { res.write('x'); await new Promise((r) => setTimeout(r, 20)); throw new RangeError('half way'); };`],
]) {
  test(`${name} breaks off`, () => withShim(code, async (shim) => {
    await shim.load();
    for (let i = 0; i < 2; i++) {
      assert.strictEqual((await shim.invoke({}, STREAM)).header.is_streamed, true);
      let last = await shim.read();
      while (!last.header.last) last = await shim.read();
      assert.deepStrictEqual([last.kind, last.header.failure.kind, last.header.failure.message], ['chunk', 'error', 'RangeError: half way']);
    }
  }));
}

test('large pieces are cut, and the limit holds for what is collected', () => withShim(
  `exports.handler = () => ({ statusCode: 200, body: (async function* () { yield Buffer.alloc(1 << 20, 'x'); })() });`, async (shim) => {
    await shim.load();
    await shim.invoke({}, { ...STREAM, max_response_bytes: 1000 });
    let size = 0;
    for (let one = await shim.read(); ; one = await shim.read()) {
      assert.ok(one.body.length <= 256 << 10);
      size += one.body.length;
      if (one.header.last) break;
    }
    assert.strictEqual(size, 1 << 20);
    const { kind, header } = await shim.invoke({}, { mode: 'http', max_response_bytes: 1000 });
    assert.deepStrictEqual([kind, header.kind], ['failure', 'response_too_large']);
  }));
