'use strict';
// Answers whose body comes in pieces: a stream, a generator, a response that is written bit by bit.
//
// What is over before the event loop has turned is sent as any answer. What goes on is sent as it comes, where the
// caller takes that, else when all of it is there.

const { bytesOf } = require('./frame.cjs');
const { Unfit, streamHeader, withBytes } = require('./answer.cjs');
const { from, concat } = Buffer;
const { isInteger } = Number;
const immediate = setImmediate;
const clear = clearImmediate;

/** Bytes of one frame, as the service takes them. */
const MAX_CHUNK = 256 << 10;
const TURN = Symbol('turn');

/** Whether a body comes in pieces. */
function isPieces(body) {
  if (body === null || typeof body !== 'object' || body instanceof Uint8Array) return false;
  return typeof body[Symbol.asyncIterator] === 'function' ||
    (typeof body.next === 'function' && typeof body[Symbol.iterator] === 'function');
}

/** Whether a handler's value is an HTTP answer with such a body. */
const hasPieces = (value) => value !== null && typeof value === 'object' && isInteger(value.statusCode) && isPieces(value.body);

function bytesOfPiece(piece) {
  if (typeof piece === 'string') return from(piece);
  if (piece instanceof Uint8Array) return from(piece.buffer, piece.byteOffset, piece.byteLength);
  if (piece instanceof ArrayBuffer) return from(piece);
  throw new Unfit(`a piece of the response's body is ${piece === null ? 'null' : typeof piece}, not text or bytes`);
}

/**
 * Takes the pieces of `value`. Gives the whole value where all of it is there at once or wanted so; else sends the head
 * with `begin(header)` and each piece with `send(bytes)`, which may give a promise to wait for, and gives nothing.
 */
async function take(head, value, begin, send) {
  const { body } = value;
  const pieces = typeof body[Symbol.asyncIterator] === 'function' ? body[Symbol.asyncIterator]() : body;
  const held = [];
  let size = 0;
  let isText = true;
  let isBegun = false;
  const flush = async () => {
    if (!isBegun) begin(streamHeader(head, value, isText && held.length > 0));
    isBegun = true;
    for (const bytes of held.splice(0)) {
      for (let at = 0; at < bytes.length; at += MAX_CHUNK) {
        const sent = send(bytes.subarray(at, at + MAX_CHUNK));
        if (sent !== undefined) await sent;
      }
    }
  };
  try {
    for (;;) {
      const next = Promise.resolve(pieces.next());
      let step = head.may_stream && !isBegun ? await orTurn(next) : await next;
      if (step === TURN) {
        await flush();
        step = await next;
      }
      if (step.done) return isBegun ? undefined : withBytes(value, concat(held), head.mode);
      isText = isText && typeof step.value === 'string';
      held.push(bytesOfPiece(step.value));
      size += bytesOf(held[held.length - 1]);
      if (isBegun || (head.may_stream && size > head.max_response_bytes)) await flush();
      else if (size > head.max_response_bytes) {
        throw new Unfit(`the result has more than ${head.max_response_bytes} bytes, which is the limit`, 'response_too_large');
      }
    }
  } catch (error) {
    if (typeof pieces.return === 'function') Promise.resolve(pieces.return()).catch(() => {});
    throw error;
  }
}

/** What a promise comes to, or TURN where the event loop turns first. */
async function orTurn(promise) {
  let timer;
  const turned = new Promise((resolve) => { timer = immediate(resolve, TURN); });
  try {
    return await Promise.race([promise, turned]);
  } finally {
    clear(timer);
  }
}

module.exports = { hasPieces, take };
