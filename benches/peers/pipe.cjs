// The process behind the pipes of `bench-peer pipes`: a length and a JSON body in, a length and a JSON body out.
'use strict';
const { readSync, writeSync } = require('node:fs');

function read(length) {
  const buffer = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const got = readSync(0, buffer, at, length - at);
    if (got === 0) process.exit(0);
    at += got;
  }
  return buffer;
}

for (;;) {
  const data = JSON.parse(read(read(4).readUInt32BE()).toString());
  const body = Buffer.from(JSON.stringify({ greeting: `Hello, ${data.name}!` }));
  const frame = Buffer.allocUnsafe(4 + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, 4);
  for (let at = 0; at < frame.length;) at += writeSync(1, frame, at);
}
