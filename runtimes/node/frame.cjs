'use strict';
// Frames over two private descriptors: see ../PROTOCOL.md.
//
// Reads and writes block. Between two calls the process does nothing but wait for the next one, so a blocking read is
// the shortest way from the pipe to the handler: no poll, no stream, no event.

const { openSync, closeSync, readSync, writeSync } = require('fs');
const { allocUnsafe } = Buffer;
const { parse } = JSON;
const exitNow = process.reallyExit.bind(process);
const wait = Atomics.wait;

/** The numbers of the kinds on the wire. */
const KIND = Object.freeze({
  hello: 1, load: 2, loaded: 3, invoke: 4, result: 5, failure: 6, log: 7, call: 8, reply: 9, chunk: 10, taken: 11,
  output: 12,
});

const PREFIX = 9;
const INBOX = 64 << 10;

// User code may replace methods of shared prototypes; these are the ones the shim was started with.
const method = (prototype, name) => Function.prototype.call.bind(prototype[name]);
const bytesOf = Buffer.byteLength;
// `write`, `toString` and `slice` would go through these.
const writeText = method(Buffer.prototype, 'utf8Write');
const textOf = method(Buffer.prototype, 'utf8Slice');
const base64Of = method(Buffer.prototype, 'base64Slice');
const slice = method(Buffer.prototype, 'subarray');
const setBytes = method(Uint8Array.prototype, 'set');
const moveBytes = method(Uint8Array.prototype, 'copyWithin');
const readU32 = method(Buffer.prototype, 'readUInt32BE');
const writeU32 = method(Buffer.prototype, 'writeUInt32BE');

/** Sleeps a millisecond: what to do where a descriptor was made non-blocking behind our back. */
const pauseCell = new Int32Array(new SharedArrayBuffer(4));
const pause = () => wait(pauseCell, 0, 0, 1);

/** Writes all of `bytes`, whatever mode the descriptor is in. */
function writeAll(fd, bytes, length) {
  for (let at = 0; at < length;) {
    try {
      at += writeSync(fd, bytes, at, length - at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

/** Reads at least one byte, or gives 0 at the end of the stream. */
function readSome(fd, bytes, at, length) {
  for (;;) {
    try {
      return readSync(fd, bytes, at, length, null);
    } catch (error) {
      if (error.code === 'EOF') return 0;
      if (error.code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

/** One frame as a buffer; `body` is a string, a buffer, or null. */
function encode(kind, header, body) {
  const headerLength = bytesOf(header);
  const bodyLength = body === null ? 0 : bytesOf(body);
  const frame = allocUnsafe(PREFIX + headerLength + bodyLength);
  frame[0] = kind;
  writeU32(frame, headerLength, 1);
  writeU32(frame, bodyLength, 5);
  writeText(frame, header, PREFIX, headerLength);
  if (bodyLength > 0) {
    if (typeof body === 'string') writeText(frame, body, PREFIX + headerLength, bodyLength);
    else setBytes(frame, body, PREFIX + headerLength);
  }
  return frame;
}

/** The shim's end of the two pipes. */
class Wire {
  constructor(requests, answers) {
    this.requests = requests;
    this.answers = answers;
    this.inbox = allocUnsafe(INBOX);
    this.start = 0;
    this.end = 0;
  }

  /** Sends a frame in one write. `header` is JSON text. */
  send(kind, header, body) {
    const frame = encode(kind, header, body);
    writeAll(this.answers, frame, frame.length);
  }

  /** Waits for a frame: `{kind, header, body}`; `body` is valid until the next read. Ends the process at the end. */
  read() {
    this.need(PREFIX);
    const { inbox, start } = this;
    const kind = inbox[start];
    const headerLength = readU32(inbox, start + 1);
    const total = headerLength + readU32(inbox, start + 5);
    this.start += PREFIX;
    const bytes = this.take(total);
    const header = parse(textOf(bytes, 0, headerLength));
    return { kind, header, body: slice(bytes, headerLength) };
  }

  /** The next `length` bytes: of the inbox where they fit, else of their own. */
  take(length) {
    if (length <= this.inbox.length) {
      this.need(length);
      const bytes = slice(this.inbox, this.start, this.start + length);
      this.start += length;
      return bytes;
    }
    const bytes = allocUnsafe(length);
    let filled = this.end - this.start;
    setBytes(bytes, slice(this.inbox, this.start, this.end), 0);
    this.start = this.end = 0;
    while (filled < length) {
      const got = readSome(this.requests, bytes, filled, length - filled);
      if (got === 0) exitNow(0);
      filled += got;
    }
    return bytes;
  }

  /** Has at least `length` bytes in the inbox, which has room for as many. */
  need(length) {
    if (this.start === this.end) this.start = this.end = 0;
    else if (this.start + length > this.inbox.length) this.compact();
    while (this.end - this.start < length) {
      const got = readSome(this.requests, this.inbox, this.end, this.inbox.length - this.end);
      if (got === 0) exitNow(0);
      this.end += got;
    }
  }

  compact() {
    moveBytes(this.inbox, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
  }

  /** Takes bytes that somebody else has read off the requests; the inbox grows where it must. */
  feed(bytes, length) {
    if (this.start === this.end) {
      this.start = this.end = 0;
      if (this.inbox.length > INBOX) this.inbox = allocUnsafe(INBOX);
    }
    if (this.end + length > this.inbox.length) this.compact();
    if (this.end + length > this.inbox.length) {
      const larger = allocUnsafe(2 * (this.end + length));
      setBytes(larger, slice(this.inbox, 0, this.end), 0);
      this.inbox = larger;
    }
    setBytes(this.inbox, slice(bytes, 0, length), this.end);
    this.end += length;
  }

  /** The next frame of what was fed, or null where it is not whole yet. */
  readFed() {
    const { inbox, start, end } = this;
    if (end - start < PREFIX) return null;
    const length = PREFIX + readU32(inbox, start + 1) + readU32(inbox, start + 5);
    return end - start < length ? null : this.read();
  }
}

/**
 * Moves the pipes off descriptors 0 and 1: 0 becomes /dev/null, 1 the log pipe. Node knows no dup2, but a pipe can be
 * opened again by its name in /proc, and the lowest free number is the one that was just closed.
 */
function takeDescriptors() {
  const wire = new Wire(openSync('/proc/self/fd/0', 'r'), openSync('/proc/self/fd/1', 'w'));
  closeSync(0);
  openSync('/dev/null', 'r');
  closeSync(1);
  openSync('/proc/self/fd/2', 'a');
  return wire;
}

module.exports = { KIND, Wire, encode, takeDescriptors, pause, writeAll, bytesOf, textOf, base64Of, exitNow };
