'use strict';
// Several calls at once: see "Several calls at once" in ../PROTOCOL.md. Loaded where a function has that, and before its code.
//
// Requests are read through the event loop, from a second opening of their pipe, and each call is begun at once. Which call
// some code belongs to is told by its asynchronous context.

const { AsyncLocalStorage } = require('async_hooks');
const { Socket } = require('net');
const { KIND, exitNow } = require('./frame.cjs');
const { messageOf } = require('./answer.cjs');
const { failureOf, run } = require('./call.cjs');
const { HostCalls, openRequests } = require('./host.cjs');
const { printTo } = require('./streams.cjs');
const { awaitThreads, distrust, exceptionField, survivorsField } = require('./survivors.cjs');
const { from } = Buffer;
const immediate = setImmediate;
const cut = Function.prototype.call.bind(String.prototype.slice);
const slice = Function.prototype.call.bind(Buffer.prototype.subarray);

/** Bytes of one frame with what was printed. */
const MAX_OUTPUT = 64 << 10;
/** Pieces of an answer that may be on their way. */
const WINDOW = 2;

const storage = new AsyncLocalStorage();
const exchangeHere = storage.getStore.bind(storage);
const within = storage.run.bind(storage);

/** A streamed answer has nobody any more to whom it goes: its call has failed meanwhile. */
class Over extends Error {}

/** The host calls of all calls together: their replies come with the requests. */
class SharedHostCalls extends HostCalls {
  listen() {}

  /** The call is answered: nobody waits for its replies any more. */
  endOf(exchange) {
    const { nonce } = exchange;
    if (this.waiting.length > 0) this.waiting = this.waiting.filter((one) => one.nonce !== nonce);
    if (this.inFlight.size === 0) return;
    this.inFlight.forEach((one, id) => {
      if (one.nonce !== nonce) return;
      this.inFlight.delete(id);
      this.bytes -= one.size;
    });
    this.sendSome();
  }
}

/** The calls of a process. */
class Calls {
  constructor(wire) {
    this.wire = wire;
    this.loaded = null;
    /** The exchanges that run, by their nonces. */
    this.running = new Map();
    this.hostCalls = new SharedHostCalls(wire, (exchange) => !exchange.isAnswered);
    // Before the code, which may leave no descriptor.
    this.fd = openRequests(wire);
  }

  /** Reads requests from now on; the loop has something to wait for as long as they come. */
  begin(loaded) {
    this.loaded = loaded;
    printTo((bytes) => this.print(bytes));
    const callback = (length, bytes) => {
      this.wire.feed(bytes, length);
      this.serve();
      return true;
    };
    this.socket = new Socket({ fd: this.fd, readable: true, writable: false, onread: { buffer: Buffer.alloc(64 << 10), callback } });
    this.socket.on('end', () => exitNow(0)).on('close', () => exitNow(0)).on('error', () => {});
    this.serve();
  }

  serve() {
    for (let frame = this.wire.readFed(); frame !== null; frame = this.wire.readFed()) {
      const { kind, header, body } = frame;
      if (kind === KIND.invoke) this.invoke(header, body);
      else if (kind === KIND.reply) this.hostCalls.settle(frame);
      else if (kind === KIND.taken) this.taken(header);
      else throw new Error(`a frame of kind ${kind} out of turn`);
    }
  }

  invoke(head, body) {
    const exchange = { nonce: head.nonce, isAnswered: false, isStreaming: false, phase: 'call', onWay: 0, full: null };
    this.running.set(head.nonce, exchange);
    // A copy: what comes next takes its place.
    within(exchange, () => run(this, this.loaded, exchange, head, from(body)));
  }

  /** Sends what was printed in the context of a call; false where it is none's that runs. */
  print(bytes) {
    const exchange = exchangeHere();
    if (exchange === undefined || exchange.isAnswered) return false;
    const header = `{"nonce":"${exchange.nonce}"}`;
    for (let at = 0; at < bytes.length; at += MAX_OUTPUT) this.wire.send(KIND.output, header, slice(bytes, at, at + MAX_OUTPUT));
    return true;
  }

  /** Sends a piece of an answer; a promise where earlier ones have to go on first. */
  piece(exchange, header, bytes) {
    if (exchange.isAnswered) throw new Over();
    if (exchange.onWay < WINDOW) {
      exchange.onWay++;
      this.wire.send(KIND.chunk, header, bytes);
      return undefined;
    }
    return new Promise((resolve) => { exchange.full = resolve; }).then(() => this.piece(exchange, header, bytes));
  }

  taken({ nonce }) {
    const exchange = this.running.get(nonce);
    // The last pieces of an answer may go on when it is over.
    if (exchange === undefined) return;
    exchange.onWay--;
    wake(exchange);
  }

  /** Answers `exchange`, unless it has its answer. Only beside no other call can be told what it leaves. */
  answer(exchange, frame) {
    if (exchange.isAnswered) return;
    if (this.running.size > 1) this.send(exchange, frame, exceptionField());
    else if (survivorsField() === '') this.send(exchange, frame, '');
    // As in shim.cjs.
    else immediate(() => immediate(() => this.sendLate(exchange, frame)));
  }

  sendLate(exchange, frame) {
    if (this.running.size === 1) awaitThreads();
    this.send(exchange, frame, this.running.size > 1 ? exceptionField() : survivorsField());
  }

  send(exchange, { kind, header, body }, survivors) {
    if (exchange.isAnswered) return;
    exchange.isAnswered = true;
    this.running.delete(exchange.nonce);
    this.wire.send(kind, survivors === '' ? header : `${cut(header, 0, -1)}${survivors}}`, body);
    this.hostCalls.endOf(exchange);
    wake(exchange);
  }

  /**
   * What nobody caught fails the call whose code threw it. Where that is over, the process is not to be used for further calls, and those
   * that run are none the worse. Where it is not known whose it was, any of them may wait for ever now: they all fail.
   */
  onUncaught(thrown) {
    const exchange = exchangeHere();
    if (exchange !== undefined && !exchange.isAnswered) {
      this.answer(exchange, failureOf(exchange, thrown));
      return;
    }
    distrust();
    if (exchange !== undefined || this.running.size === 0) {
      process.stderr.write(`uncaught after its call was answered: ${messageOf(thrown)}\n`);
      return;
    }
    this.running.forEach((one) => this.send(one, failureOf(one, thrown), this.running.size > 1 ? exceptionField() : survivorsField()));
  }
}

/** Has an answer in pieces go on, or end. */
function wake(exchange) {
  const { full } = exchange;
  exchange.full = null;
  if (full !== null) full();
}

module.exports = { Calls };
