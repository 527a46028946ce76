'use strict';
// The forms of handlers, how each is told from the others, and how it is called.
//
// A form's `call` gets the handler and the event `{data, context, head, body, env}`; it may throw, return a value or a
// promise. The value is sent as any handler's: an object with `statusCode` is an HTTP answer.

const { textOf } = require('./frame.cjs');
const { create, assign } = Object;
const test = Function.prototype.call.bind(RegExp.prototype.test);
const showSource = Function.prototype.call.bind(Function.prototype.toString);

/** The text of a function; none of an application that is an object. */
const sourceOf = (handler) => (typeof handler === 'function' ? showSource(handler) : '');

/** The names of a function's parameters, as far as its text tells; destructured ones are ''. */
function parameterNames(handler) {
  const text = sourceOf(handler).slice(0, 4096).replace(/\/\*[^]*?\*\/|\/\/[^\n]*/g, '');
  const match = /^\s*(?:async\b\s*)?(?:function\b\s*\*?\s*[\w$]*\s*)?(?:[\w$]+\s*)?(?:\(([^)]*)\)|([\w$]+)\s*=>)/.exec(text);
  if (!match) return [];
  const list = match[1] === undefined ? match[2] : match[1];
  return list.split(',').map((name) => (/^\s*([\w$]+)/.exec(name) || ['', ''])[1]);
}

const isRequest = (name) => test(/^_?(req|request)$/i, name);
const isResponse = (name) => test(/^_?(res|resp|response)$/i, name);
const isContext = (name) => test(/^_?(ctx|context)$/i, name);
const isCallback = (name) => test(/^(cb|callback|done)$/i, name);
const isWeb = (text) => test(/\bnew\s+Response\b|\bResponse\s*\.\s*(json|redirect|error)\b/, text);

/** Fields that only the events of Lambda's gateways have, and Netlify's. */
const GATEWAY = 'requestContext|rawPath|rawQueryString|(?:multiValueQ|q)ueryStringParameters|pathParameters|httpMethod|isBase64Encoded';

/** Whether a handler reads its first parameter as an event of a gateway. */
function readsGateway(name, text) {
  const escaped = name.replace(/\$/g, '\\$&');
  const fields = name === '' ? `^[^{(]*\\(\\s*\\{[^}]*\\b(?:${GATEWAY})\\b`
    : `\\b${escaped}\\s*(?:\\?\\.|\\.)\\s*(?:${GATEWAY})\\b|JSON\\.parse\\(\\s*${escaped}\\.body\\b`;
  return test(new RegExp(fields), text);
}

/** Whether a handler is given `{req, res, …}`, as one object or taken apart. */
function takesParts(name, text) {
  return name === '' ? test(/^[^{=]*\(\s*\{[^}]*\bres\b[^}]*\}\s*\)/, text) : isContext(name) && test(new RegExp(`\\b${name}\\.res\\.\\w+\\(`), text);
}

/** Whether an export is an application for a server: of Express or Connect, Koa, Fastify, or a server itself. */
function isApplication(value) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  const has = (...names) => names.every((name) => typeof value[name] === 'function');
  return typeof value === 'function' ? has('handle', 'use')
    : has('callback', 'use', 'listen') || has('ready', 'inject', 'route') || has('listen', 'address', 'setTimeout');
}

/** `{method, url, headers, …}` of a call, as the forms with a request have it. */
function requestOf({ data, context, head, body }) {
  const search = head.query === '' ? '' : `?${head.query}`;
  const host = context.headers.host === undefined ? 'localhost' : context.headers.host;
  return {
    method: head.method,
    url: `http://${host}${head.path}${search}`,
    path: head.path,
    base: head.base_path === undefined ? '' : head.base_path,
    headers: context.headers,
    query: context.query,
    params: head.params === undefined ? {} : head.params,
    data,
    text: () => textOf(body, 0, body.length),
  };
}

/** `handler(request)` with the body as text: a string that is returned is text. */
async function callEdge(handler, event) {
  const request = requestOf(event);
  const body = request.text();
  const value = await handler({
    method: request.method, url: request.url, path: request.path, headers: request.headers, query: request.query,
    params: request.params, body,
    text: async () => body,
    json: async () => JSON.parse(body),
  }, event.context);
  if (typeof value !== 'string' || event.head.mode === 'raw') return value;
  return { statusCode: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: value };
}

/** `handler(request, context)` with the body parsed and the platform in the context. */
function callPlatform(handler, event) {
  const { method, url, path, headers, query, params, data } = requestOf(event);
  const body = event.head.data === 'query' ? null : data;
  return handler({ method, url, path, headers, query, params, body }, event.context);
}

/** `handler(event, context)` of OpenFaaS: the answer is made with the context's methods, which can be chained. */
function callOpenFaas(handler, event) {
  const { method, path, headers, query, data } = requestOf(event);
  const answer = { statusCode: 200, headers: {}, body: undefined };
  return new Promise((resolve, reject) => {
    const context = assign(create(event.context), {
      status(code) {
        if (code === undefined) return answer.statusCode;
        answer.statusCode = code;
        return context;
      },
      headers(values) {
        if (values === undefined) return answer.headers;
        answer.headers = values;
        return context;
      },
      succeed(value) {
        resolve({ ...answer, body: value });
        return context;
      },
      fail(error) {
        reject(error);
        return context;
      },
    });
    const done = (error, value) => (error ? context.fail(error) : context.succeed(value));
    const returned = handler({ body: data, headers, method, path, query }, context, done);
    if (returned === undefined || returned === null || returned === context || handler.length > 2) return;
    Promise.resolve(returned).then((value) => value === context || context.succeed(value), reject);
  });
}

/** `main(params)` of OpenWhisk: the fields of query and body together, and the request as `__ow_…`. */
function callOpenWhisk(handler, event) {
  const { method, path, headers, query, data } = requestOf(event);
  const isFields = data !== null && typeof data === 'object' && !Array.isArray(data);
  const request = { __ow_method: method.toLowerCase(), __ow_headers: headers, __ow_path: path };
  const fields = isFields ? data : data === null ? {} : { __ow_body: data };
  return handler(event.head.mode === 'raw' ? fields : { ...query, ...fields, ...request });
}

/** `handler(data, context, callback)`; what a promise brings counts as well. */
function callWithCallback(handler, { data, context }) {
  return new Promise((resolve, reject) => {
    const callback = (error, result) => (error === null || error === undefined ? resolve(result) : reject(error));
    const returned = handler(data, context, callback);
    if (returned !== null && typeof returned === 'object' && typeof returned.then === 'function') resolve(returned);
  });
}

/**
 * The forms, the first that fits wins. `name` is the style that is pinned or reported; one style may have several forms.
 * `fits` gets what is known of a handler: `{handler, names, text, origin}`, with `origin` one of `named`, `default` (the
 * default export of an ES module), `whole` (`module.exports` itself), `fetch` (a method of the default export), `main`
 * (a function of that name that is not exported), `framework` and `events` (registered with Google's framework).
 * `lacks` names what this version of Node.js hasn't that every handler of the form needs; '' where nothing is missing.
 */
const STYLES = [
  { name: 'app', fits: ({ handler }) => isApplication(handler), call: (handler, event) => require('./form_app.cjs').call(handler, event) },
  {
    name: 'fetch',
    fits: ({ origin, names, text }) => origin === 'fetch' ||
      (origin !== 'named' && names.length <= 2 && !isResponse(names[1]) && isWeb(text)),
    lacks: () => (typeof Request === 'function' && typeof Response === 'function' ? '' : 'Request and Response, which are there from nodejs18 on'),
    call: (handler, event) => require('./form_fetch.cjs').call(handler, event),
  },
  {
    name: 'req-res',
    fits: ({ origin, names }) => origin === 'framework' || (isRequest(names[0]) && isResponse(names[1])),
    call: (handler, event) => require('./form_req_res.cjs').call(handler, event),
  },
  {
    name: 'appwrite',
    fits: ({ origin, names, text }) => (origin === 'default' || origin === 'whole') && takesParts(names[0], text),
    call: (handler, event) => require('./form_peers.cjs').callAppwrite(handler, event),
  },
  {
    name: 'azure',
    fits: ({ names }) => isContext(names[0]) && isRequest(names[1]),
    call: (handler, event) => require('./form_peers.cjs').callAzure(handler, event),
  },
  {
    name: 'nuclio',
    fits: ({ origin, names }) => origin === 'named' && isContext(names[0]) && names[1] === 'event',
    call: (handler, event) => require('./form_peers.cjs').callNuclio(handler, event),
  },
  {
    name: 'fission',
    fits: ({ origin, names }) => origin === 'whole' && isContext(names[0]) && (names.length === 1 || (names.length === 2 && isCallback(names[1]))),
    call: (handler, event) => require('./form_peers.cjs').callFission(handler, event),
  },
  {
    name: 'cloud-event',
    fits: ({ origin }) => origin === 'events',
    call: (handler, event) => require('./form_peers.cjs').callCloudEvent(handler, event),
  },
  {
    name: 'platform',
    fits: ({ origin, names }) => origin === 'default' && isRequest(names[0]) && isContext(names[1]),
    call: callPlatform,
  },
  {
    name: 'edge',
    fits: ({ origin, names }) => origin === 'default' && names.length <= 1 && (names.length === 0 || names[0] === '' || isRequest(names[0])),
    call: callEdge,
  },
  {
    name: 'openfaas',
    fits: ({ origin, names, text }) => origin === 'whole' && names.length >= 2 && isContext(names[1]) &&
      test(new RegExp(`\\b${names[1]}\\s*\\.\\s*(status|headers|succeed|fail)\\s*\\(`), text),
    call: callOpenFaas,
  },
  { name: 'openwhisk', fits: ({ origin }) => origin === 'main', call: callOpenWhisk },
  {
    name: 'lambda',
    fits: ({ names, text }) => names.length > 0 && readsGateway(names[0], text),
    call: (handler, event) => {
      const named = { ...event, data: require('./form_lambda.cjs').eventOf(event) };
      return handler.length >= 3 ? callWithCallback(handler, named) : handler(named.data, named.context);
    },
  },
  { name: 'data', fits: ({ handler }) => handler.length >= 3, call: callWithCallback },
  { name: 'data', fits: () => true, call: (handler, { data, context }) => handler(data, context) },
];

/** The form that fits a handler, or the one that is pinned; nothing where there is no such style. */
function formOf(handler, origin, pinned) {
  const names = parameterNames(handler);
  const facts = { handler, names, text: sourceOf(handler), origin };
  if (pinned === 'auto') return STYLES.find((style) => style.fits(facts));
  const pinnedForms = STYLES.filter((style) => style.name === pinned);
  return pinnedForms.find((style) => style.fits(facts)) || pinnedForms[0];
}

/** The names of all styles. */
const styleNames = () => [...new Set(STYLES.map(({ name }) => name))];

module.exports = { formOf, styleNames, isApplication, parameterNames, requestOf };
