'use strict';
// Several calls of one shim, and what came for each.

const { withShim } = require('./shim.cjs');

/** One call: its frames but the host calls, in order, and a promise of the one that ends it. */
class Call {
  constructor(nonce) {
    this.nonce = nonce;
    this.frames = [];
    this.waiting = [];
    /** Whether pieces go on at once. */
    this.takes = true;
  }

  add(frame) {
    this.frames.push(frame);
    this.waiting = this.waiting.filter((check) => !check());
  }

  /** The first frame for which `is` holds, once it is there. */
  find(is) {
    return new Promise((resolve) => {
      const check = () => {
        const found = this.frames.find(is);
        if (found !== undefined) resolve(found);
        return found !== undefined;
      };
      if (!check()) this.waiting.push(check);
    });
  }

  /** What ends the call. */
  get answer() {
    return this.find(({ kind, header }) => kind === 'failure' || (kind === 'result' && !header.is_streamed) || (kind === 'chunk' && header.last) || kind === 'end');
  }

  /** The value that it comes to. */
  get value() {
    return this.answer.then(({ kind, header, body }) => (kind === 'result' ? JSON.parse(body.toString()) : [kind, header]));
  }

  pieces() {
    return this.frames.filter(({ kind, body }) => kind === 'chunk' && body.length > 0);
  }

  /** What it printed. */
  get output() {
    return this.frames.filter(({ kind }) => kind === 'output').map(({ body }) => body.toString()).join('');
  }
}

class Calls {
  constructor(shim) {
    this.shim = shim;
    this.calls = new Map();
    this.ended = this.pump();
  }

  /** Gives each frame to its call, until the shim ends. */
  async pump() {
    for (;;) {
      const frame = await this.shim.read();
      if (frame.kind === 'end') {
        this.calls.forEach((call) => call.add(frame));
        return;
      }
      const call = this.calls.get(frame.header.nonce);
      if (frame.kind === 'call') {
        this.shim.onCall(frame.header, frame.body.toString(), (ok, value) => this.shim.reply(frame.header, ok, value));
        continue;
      }
      if (call.isAnswered) throw new Error(`${frame.kind} after the answer`);
      call.isAnswered = frame.kind === 'failure' || frame.header.last === true || (frame.kind === 'result' && !frame.header.is_streamed);
      call.add(frame);
      if (frame.kind === 'chunk' && !frame.header.last && call.takes) this.taken(call);
    }
  }

  taken({ nonce }) {
    this.shim.write('taken', { nonce });
  }

  start(value, options = {}) {
    const call = new Call(this.shim.send('invoke', ...this.shim.invocation(value, options)));
    this.calls.set(call.nonce, call);
    return call;
  }
}

/** Runs `use` with a shim that has these files and may have several calls at once. */
const withCalls = (files, use, options = {}) => withShim(files, async (shim) => {
  const { kind, header } = await shim.load({ concurrency: 8, ...options });
  if (kind !== 'loaded') throw new Error(`${kind} ${header && header.message} ${shim.logs}`);
  await use(new Calls(shim), header, shim);
});

module.exports = { withCalls };
