'use strict';
// Forms of other platforms, each with what their own documentation has a handler use.

const { requestOf } = require('./forms.cjs');
const { assign, create } = Object;
const { from } = Buffer;

const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** A text as an answer of its own type, where HTTP is spoken. */
function asText(event, value) {
  if (typeof value !== 'string' || event.head.mode === 'raw') return value;
  return { statusCode: 200, headers: { 'content-type': TEXT_TYPE }, body: value };
}

/** `({req, res, log, error})` of Appwrite and Open Runtimes. */
function callAppwrite(handler, event) {
  const { method, url, path, base, headers, query, data, text } = requestOf(event);
  // Now: a reply to a host call takes the place of the request.
  const [bytes, bodyText] = [from(event.body), text()];
  const body = event.head.data === 'query' ? '' : data === null ? '' : data;
  const answer = (type) => (value, statusCode = 200, fields = {}) => (
    { statusCode, headers: type === undefined ? fields : { 'content-type': type, ...fields }, body: value });
  const address = new URL(url);
  const req = {
    method, url, headers, query, queryString: event.head.query, path: path.slice(base.length) || '/',
    scheme: 'http', host: address.hostname, port: Number(address.port || 80),
    body, bodyRaw: bodyText, bodyText, bodyBinary: bytes,
    get bodyJson() { return JSON.parse(bodyText); },
  };
  const res = {
    json: (value, ...rest) => answer(JSON_TYPE)(JSON.stringify(value), ...rest),
    text: answer(TEXT_TYPE), send: answer(TEXT_TYPE),
    binary: (value, ...rest) => answer()(from(value), ...rest),
    empty: () => answer()(undefined, 204),
    redirect: (target, status = 301, fields = {}) => answer()(undefined, status, { location: target, ...fields }),
  };
  const { log } = event.context;
  return handler(assign(create(event.context), { req, res, log: (value) => log.info(value), error: (value) => log.error(value) }));
}

/** `handler(context, event)` of Nuclio. */
function callNuclio(handler, event) {
  const { method, path, headers, query, data } = requestOf(event);
  const { log } = event.context;
  class Response {
    constructor(body = '', fields = {}, type = TEXT_TYPE, status = 200) {
      assign(this, { statusCode: status, headers: { 'content-type': type, ...fields }, body });
    }
  }
  const isJson = /\bjson\b/.test(headers['content-type'] || '');
  const theirs = {
    id: event.context.invocationId, method, path, headers, fields: query, contentType: headers['content-type'],
    body: isJson ? data : from(event.body), timestamp: new Date(event.context.timestamp), trigger: { kind: 'http', name: 'http' },
    url: path, size: event.body.length, version: event.context.version,
  };
  return new Promise((resolve, reject) => {
    const settle = (value) => resolve(asText(event, value));
    const logger = { ...log, warning: log.warn, debugWith: log.debug, infoWith: log.info, warnWith: log.warn, errorWith: log.error };
    const context = assign(create(event.context), { callback: settle, Response, logger, userData: {} });
    Promise.resolve(handler(context, theirs)).then((value) => { if (value !== undefined) settle(value); }, reject);
  });
}

/** `module.exports = async (context) => ({status, body, headers})` of Fission, with `context.request`. */
async function callFission(handler, event) {
  const { method, url, path, headers, query, data, text } = requestOf(event);
  const body = event.head.data === 'query' || data === null ? {} : data;
  const bodyText = text();
  const request = {
    method, url: path, originalUrl: url, path, headers, query, body, get: (name) => headers[name.toLowerCase()], text: () => bodyText,
  };
  const context = assign(create(event.context), { request });
  const done = handler.length < 2 ? handler(context) : new Promise((resolve) => {
    handler(context, (status, value, fields) => resolve({ status, body: value, headers: fields }));
  });
  const value = await done;
  if (value === null || typeof value !== 'object' || typeof value.status !== 'number') return asText(event, value);
  return { statusCode: value.status, headers: value.headers, body: value.body };
}

/** `(context, req)` of Azure Functions: the answer is what is returned, or `context.res`. */
async function callAzure(handler, event) {
  const { method, url, headers, query, data, text } = requestOf(event);
  const { log } = event.context;
  const body = event.head.data === 'query' ? undefined : data;
  const req = { method, url, originalUrl: url, headers, query, params: {}, body, rawBody: text(), get: (name) => headers[name.toLowerCase()] };
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const context = assign(create(event.context), {
    req, res: {}, done: (error, value) => finish(error ? Promise.reject(error) : value), invocationId: event.context.invocationId,
    log: assign((...words) => log.info(words.join(' ')), { ...log, verbose: log.debug }),
    bindingData: {}, executionContext: { invocationId: event.context.invocationId, functionName: event.context.functionName },
  });
  const returned = handler(context, req);
  const isPromise = returned !== undefined && returned !== null && typeof returned.then === 'function';
  const value = isPromise ? await returned : await finished;
  const answer = value === undefined || value === null ? context.res : value;
  if (answer === null || typeof answer !== 'object') return asText(event, answer);
  const made = { statusCode: Number(answer.status || answer.statusCode || 200), headers: answer.headers, body: answer.body };
  if (answer.jsonBody !== undefined) made.body = answer.jsonBody;
  return made;
}

/** Headers without which a request is no CloudEvent of its own. */
const EVENT_HEADERS = ['ce-specversion', 'ce-type', 'ce-source', 'ce-id'];

/** The CloudEvent that a request brings: its headers and its body, or all of it as JSON. */
function cloudEventOf(event) {
  const { headers, data } = requestOf(event);
  if (!EVENT_HEADERS.every((name) => name in headers)) return data;
  const cloudEvent = {};
  for (const name of Object.keys(headers)) if (name.startsWith('ce-')) cloudEvent[name.slice(3)] = headers[name];
  if ('content-type' in headers) cloudEvent.datacontenttype = headers['content-type'];
  if (event.head.data !== 'query') cloudEvent.data = data;
  return cloudEvent;
}

/** `(cloudEvent)` of Google's framework, also with a callback: an answer is seldom one, since nobody waits for it. */
async function callCloudEvent(handler, event) {
  const cloudEvent = cloudEventOf(event);
  const value = await (handler.length < 2 ? handler(cloudEvent) : new Promise((resolve, reject) => {
    handler(cloudEvent, (error, result) => (error ? reject(error) : resolve(result)));
  }));
  if (event.head.mode === 'raw' || (value !== undefined && value !== null)) return asText(event, value);
  return { statusCode: 204 };
}

module.exports = { callCloudEvent, callAppwrite, callNuclio, callFission, callAzure };
