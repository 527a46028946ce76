'use strict';
// `fetch(request, env, ctx)` and `(request) => Response` with the Web's own Request and Response, from Node.js 18 on.

const { parameterNames, requestOf } = require('./forms.cjs');
const { assign, create } = Object;
const { from } = Buffer;

/** Methods whose requests have no body. */
const BODILESS = ['GET', 'HEAD'];

/** A body that is read as it comes: a piece for each that is asked for. */
function streamOf(read) {
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const piece = await read();
      if (piece.length > 0) {
        controller.enqueue(new Uint8Array(piece));
        return;
      }
      controller.close();
      if (controller.byobRequest) controller.byobRequest.respond(0);
    },
  }, { highWaterMark: 0 });
}

/** A Request of the call. */
function webRequest(event) {
  const { method, url } = requestOf(event);
  const headers = new Headers();
  for (const [name, value] of event.head.headers) headers.append(name, value);
  if (event.readBody !== undefined) return new Request(url, { method, headers, body: streamOf(event.readBody), duplex: 'half' });
  const body = BODILESS.includes(method) || event.body.length === 0 ? undefined : from(event.body);
  return new Request(url, { method, headers, body });
}

/** The pieces of a body; at their end, what the handler wants waited for. */
async function* piecesOf(body, waiting) {
  for await (const piece of body) yield piece;
  if (waiting.length > 0) await Promise.allSettled(waiting);
}

/** The HTTP answer that a Response stands for; its body is a stream. */
function answerOf(response, waiting) {
  const headers = {};
  response.headers.forEach((value, name) => { if (name !== 'set-cookie') headers[name] = value; });
  const cookies = typeof response.headers.getSetCookie === 'function' ? response.headers.getSetCookie()
    : response.headers.get('set-cookie');
  if (cookies && cookies.length > 0) headers['set-cookie'] = cookies;
  return { statusCode: response.status, headers, body: piecesOf(response.body === null ? [] : response.body, waiting) };
}

/** Handlers whose second parameter is the context, as Netlify and Supabase have them, instead of the environment. */
const withContext = new WeakMap();

function takesContext(handler) {
  if (!withContext.has(handler)) withContext.set(handler, /^_?(ctx|context)$/i.test(parameterNames(handler)[1]));
  return withContext.get(handler);
}

/** Calls the handler; what `ctx.waitUntil` was given is waited for, since an idle sandbox does not run. */
async function call(handler, event) {
  const waiting = [];
  const ctx = {
    waitUntil: (promise) => { waiting.push(promise); },
    passThroughOnException() {},
    props: {},
    context: event.context,
  };
  const second = takesContext(handler) ? assign(create(event.context), ctx, { params: {} }) : event.env;
  const value = await handler(webRequest(event), second, ctx);
  const isResponse = value instanceof Response ||
    (value !== null && typeof value === 'object' && typeof value.arrayBuffer === 'function');
  if (isResponse) return answerOf(value, waiting);
  await Promise.allSettled(waiting);
  return value;
}

module.exports = { call };
