'use strict';
// `(req, res)`, sync, async or with a promise: the request and the response that authors know from Express.

const { Readable, Writable } = require('stream');
const { STATUS_CODES } = require('http');
const { withBytes } = require('./answer.cjs');
const { requestOf } = require('./forms.cjs');
const { from, concat, isBuffer } = Buffer;

/** What the body is when its author does not say. */
const HTML = 'text/html; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const BYTES = 'application/octet-stream';

/** Short names that `res.type` takes. */
const TYPES = {
  html: HTML, json: JSON_TYPE, text: 'text/plain; charset=utf-8', txt: 'text/plain; charset=utf-8', xml: 'application/xml',
  css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', bin: BYTES, png: 'image/png', jpg: 'image/jpeg',
  svg: 'image/svg+xml', pdf: 'application/pdf', form: 'application/x-www-form-urlencoded',
};

function cookiesOf(header) {
  const cookies = {};
  for (const part of (header || '').split(';')) {
    const at = part.indexOf('=');
    if (at < 1) continue;
    const text = part.slice(at + 1).trim().replace(/^"(.*)"$/, '$1');
    try {
      cookies[part.slice(0, at).trim()] = decodeURIComponent(text);
    } catch (error) {
      cookies[part.slice(0, at).trim()] = text;
    }
  }
  return cookies;
}

class IncomingRequest extends Readable {
  constructor(event) {
    super();
    const { method, url, path, base, headers, query, params, data } = requestOf(event);
    const below = path.slice(base.length) || '/';
    const search = event.head.query === '' ? '' : `?${event.head.query}`;
    const host = headers.host || 'localhost';
    const isForm = /^application\/x-www-form-urlencoded/i.test(headers['content-type'] || '');
    this.rawBody = from(event.body);
    this.readBody = event.readBody;
    const body = isForm ? Object.fromEntries(new URLSearchParams(this.rawBody.toString())) : data;
    Object.assign(this, {
      method, headers, query, path: below,
      url: path + search, originalUrl: path + search, baseUrl: base, href: url, protocol: 'http', secure: false, xhr: false,
      host, hostname: host.replace(/:\d+$/, ''),
      body: event.head.data === 'query' || body === null ? {} : body,
      params: { functionId: String(event.context.functionId), 0: below.slice(1), ...params },
      ip: (headers['x-forwarded-for'] || '127.0.0.1').split(',')[0].trim(),
      cookies: cookiesOf(headers.cookie),
      httpVersion: '1.1',
      context: event.context,
    });
  }

  _read() {
    if (this.readBody !== undefined) {
      this.readBody().then((piece) => this.push(piece.length === 0 ? null : piece), (error) => this.destroy(error));
      return;
    }
    this.push(this.rawBody);
    this.push(null);
  }

  get(name) {
    const lowered = String(name).toLowerCase();
    return this.headers[lowered === 'referrer' ? 'referer' : lowered];
  }

  header(name) {
    return this.get(name);
  }

  is(type) {
    const own = (this.headers['content-type'] || '').split(';')[0].trim();
    return own !== '' && (own === type || own.endsWith(`/${type}`) || own === TYPES[type]) ? own : false;
  }
}

/** The response; `begun` is told when it is to be sent as it comes, where the caller takes that, `done` at its end. */
class OutgoingResponse extends Writable {
  constructor({ may_stream, max_response_bytes }, begun, done) {
    super();
    this.mayStream = may_stream === true;
    this.most = max_response_bytes;
    this.begun = begun;
    this.isStreamed = false;
    this.size = 0;
    /** What `_write` waits for, and who waits for a piece. */
    this.held = null;
    this.wake = () => {};
    this.broken = null;
    this.statusCode = 200;
    this.statusMessage = undefined;
    this.locals = {};
    this.fields = {};
    this.chunks = [];
    this.headersSent = false;
    this.on('finish', () => (this.isStreamed ? this.wake() : done(this)));
    this.on('error', (error) => this.fail(error));
    this.on('close', () => { if (!this.writableFinished) this.fail(new Error('the response was closed before its end')); });
  }

  _write(chunk, encoding, done) {
    this.headersSent = true;
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (!this.isStreamed) this.flushHeaders();
    if (this.mayStream && this.size > this.most) this.stream();
    if (!this.isStreamed) {
      done();
      return;
    }
    this.held = done;
    this.wake();
  }

  /** What is not at its end when the event loop turns is sent as it comes. */
  flushHeaders() {
    this.headersSent = true;
    if (this.mayStream) setImmediate(() => this.stream());
  }

  stream() {
    if (this.isStreamed || this.writableFinished || this.destroyed) return;
    this.isStreamed = true;
    this.begun(this);
  }

  /** The answer breaks off. */
  fail(error) {
    if (this.broken === null) this.broken = error;
    this.wake();
  }

  /** The pieces as they are written; each write is done when its piece was sent. */
  async* pieces() {
    for (;;) {
      const { chunks, held } = this;
      this.chunks = [];
      this.held = null;
      for (const chunk of chunks) yield chunk;
      if (held !== null) held();
      if (this.broken !== null) throw this.broken;
      if (this.chunks.length > 0) continue;
      if (this.writableFinished) return;
      await new Promise((resolve) => { this.wake = resolve; });
    }
  }

  status(code) {
    this.statusCode = code;
    return this;
  }

  set(name, value) {
    if (name !== null && typeof name === 'object') {
      for (const key of Object.keys(name)) this.set(key, name[key]);
      return this;
    }
    this.fields[String(name).toLowerCase()] = Array.isArray(value) ? value.map(String) : String(value);
    return this;
  }

  header(name, value) {
    return this.set(name, value);
  }

  setHeader(name, value) {
    return this.set(name, value);
  }

  append(name, value) {
    const before = this.fields[String(name).toLowerCase()];
    return this.set(name, before === undefined ? value : [].concat(before, value));
  }

  get(name) {
    return this.fields[String(name).toLowerCase()];
  }

  getHeader(name) {
    return this.get(name);
  }

  getHeaders() {
    return { ...this.fields };
  }

  getHeaderNames() {
    return Object.keys(this.fields);
  }

  hasHeader(name) {
    return this.get(name) !== undefined;
  }

  removeHeader(name) {
    delete this.fields[String(name).toLowerCase()];
    return this;
  }

  writeHead(status, message, headers) {
    this.statusCode = status;
    const more = typeof message === 'string' ? headers : message;
    if (more) this.set(more);
    return this;
  }

  type(name) {
    return this.set('content-type', TYPES[name] || name);
  }

  contentType(name) {
    return this.type(name);
  }

  /** Sets the type of the body, unless the author has. */
  typed(type) {
    if (!this.hasHeader('content-type')) this.set('content-type', type);
    return this;
  }

  vary(name) {
    return this.append('vary', name);
  }

  location(url) {
    return this.set('location', url);
  }

  json(value) {
    const text = JSON.stringify(value);
    this.typed(JSON_TYPE).end(text === undefined ? '' : text);
    return this;
  }

  send(body) {
    if (body === undefined || body === null) this.end();
    else if (typeof body === 'string') this.typed(HTML).end(body);
    else if (isBuffer(body) || body instanceof Uint8Array) this.typed(BYTES).end(from(body));
    else this.json(body);
    return this;
  }

  sendStatus(code) {
    return this.status(code).type('txt').send(STATUS_CODES[code] || String(code));
  }

  redirect(status, url) {
    const [code, target] = url === undefined ? [302, status] : [status, url];
    this.status(code).location(target).type('txt').end(`${STATUS_CODES[code] || code}. Redirecting to ${target}`);
    return this;
  }

  cookie(name, value, options = {}) {
    const text = typeof value === 'object' ? `j:${JSON.stringify(value)}` : String(value);
    const parts = [`${name}=${encodeURIComponent(text)}`];
    const expires = options.expires || (typeof options.maxAge === 'number' ? new Date(Date.now() + options.maxAge) : undefined);
    if (typeof options.maxAge === 'number') parts.push(`Max-Age=${Math.floor(options.maxAge / 1000)}`);
    if (options.domain) parts.push(`Domain=${options.domain}`);
    parts.push(`Path=${options.path || '/'}`);
    if (expires) parts.push(`Expires=${expires.toUTCString()}`);
    if (options.httpOnly) parts.push('HttpOnly');
    if (options.secure) parts.push('Secure');
    if (options.sameSite) parts.push(`SameSite=${options.sameSite === true ? 'Strict' : options.sameSite}`);
    return this.append('set-cookie', parts.join('; '));
  }

  clearCookie(name, options = {}) {
    return this.cookie(name, '', { ...options, expires: new Date(1), maxAge: undefined });
  }
}

/** The answer that was made, as a value. */
function answerOf(response, mode) {
  const body = concat(response.chunks.map((chunk) => from(chunk)));
  const answer = { statusCode: response.statusCode, headers: response.fields };
  if (body.length === 0) return answer;
  const text = body.toString('utf8');
  if (mode !== 'raw') return { ...answer, headers: { 'content-type': HTML, ...response.fields }, body };
  const isText = from(text).equals(body);
  return { ...answer, body: isText ? text : body.toString('base64'), isBase64Encoded: !isText };
}

/** Calls the handler; it is over when the response is ended. What it returns instead of a response counts, too. */
function call(handler, event) {
  return new Promise((resolve, reject) => {
    const begun = (response) => resolve({
      statusCode: response.statusCode, headers: { 'content-type': HTML, ...response.fields }, body: response.pieces(),
    });
    const response = new OutgoingResponse(event.head, begun, (ended) => resolve(answerOf(ended, event.head.mode)));
    response.req = new IncomingRequest(event);
    response.req.res = response;
    const returned = handler(response.req, response, reject);
    Promise.resolve(returned).then((value) => {
      const isUntouched = !response.headersSent && !response.writableEnded;
      if (value !== undefined && value !== response && isUntouched) resolve(value);
    }, (error) => {
      response.fail(error);
      reject(error);
    });
  });
}

module.exports = { call };
