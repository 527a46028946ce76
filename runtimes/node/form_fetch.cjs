'use strict';
// `fetch(request, env, ctx)` and `(request) => Response` with the Web's own Request and Response, from Node.js 18 on.

const { requestOf } = require('./forms.cjs');
const { from, concat } = Buffer;

/** Methods whose requests have no body. */
const BODILESS = ['GET', 'HEAD'];

/** A Request of the call. */
function webRequest(event) {
  const { method, url } = requestOf(event);
  const headers = new Headers();
  for (const [name, value] of event.head.headers) headers.append(name, value);
  const body = BODILESS.includes(method) || event.body.length === 0 ? undefined : from(event.body);
  return new Request(url, { method, headers, body });
}

/** The HTTP answer that a Response stands for. */
async function answerOf(response, mode) {
  const headers = {};
  response.headers.forEach((value, name) => { if (name !== 'set-cookie') headers[name] = value; });
  const cookies = typeof response.headers.getSetCookie === 'function' ? response.headers.getSetCookie()
    : response.headers.get('set-cookie');
  if (cookies && cookies.length > 0) headers['set-cookie'] = cookies;
  const chunks = [];
  if (response.body !== null) {
    for await (const chunk of response.body) chunks.push(from(chunk));
  }
  const body = concat(chunks);
  if (mode !== 'raw') return { statusCode: response.status, headers, body: body.length === 0 ? undefined : body };
  const text = body.toString('utf8');
  const isText = from(text).equals(body);
  return { statusCode: response.status, headers, body: isText ? text : body.toString('base64'), isBase64Encoded: !isText };
}

/** Calls the handler; what `ctx.waitUntil` was given is waited for, since an idle sandbox does not run. */
async function call(handler, event) {
  if (typeof Request !== 'function') {
    throw new Error('handlers with Request and Response need nodejs18 or newer: this is Node.js ' + process.versions.node);
  }
  const waiting = [];
  const ctx = {
    waitUntil: (promise) => { waiting.push(promise); },
    passThroughOnException() {},
    props: {},
    context: event.context,
  };
  const value = await handler(webRequest(event), event.env, ctx);
  const isResponse = value instanceof Response ||
    (value !== null && typeof value === 'object' && typeof value.arrayBuffer === 'function');
  const answer = isResponse ? await answerOf(value, event.head.mode) : value;
  await Promise.allSettled(waiting);
  return answer;
}

module.exports = { call };
