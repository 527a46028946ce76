'use strict';
// What a handler is called with: `data` and `context`.

const { base64Of } = require('./frame.cjs');
const { Database, http } = require('./platform.cjs');
const { parse } = JSON;
const { now } = Date;
const { URLSearchParams } = require('url');
const { defineProperty } = Object;
const { isArray } = Array;
const { TextDecoder } = require('util');

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const decode = strictText.decode.bind(strictText);

/** Sets a property of the object's own, even one named `__proto__`. */
function put(object, name, value) {
  if (name === '__proto__') {
    defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[name] = value;
  }
}

const has = Function.prototype.call.bind(Object.prototype.hasOwnProperty);

/** The query as an object; a key that repeats has a list. */
function queryOf(raw) {
  const query = {};
  if (raw === '') return query;
  new URLSearchParams(raw).forEach((value, name) => {
    if (!has(query, name)) put(query, name, value);
    else if (isArray(query[name])) query[name][query[name].length] = value;
    else put(query, name, [query[name], value]);
  });
  return query;
}

/** Headers as an object; a name that repeats has its values joined. */
function headersOf(pairs) {
  const headers = {};
  for (let i = 0; i < pairs.length; i++) {
    const name = pairs[i][0];
    const value = pairs[i][1];
    put(headers, name, has(headers, name) ? `${headers[name]}, ${value}` : value);
  }
  return headers;
}

/** The body as JSON where it is such, else as text, else as base64. */
function dataOf(body) {
  if (body.length === 0) return null;
  let text;
  try {
    text = decode(body);
  } catch (error) {
    return { base64: base64Of(body, 0, body.length) };
  }
  try {
    return parse(text);
  } catch (error) {
    return text;
  }
}

/** `{success, data}`, S3's way to say yes. */
const success = (data) => ({ success: true, data: data === undefined ? null : data });

/** `{success, error}`, S3's way to say no. */
const refuse = (message, code) => ({
  success: false,
  error: { message: String(message), code: code === undefined ? 'ERROR' : code },
});

/** The context of a call; `log` writes its structured lines, `hostCall` asks something of the service. */
function contextOf(head, data, query, loaded, log, hostCall) {
  const { id, name, project_id, version, memory_mb } = loaded.function;
  const remaining = () => {
    const left = head.deadline_ms - now();
    return left > 0 ? left : 0;
  };
  return {
    data,
    headers: headersOf(head.headers),
    method: head.method,
    path: head.path,
    query,
    functionName: name,
    function_name: name,
    functionId: id,
    function_id: id,
    projectId: project_id,
    project_id,
    invocationId: head.invocation_id,
    invocation_id: head.invocation_id,
    awsRequestId: head.invocation_id,
    timestamp: head.timestamp,
    version,
    functionVersion: String(version),
    memoryLimitInMB: memory_mb,
    memory_limit_mb: memory_mb,
    getRemainingTimeInMillis: remaining,
    get_remaining_time_in_millis: remaining,
    env: loaded.env,
    log,
    db: new Database(hostCall),
    http,
    hostCall,
    success,
    error: refuse,
  };
}

/** Both, and what they were made from, for the call with this header and body. */
function eventOf(head, body, loaded, log, hostCall) {
  const query = queryOf(head.query);
  // A copy of its own, so that a handler that changes `data` does not change `context.query`.
  const data = head.data === 'query' ? queryOf(head.query) : dataOf(body);
  const context = contextOf(head, data, query, loaded, log, hostCall);
  if (head.params !== undefined) context.params = head.params;
  return { data, context, head, body, env: loaded.env };
}

module.exports = { eventOf, queryOf, headersOf, dataOf };
