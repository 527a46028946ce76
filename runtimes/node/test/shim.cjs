'use strict';
// A real shim over real pipes, and the frames to speak with it.

const { execFileSync, spawn } = require('child_process');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');

/** The Node.js that is tested, which may be older than the one that runs the tests. */
const NODE = process.env.CLOUDBOX_TEST_NODE || process.execPath;

const KINDS = ['', 'hello', 'load', 'loaded', 'invoke', 'result', 'failure', 'log', 'call', 'reply', 'chunk', 'taken', 'output'];

function frame(kind, header, body = Buffer.alloc(0)) {
  const head = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(9);
  prefix[0] = KINDS.indexOf(kind);
  prefix.writeUInt32BE(head.length, 1);
  prefix.writeUInt32BE(body.length, 5);
  return Buffer.concat([prefix, head, body]);
}

/** Both ends of a pipe, as descriptors: Node itself would make sockets. */
function makePipe() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloudbox-pipe-'));
  const file = path.join(folder, 'pipe');
  execFileSync('mkfifo', [file]);
  const both = fs.openSync(file, 'r+');
  const pipe = { read: fs.openSync(file, 'r'), write: fs.openSync(file, 'w') };
  fs.closeSync(both);
  fs.unlinkSync(file);
  fs.rmdirSync(folder);
  return pipe;
}

class Shim {
  constructor(files) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloudbox-test-'));
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(this.folder, name)), { recursive: true });
      fs.writeFileSync(path.join(this.folder, name), text);
    }
    const [requests, answers, logs] = [makePipe(), makePipe(), makePipe()];
    const stdio = [requests.read, answers.write, logs.write];
    this.process = spawn(NODE, [path.join(__dirname, '..', 'shim.cjs')], { stdio });
    stdio.forEach((fd) => fs.closeSync(fd));
    this.requests = new net.Socket({ fd: requests.write, readable: false, writable: true });
    this.requests.on('error', () => {});
    this.bytes = Buffer.alloc(0);
    this.logs = '';
    this.isClosed = false;
    this.waiting = () => {};
    const answered = new net.Socket({ fd: answers.read, readable: true, writable: false });
    answered.on('data', (data) => { this.bytes = Buffer.concat([this.bytes, data]); this.waiting(); });
    answered.on('end', () => { this.isClosed = true; this.waiting(); });
    const logged = new net.Socket({ fd: logs.read, readable: true, writable: false });
    logged.on('data', (data) => { this.logs += data; });
    this.done = Promise.all([
      new Promise((resolve) => this.process.on('exit', resolve)),
      new Promise((resolve) => logged.on('close', resolve)),
    ]);
    this.nonce = 0;
    /** What to do for a host call: `(header, arguments as text, reply)`. */
    this.onCall = (header, text, reply) => reply(true, JSON.parse(text));
  }

  async read() {
    for (;;) {
      if (this.bytes.length >= 9) {
        const headEnd = 9 + this.bytes.readUInt32BE(1);
        const end = headEnd + this.bytes.readUInt32BE(5);
        if (this.bytes.length >= end) {
          const answer = {
            kind: KINDS[this.bytes[0]],
            header: JSON.parse(this.bytes.slice(9, headEnd).toString()),
            body: this.bytes.slice(headEnd, end),
          };
          this.bytes = this.bytes.slice(end);
          return answer;
        }
      }
      if (this.isClosed) return { kind: 'end' };
      await new Promise((resolve) => { this.waiting = resolve; });
    }
  }

  write(kind, header, body) {
    this.requests.write(frame(kind, header, body));
  }

  /** Writes a request, and gives its nonce. */
  send(kind, header, body) {
    const nonce = String(++this.nonce).padStart(32, '0');
    this.write(kind, { nonce, ...header }, body);
    return nonce;
  }

  async exchange(kind, header, body) {
    const nonce = this.send(kind, header, body);
    const lines = [];
    for (;;) {
      const answer = await this.read();
      if (answer.kind !== 'end' && answer.header.nonce !== nonce) throw new Error(`nonce ${answer.header.nonce}`);
      if (answer.kind === 'call') {
        this.onCall(answer.header, answer.body.toString(), (ok, value) => this.reply(answer.header, ok, value));
        continue;
      }
      if (answer.kind !== 'log') return { ...answer, lines };
      lines.push(answer.header);
    }
  }

  /** Answers a host call. */
  reply({ nonce, id }, ok, value) {
    this.write('reply', { nonce, id, ok }, Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)));
  }

  async load(options = {}) {
    const hello = await this.read();
    if (hello.kind !== 'hello') throw new Error(`${hello.kind} in place of hello: ${this.logs}`);
    return this.exchange('load', {
      code_dir: this.folder, main: 'index.js', entry_point: 'handler', handler_style: 'auto', env: { SECRET: 'x' },
      function: { id: 7, name: 'greet', project_id: 1, version: 2, memory_mb: 128 }, ...options,
    });
  }

  invoke(body, options = {}) {
    return this.exchange('invoke', ...this.invocation(body, options));
  }

  /** The header and the body of an `invoke`. */
  invocation(body, options) {
    const bytes = body === undefined ? Buffer.alloc(0) : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    return [{
      invocation_id: 'i-1', mode: 'raw', data: 'body', method: 'POST', path: '/p/1/functions/greet', query: '', headers: [],
      timestamp: '2026-01-31T00:00:00Z', timeout_ms: 1000, deadline_ms: Date.now() + 60000, max_response_bytes: 1 << 20, ...options,
    }, bytes];
  }

  /** Ends the requests, waits for the process, and gives its exit code. */
  async end() {
    this.requests.end();
    return (await this.done)[0];
  }

  async close() {
    await this.end();
    for (const name of fs.readdirSync(this.folder)) {
      const file = path.join(this.folder, name);
      if (fs.statSync(file).isDirectory()) { fs.readdirSync(file).forEach((one) => fs.unlinkSync(path.join(file, one))); fs.rmdirSync(file); } else fs.unlinkSync(file);
    }
    fs.rmdirSync(this.folder);
  }
}

/** Runs `body` with a shim that has these files; a text alone is `index.js`. */
async function withShim(files, body) {
  const shim = new Shim(typeof files === 'string' ? { 'index.js': files } : files);
  try {
    await body(shim);
  } finally {
    await shim.close();
  }
}

module.exports = { withShim, NODE };
