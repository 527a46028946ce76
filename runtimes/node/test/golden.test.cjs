'use strict';
// The golden messages: this codec reads and writes the same bytes as all others.

const test = require('node:test');
const assert = require('node:assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { KIND, Wire, encode } = require('../frame.cjs');

const folder = path.join(__dirname, '..', '..', 'golden');
const messages = fs.readdirSync(folder).map((name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8')));

for (const golden of messages.filter(({ error }) => error === undefined)) {
  test(golden.name, () => {
    const wire = Buffer.from(golden.wire_base64, 'base64');
    const file = path.join(os.tmpdir(), `cloudbox-golden-${process.pid}`);
    fs.writeFileSync(file, Buffer.concat([wire, wire]));
    const fd = fs.openSync(file, 'r');
    fs.unlinkSync(file);
    const reader = new Wire(fd, -1);
    for (let i = 0; i < 2; i++) {
      const { kind, header, body } = reader.read();
      assert.strictEqual(kind, KIND[golden.kind]);
      assert.deepStrictEqual(header, golden.header);
      assert.strictEqual(body.toString('base64'), golden.body_base64);
      const text = wire.slice(9, 9 + wire.readUInt32BE(1)).toString();
      assert.ok(encode(kind, text, body.length > 0 ? body : null).equals(wire));
    }
    fs.closeSync(fd);
  });
}
