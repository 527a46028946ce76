'use strict';
// Applications that answer requests of a server: Express, Koa, Connect, and servers of `http` themselves.
//
// They need the language's own request and response, so each call is one connection between a client and a server of
// `http`, over two streams in memory. No port is opened.

const { Duplex } = require('stream');
const http = require('http');
const { withBytes } = require('./answer.cjs');
const { requestOf } = require('./forms.cjs');

/** Headers that are the connection's. */
const OWN = ['connection', 'keep-alive', 'transfer-encoding', 'date'];

/** One end of a connection in memory. */
class End extends Duplex {
  constructor() {
    super({ allowHalfOpen: true });
    this.other = null;
    this.held = null;
    this.remoteAddress = this.localAddress = '127.0.0.1';
    this.remoteFamily = 'IPv4';
    this.remotePort = this.localPort = 80;
    this.encrypted = false;
  }

  _read() {
    const { held } = this;
    this.held = null;
    if (held !== null) held();
  }

  _write(chunk, encoding, done) {
    const { other } = this;
    if (other.push(chunk)) done();
    else other.held = done;
  }

  _final(done) {
    this.other.push(null);
    done();
  }

  _destroy(error, done) {
    const { other } = this;
    process.nextTick(() => other.destroy());
    done(error);
  }

  setTimeout() { return this; }

  setNoDelay() { return this; }

  setKeepAlive() { return this; }

  ref() { return this; }

  unref() { return this; }
}

function connection() {
  const [here, there] = [new End(), new End()];
  here.other = there;
  there.other = here;
  return [here, there];
}

const servers = new WeakMap();

/** The server of an application: the application itself, the one that it has, or one that is made once. */
async function serverOf(application) {
  if (application instanceof http.Server) return application;
  if (application.server instanceof http.Server) {
    await application.ready();
    return application.server;
  }
  if (!servers.has(application)) {
    const listener = typeof application === 'function' ? application : application.callback();
    servers.set(application, http.createServer(listener));
  }
  return servers.get(application);
}

/** Headers as the application wrote them, each value of its own. */
function headersOf(raw) {
  const headers = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i].toLowerCase();
    if (!OWN.includes(name)) headers[name] = headers[name] === undefined ? raw[i + 1] : [].concat(headers[name], raw[i + 1]);
  }
  return headers;
}

/** All of a body, which is no longer than the answer may be. */
async function wholeOf(response) {
  const pieces = [];
  for await (const piece of response) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The answer as a handler's value: its body is a stream, unless it tells a length that can be held. */
async function answerOf(response, { mode, max_response_bytes }) {
  const headers = headersOf(response.rawHeaders);
  const length = Number(headers['content-length']);
  delete headers['content-length'];
  const answer = { statusCode: response.statusCode, headers };
  const hasBody = response.statusCode !== 204 && response.statusCode !== 304;
  if (hasBody && !(length <= max_response_bytes)) return { ...answer, body: response };
  const body = await wholeOf(response);
  if (body.length === 0) return answer;
  return withBytes(answer, body, mode);
}

/** Sends a body on that is read as it comes, as fast as the application takes it. */
async function pass(read, request) {
  for (let piece = await read(); piece.length > 0; piece = await read()) {
    if (!request.write(piece)) await new Promise((resolve) => request.once('drain', resolve));
  }
  request.end();
}

/** Has the application answer the call. */
async function call(application, event) {
  const server = await serverOf(application);
  const { method, path, base } = requestOf(event);
  const search = event.head.query === '' ? '' : `?${event.head.query}`;
  const headers = {};
  for (const [name, value] of event.head.headers) {
    if (!OWN.includes(name) && name !== 'content-length') headers[name] = headers[name] === undefined ? value : [].concat(headers[name], value);
  }
  if (event.body.length > 0) headers['content-length'] = event.body.length;
  const told = event.readBody === undefined ? undefined : event.context.headers['content-length'];
  if (told !== undefined) headers['content-length'] = told;
  const [here, there] = connection();
  return new Promise((resolve, reject) => {
    const target = (path.slice(base.length) || '/') + search;
    const request = http.request({ method, path: target, headers, setHost: headers.host === undefined, createConnection: () => here });
    request.on('response', (response) => resolve(answerOf(response, event.head)));
    request.on('error', reject);
    server.emit('connection', there);
    if (event.readBody === undefined) request.end(Buffer.from(event.body));
    else pass(event.readBody, request).catch((error) => request.destroy(error));
  });
}

module.exports = { call };
