'use strict';
// One call of the handler: what it is called with, and what comes of it.
//
// A `turn` says how frames of a call go out: `{wire, hostCalls, answer(exchange, frame), piece(exchange, header, bytes)}`. One call
// at a time has it in shim.cjs, several in several.cjs.

const { KIND } = require('./frame.cjs');
const { eventOf } = require('./event.cjs');
const { resultFrame, lastFrame, failureFrame, thrownFrame, logFrame } = require('./answer.cjs');
const { hasPieces, take } = require('./pieces.cjs');
const { assign } = Object;

/** `context.log`: a function of its own, with one for each level. */
function logOf(wire, exchange) {
  const write = (level) => (message, fields) => {
    if (exchange.isAnswered) return;
    const frame = logFrame(exchange.nonce, level, message, fields);
    wire.send(frame.kind, frame.header, null);
  };
  const info = write('info');
  return assign((message, fields) => info(message, fields), {
    debug: write('debug'), info, warn: write('warn'), error: write('error'),
  });
}

/** Sends an answer that comes in pieces as it comes; the value, where it is to be sent as a whole. */
function stream(turn, exchange, head, value) {
  const begin = (header) => {
    if (exchange.isAnswered) return;
    exchange.isStreaming = true;
    turn.wire.send(KIND.result, header, null);
  };
  const header = `{"nonce":"${head.nonce}","last":false}`;
  return take(head, value, begin, (bytes) => turn.piece(exchange, header, bytes));
}

/** The frame that answers with what was thrown. */
function failureOf(exchange, thrown) {
  const frame = thrownFrame(exchange.nonce, thrown);
  return exchange.isStreaming ? lastFrame(exchange.nonce, frame) : frame;
}

/** Calls the handler, and answers. */
async function run(turn, loaded, exchange, head, body) {
  if (loaded.missing.length > 0) {
    const message = `environment variables are missing that the function needs (config.env_required): ${loaded.missing.join(', ')}`;
    turn.answer(exchange, failureFrame(head.nonce, 'missing_environment', message, ''));
    return;
  }
  try {
    const hostCall = (method, args) => turn.hostCalls.call(exchange, method, args);
    const event = eventOf(head, body, loaded, logOf(turn.wire, exchange), hostCall);
    if (head.has_upload) event.readBody = () => turn.hostCalls.readBody(exchange);
    let value = await loaded.style.call(loaded.handler, event);
    if (hasPieces(value)) value = await stream(turn, exchange, head, value);
    if (exchange.isAnswered) return;
    turn.answer(exchange, exchange.isStreaming ? lastFrame(head.nonce) : resultFrame(head, value));
  } catch (error) {
    turn.answer(exchange, failureOf(exchange, error));
  }
}

module.exports = { failureOf, run };
