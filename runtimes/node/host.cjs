'use strict';
// Host calls: what a running handler asks of the service, and the replies. See ../PROTOCOL.md.
//
// Replies are read through the event loop, from the requests' pipe, and only while a call is under way. The pipe is
// opened a second time for it, since the loop makes its descriptor non-blocking, and requests are waited for in a read
// that blocks. What is read of a frame when the answer is sent stays in the wire's inbox, where the next read finds it.

const { openSync, constants } = require('fs');
const { KIND, bytesOf, textOf, exitNow } = require('./frame.cjs');
const { parse, stringify } = JSON;

/** As the service has them: what goes beyond is held back here. */
const MAX_IN_FLIGHT = 64;
const MAX_IN_FLIGHT_BYTES = 8 << 20;
const MAX_ARGUMENT_BYTES = 1 << 20;
const BUFFER = 64 << 10;

/** Why a host call has no result; `code` is for programs. */
class HostCallError extends Error {
  constructor(message, code) {
    super(message);
    this.name = 'HostCallError';
    this.code = code;
  }
}

/** Opens the pipe of the requests once more, for an event loop. Not even that may block: the service may be gone by now. */
const openRequests = (wire) => openSync(`/proc/self/fd/${wire.requests}`, constants.O_RDONLY | constants.O_NONBLOCK);

/** The host calls of a process; `isRunning(exchange)` says of an exchange whether it may make some. */
class HostCalls {
  constructor(wire, isRunning) {
    this.wire = wire;
    this.isRunning = isRunning;
    this.socket = null;
    this.last = 0;
    this.bytes = 0;
    /** Calls by their number, and those that wait until some of these are answered. */
    this.inFlight = new Map();
    this.waiting = [];
  }

  /** The next piece of the request's body, for one that is read as it comes; an empty one at the end. */
  readBody(exchange) {
    return this.call(exchange, 'body.read', null, true);
  }

  /** Asks the service for `method` on behalf of `exchange`: a promise of the result, which is bytes where `isRaw` says so. */
  call(exchange, method, args, isRaw = false) {
    if (!this.isRunning(exchange) || exchange.phase !== 'call') {
      const why = 'a host call can be made only while a handler runs, for the call that it runs for';
      return Promise.reject(new HostCallError(`${method}: ${why}`, 'NO_CALL'));
    }
    const text = stringify(args === undefined ? null : args);
    const body = text === undefined ? 'null' : text;
    const size = bytesOf(body);
    if (size > MAX_ARGUMENT_BYTES) {
      const why = `the arguments have ${size} bytes, the limit is ${MAX_ARGUMENT_BYTES}`;
      return Promise.reject(new HostCallError(`${method}: ${why}`, 'ARGUMENTS_TOO_LARGE'));
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ nonce: exchange.nonce, method, body, size, isRaw, resolve, reject });
      this.sendSome();
    });
  }

  /** Sends what waits, as far as the service takes it. */
  sendSome() {
    while (this.waiting.length > 0 && this.inFlight.size < MAX_IN_FLIGHT &&
        this.bytes + this.waiting[0].size <= MAX_IN_FLIGHT_BYTES) {
      const one = this.waiting.shift();
      const id = ++this.last;
      this.inFlight.set(id, one);
      this.bytes += one.size;
      const header = `{"nonce":"${one.nonce}","id":${id},"method":${stringify(String(one.method))}}`;
      // First, since a pipe that is opened when its writer has gone tells nobody of it.
      this.listen();
      this.wire.send(KIND.call, header, one.body);
    }
  }

  /** Has the loop read the pipe. */
  listen() {
    if (this.socket !== null) {
      this.socket.resume();
      return;
    }
    const { Socket } = require('net');
    const callback = (length, bytes) => this.take(bytes, length);
    const onread = { buffer: Buffer.alloc(BUFFER), callback };
    this.socket = new Socket({ fd: openRequests(this.wire), readable: true, writable: false, onread });
    // The service is gone.
    this.socket.on('close', () => exitNow(0)).on('error', () => {});
  }

  /** Takes bytes off the pipe; false where no more are wanted. */
  take(bytes, length) {
    this.wire.feed(bytes, length);
    for (let frame = this.wire.readFed(); frame !== null; frame = this.wire.readFed()) {
      if (frame.kind === KIND.reply) this.settle(frame);
    }
    return this.inFlight.size > 0;
  }

  settle({ header, body }) {
    const call = this.inFlight.get(header.id);
    if (call === undefined || call.nonce !== header.nonce) return;
    this.inFlight.delete(header.id);
    this.bytes -= call.size;
    if (header.ok && call.isRaw) {
      call.resolve(Buffer.from(body));
    } else {
      try {
        const value = body.length === 0 ? null : parse(textOf(body, 0, body.length));
        if (header.ok) call.resolve(value);
        else call.reject(new HostCallError(value.message, value.code));
      } catch (error) {
        call.reject(error);
      }
    }
    this.sendSome();
  }

  /** The call is answered: nobody waits for replies any more. */
  end() {
    if (this.socket === null) return;
    this.waiting = [];
    if (this.inFlight.size === 0) return;
    this.inFlight.clear();
    this.bytes = 0;
    this.socket.pause();
  }
}

module.exports = { HostCalls, HostCallError, openRequests };
