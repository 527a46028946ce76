'use strict';
// What a platform's handlers find in their context: `context.db`, documents that the service keeps for the project, and
// `context.http`, a client over the language's own. Neither costs a call anything that doesn't use it.

/** What can be done with the documents of an entity; what the arguments mean is the service's matter. */
const OPERATIONS = ['findMany', 'findOne', 'count', 'create', 'update', 'updateMany', 'delete', 'deleteMany'];

function entityOf(hostCall, entity) {
  const operations = {};
  for (const name of OPERATIONS) operations[name] = (...args) => hostCall(`db.${name}`, { entity, args });
  return operations;
}

/** `context.db`: `db.project.entities.users.findMany()`, for any name of an entity. */
class Database {
  #hostCall;

  constructor(hostCall) {
    this.#hostCall = hostCall;
  }

  get project() {
    const hostCall = this.#hostCall;
    const get = (target, name) => (typeof name === 'string' ? entityOf(hostCall, name) : undefined);
    return { entities: new Proxy({}, { get }) };
  }
}

/** An answer of 400 and more, or none at all. */
class HttpError extends Error {
  constructor(message, answer) {
    super(message);
    this.name = 'HttpError';
    Object.assign(this, answer);
  }
}

/** The URL with what `query` adds to it. */
function urlOf({ url, query, params }) {
  const full = new URL(url);
  for (const [name, value] of Object.entries(query || params || {})) {
    for (const one of Array.isArray(value) ? value : [value]) full.searchParams.append(name, String(one));
  }
  return full;
}

/** Headers in lower case, and the body as bytes or text: whatever is neither is sent as JSON. */
function contentOf({ headers, body, data }) {
  const named = {};
  for (const [name, value] of Object.entries(headers || {})) named[name.toLowerCase()] = String(value);
  const content = body === undefined ? data : body;
  if (content === undefined || content === null) return { headers: named, body: undefined };
  if (typeof content === 'string' || content instanceof Uint8Array || content instanceof URLSearchParams) {
    if (!(content instanceof URLSearchParams)) return { headers: named, body: content };
    return { headers: { 'content-type': 'application/x-www-form-urlencoded', ...named }, body: String(content) };
  }
  return { headers: { 'content-type': 'application/json', ...named }, body: JSON.stringify(content) };
}

async function sendByFetch(url, { method, headers, body, timeout }) {
  const aborter = new AbortController();
  const timer = timeout ? setTimeout(() => aborter.abort(), timeout) : undefined;
  try {
    const response = await fetch(url, { method, headers, body, signal: aborter.signal });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(response.headers), bytes };
  } finally {
    clearTimeout(timer);
  }
}

/** For Node.js 14 and 16, which know no fetch. Redirects of a GET are followed, as fetch does. */
function sendByHttp(url, options, redirects = 0) {
  const { method, headers, body, timeout } = options;
  return new Promise((resolve, reject) => {
    const request = require(url.protocol === 'https:' ? 'https' : 'http').request(url, { method, headers }, (response) => {
      const { statusCode: status, headers: answered } = response;
      if (status > 300 && status < 400 && answered.location && method === 'GET' && redirects < 20) {
        response.resume();
        resolve(sendByHttp(new URL(answered.location, url), options, redirects + 1));
        return;
      }
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => resolve({ status, headers: answered, bytes: Buffer.concat(pieces) }));
      response.on('error', reject);
    });
    if (timeout) request.setTimeout(timeout, () => request.destroy(new Error(`no answer for ${timeout} ms`)));
    request.on('error', reject);
    request.end(body);
  });
}

/** The body: parsed where it says that it is JSON, bytes where those are wanted, else text. */
function dataOf({ headers, bytes }, responseType) {
  if (responseType === 'buffer') return bytes;
  const text = bytes.toString('utf8');
  const isJson = /[/+]json\b/i.test(headers['content-type'] || '');
  if (responseType === 'text' || text === '' || !(isJson || responseType === 'json')) return text;
  return JSON.parse(text);
}

/** `http.request({method, url, query, headers, body, timeout, responseType})`: `{status, headers, data}`, whatever the status. */
async function request(options) {
  const method = String(options.method || 'GET').toUpperCase();
  const url = urlOf(options);
  const prepared = { method, timeout: options.timeout, ...contentOf(options) };
  let answer;
  try {
    answer = await (typeof fetch === 'function' ? sendByFetch : sendByHttp)(url, prepared);
  } catch (error) {
    const why = error.cause && error.cause.message ? error.cause.message : error.message;
    throw new HttpError(`${method} ${url.origin}${url.pathname}: ${why || error.code || 'failed'}`, { code: 'HTTP_FAILED', cause: error });
  }
  return { status: answer.status, headers: answer.headers, data: dataOf(answer, options.responseType) };
}

/** The data of an answer; one of 400 and more is thrown. */
async function dataFrom(options) {
  const answer = await request(options);
  if (answer.status < 400) return answer.data;
  throw new HttpError(`${options.method} ${options.url}: status ${answer.status}`, { code: 'HTTP_STATUS', ...answer });
}

const without = (method) => (url, options) => dataFrom({ ...options, method, url });
const withBody = (method) => (url, body, options) => dataFrom({ ...options, method, url, body });

/** `context.http`. */
const http = Object.freeze({
  request,
  get: without('GET'),
  head: without('HEAD'),
  delete: without('DELETE'),
  post: withBody('POST'),
  put: withBody('PUT'),
  patch: withBody('PATCH'),
});

/** The variables that the code's `config.env_required` names and that are not set. */
function missingEnvironment(config) {
  const required = config !== null && typeof config === 'object' ? config.env_required : undefined;
  const names = Array.isArray(required) ? required : typeof required === 'string' ? [required] : [];
  return names.filter((name) => typeof name === 'string' && process.env[name] === undefined);
}

module.exports = { Database, http, missingEnvironment };
