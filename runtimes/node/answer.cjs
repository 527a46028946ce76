'use strict';
// From a handler's value, or what it threw, to the frame that answers.

const { KIND, bytesOf } = require('./frame.cjs');
const { inspect } = require('util');
const { stringify } = JSON;
const { from } = Buffer;
const { assign, keys } = Object;
const { isArray } = Array;
const { isInteger } = Number;
const test = Function.prototype.call.bind(RegExp.prototype.test);
const replace = Function.prototype.call.bind(String.prototype.replace);
const lower = Function.prototype.call.bind(String.prototype.toLowerCase);
const cut = Function.prototype.call.bind(String.prototype.slice);
const split = Function.prototype.call.bind(String.prototype.split);

const MESSAGE_LIMIT = 8 << 10;
const STACK_LIMIT = 64 << 10;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// eslint-disable-next-line no-control-regex
const BAD_VALUE = /[\0-\x08\x0a-\x1f\x7f]/;
const JSON_TYPE = '[["content-type","application/json"]]';
const BYTES_TYPE = '[["content-type","application/octet-stream"]]';
const TEXT_TYPE = '[["content-type","text/plain; charset=utf-8"]]';

/** A result that can't be represented. */
class Unfit extends Error {
  constructor(message, kind = 'invalid_response') {
    super(message);
    this.kind = kind;
  }
}

/** JSON text of anything a header of ours carries: half a surrogate pair would not be a string for the service. */
function wellFormed(value) {
  return replace(stringify(value), /\\(\\|ud[89a-f][0-9a-f]{2})/g, (all, rest) => (rest === '\\' ? all : '\\ufffd'));
}

/** The value as JSON text; nothing at all is null. */
function jsonOf(value) {
  if (value === undefined || value === null) return 'null';
  let text;
  try {
    text = stringify(value);
  } catch (error) {
    throw new Unfit(`the result can't be sent as JSON: ${messageOf(error)}`);
  }
  if (text === undefined) throw new Unfit(`the result can't be sent as JSON: it is a ${typeof value}`);
  return text;
}

/** Header pairs as JSON text. */
function headersOf(headers, fallbackType) {
  if (headers === undefined || headers === null) return fallbackType;
  if (typeof headers !== 'object' || isArray(headers)) throw new Unfit('headers of the response must be an object');
  const pairs = [];
  let hasType = false;
  for (const name of keys(headers)) {
    if (!test(NAME, name)) throw new Unfit(`the response has an impossible header name: ${inspect(name)}`);
    const lowered = lower(name);
    hasType = hasType || lowered === 'content-type';
    const value = headers[name];
    for (const one of isArray(value) ? value : [value]) {
      if (one === undefined || one === null) continue;
      if (typeof one === 'object' || typeof one === 'function' || typeof one === 'symbol') {
        throw new Unfit(`header ${name} of the response must be a string, a number or a list of those`);
      }
      const text = `${one}`;
      if (test(BAD_VALUE, text)) throw new Unfit(`header ${name} of the response has a line break or another control character`);
      pairs[pairs.length] = `[${wellFormed(lowered)},${wellFormed(text)}]`;
    }
  }
  if (!hasType && fallbackType !== '[]') pairs[pairs.length] = cut(fallbackType, 1, -1);
  return `[${pairs.join(',')}]`;
}

/** The body of an HTTP answer, and the content type that goes with it. */
function bodyOf(answer) {
  const { body } = answer;
  if (body === undefined || body === null) return { body: null, type: '[]' };
  if (typeof body === 'string') {
    return { body: answer.isBase64Encoded === true ? from(body, 'base64') : body, type: TEXT_TYPE };
  }
  if (body instanceof Uint8Array) return { body, type: BYTES_TYPE };
  return { body: jsonOf(body), type: JSON_TYPE };
}

/** The headers of an answer; those of Lambda's `multiValueHeaders` come in place of `headers`' own, `cookies` beside them. */
function allHeadersOf({ headers, multiValueHeaders, cookies }) {
  const hasMany = multiValueHeaders !== null && typeof multiValueHeaders === 'object';
  if ((!hasMany && !isArray(cookies)) || typeof (headers || {}) !== 'object') return headers;
  const many = hasMany ? multiValueHeaders : {};
  const replaced = keys(many).map(lower);
  const all = {};
  for (const name of keys(headers || {})) {
    if (!replaced.includes(lower(name))) all[name] = headers[name];
  }
  assign(all, many);
  if (!isArray(cookies)) return all;
  const name = keys(all).find((one) => lower(one) === 'set-cookie') || 'set-cookie';
  all[name] = [].concat(all[name] === undefined ? [] : all[name], cookies);
  return all;
}

/** An answer with these bytes as its body: as they are over HTTP, elsewhere as text or base64. */
function withBytes(answer, bytes, mode) {
  if (mode !== 'raw') return { ...answer, body: bytes.length === 0 ? undefined : bytes, isBase64Encoded: undefined };
  const text = bytes.toString('utf8');
  const isText = from(text).equals(bytes);
  return { ...answer, body: isText ? text : bytes.toString('base64'), isBase64Encoded: !isText };
}

function checkStatus(status) {
  if (status < 100 || status > 599) throw new Unfit(`statusCode ${status} of the response is not between 100 and 599`);
}

/** `{status, headers, body}` of a handler's value in HTTP mode; `headers` is JSON text. */
function httpOf(value) {
  if (value === null || typeof value !== 'object' || !isInteger(value.statusCode)) {
    return { status: 200, headers: JSON_TYPE, body: jsonOf(value) };
  }
  const status = value.statusCode;
  checkStatus(status);
  const { body, type } = bodyOf(value);
  return { status, headers: headersOf(allHeadersOf(value), type), body };
}

/** The frame for what the handler returned: `{kind, header, body}`. */
function resultFrame(head, value) {
  const { status, headers, body } =
    head.mode === 'raw' ? { status: 200, headers: '[]', body: jsonOf(value) } : httpOf(value);
  const length = body === null ? 0 : bytesOf(body);
  if (length > head.max_response_bytes) {
    throw new Unfit(`the result has ${length} bytes, the limit is ${head.max_response_bytes}`, 'response_too_large');
  }
  return { kind: KIND.result, header: `{"nonce":"${head.nonce}","status":${status},"headers":${headers}}`, body };
}

/** The header of a result whose body follows in pieces. */
function streamHeader(head, value, isText) {
  checkStatus(value.statusCode);
  const fields = headersOf(allHeadersOf(value), isText ? TEXT_TYPE : BYTES_TYPE);
  return `{"nonce":"${head.nonce}","status":${value.statusCode},"headers":${fields},"is_streamed":true}`;
}

/** The last frame of a streamed body; `thrown` is the frame that tells why it broke off, where it did. */
function lastFrame(nonce, thrown) {
  const failure = thrown === undefined ? '' : `,"failure":${thrown.header}`;
  return { kind: KIND.chunk, header: `{"nonce":"${nonce}","last":true${failure}}`, body: null };
}

/** `TypeError: x is not a function`, or what else was thrown, in words. */
function messageOf(thrown) {
  try {
    if (typeof thrown === 'string') return thrown;
    if (thrown !== null && typeof thrown === 'object' && typeof thrown.message === 'string') {
      const name = typeof thrown.name === 'string' && thrown.name !== '' ? thrown.name : 'Error';
      return thrown.message === '' ? name : `${name}: ${thrown.message}`;
    }
    return `thrown: ${inspect(thrown, { depth: 2, maxArrayLength: 20 })}`;
  } catch (error) {
    return 'Error: what was thrown can\'t be shown';
  }
}

/** The stack without the shim's own lines. */
function stackOf(thrown) {
  try {
    if (thrown === null || typeof thrown !== 'object' || typeof thrown.stack !== 'string') return '';
    const ours = (line) => line.includes(__dirname) || /\((node:)?internal\/|at (node:)?internal\/|at process\.processTicks/.test(line);
    return split(cut(thrown.stack, 0, 4 * STACK_LIMIT), '\n').filter((line) => !(/^\s+at /.test(line) && ours(line))).join('\n');
  } catch (error) {
    return '';
  }
}

/** The frame for a failure of `kind`. */
function failureFrame(nonce, kind, message, stack) {
  const header = `{"nonce":"${nonce}","kind":"${kind}","message":${wellFormed(cut(message, 0, MESSAGE_LIMIT))}` +
    `,"stack":${wellFormed(cut(stack, 0, STACK_LIMIT))}}`;
  return { kind: KIND.failure, header, body: null };
}

/** The frame for what was thrown. */
function thrownFrame(nonce, thrown) {
  if (thrown instanceof Unfit) return failureFrame(nonce, thrown.kind, thrown.message, '');
  return failureFrame(nonce, 'error', messageOf(thrown), stackOf(thrown));
}

/** The frame of a structured log line; fields that can't be sent are shown as text. */
function logFrame(nonce, level, message, fields) {
  const text = typeof message === 'string' ? message : inspect(message);
  let more = '{}';
  if (fields !== undefined && fields !== null) {
    try {
      more = wellFormed(typeof fields === 'object' && !isArray(fields) ? fields : { value: fields });
      if (more[0] !== '{') throw new TypeError('not an object');
    } catch (error) {
      more = wellFormed({ value: cut(inspect(fields), 0, MESSAGE_LIMIT) });
    }
    if (more.length > STACK_LIMIT) more = '{"truncated":true}';
  }
  const header = `{"nonce":"${nonce}","level":"${level}","message":${wellFormed(cut(text, 0, STACK_LIMIT))},"fields":${more}}`;
  return { kind: KIND.log, header, body: null };
}

module.exports = { Unfit, withBytes, resultFrame, streamHeader, lastFrame, failureFrame, thrownFrame, logFrame, messageOf };
