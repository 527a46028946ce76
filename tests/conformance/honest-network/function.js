// What honest code does with sockets where there is no network but loopback. Each idiom is true, or throws.
const assert = require('assert');
const dgram = require('dgram');
const dns = require('dns');
const { once } = require('events');
const http = require('http');
const http2 = require('http2');
const net = require('net');
const tls = require('tls');
const { promisify } = require('util');

const listening = async (server, ...where) => { server.listen(...where); await once(server, 'listening'); return server.address(); };
const served = async (use) => {
  const server = http.createServer((request, answer) => { request.resume(); answer.end(request.url); });
  const { port } = await listening(server, 0, '127.0.0.1');
  try { return await use(port); } finally { server.close(); if (server.closeAllConnections) server.closeAllConnections(); }
};
const got = async (options) => { const [answer] = await once(http.get(options), 'response'); let text = ''; for await (const part of answer) text += part; return text; };
/** The code of the error that the promise fails with. */
const refusal = async (promise) => { try { await promise; return ''; } catch (error) { return (error.cause || error).code || 'no code'; } };
const connected = async (...where) => { const socket = net.connect(...where); try { await once(socket, 'connect'); } finally { socket.destroy(); } };

const idioms = {
  'TCP': async () => { const server = net.createServer((socket) => socket.pipe(socket)); const { port } = await listening(server, 0, '127.0.0.1'); const socket = net.connect(port, '127.0.0.1'); socket.write('hi'); const [data] = await once(socket, 'data'); socket.end(); await once(socket, 'close'); server.close(); return data.toString() === 'hi'; },
  'UDP': async () => { const socket = dgram.createSocket('udp4'); socket.bind(0, '127.0.0.1'); await once(socket, 'listening'); socket.send('hi', socket.address().port, '127.0.0.1'); const [data] = await once(socket, 'message'); socket.close(); return data.toString() === 'hi'; },
  'a socket with a name': async () => { const server = net.createServer((socket) => socket.end('hi')); await listening(server, '/tmp/socket'); const socket = net.connect('/tmp/socket'); const [data] = await once(socket, 'data'); server.close(); return data.toString() === 'hi'; },
  'HTTP': () => served(async (port) => (await got({ port, host: '127.0.0.1', path: '/a' })) === '/a'),
  'a connection that is kept': () => served(async (port) => { const agent = new http.Agent({ keepAlive: true, maxSockets: 1 }); const texts = [await got({ port, agent, host: '127.0.0.1', path: '/a' }), await got({ port, agent, host: '127.0.0.1', path: '/b' })]; agent.destroy(); return texts.join() === '/a,/b'; }),
  'fetch': () => typeof fetch !== 'function' || served(async (port) => (await (await fetch(`http://127.0.0.1:${port}/a`)).text()) === '/a'),
  'HTTP/2': async () => { const server = http2.createServer((request, answer) => answer.end('hi')); const { port } = await listening(server, 0, '127.0.0.1'); const client = http2.connect(`http://127.0.0.1:${port}`); const request = client.request({ ':path': '/' }); let text = ''; for await (const part of request) text += part; client.close(); server.close(); return text === 'hi'; },
  'localhost': async () => (await dns.promises.lookup('localhost')).address.length > 0 && served(async (port) => (await got({ port, host: 'localhost', path: '/a', family: 4 })) === '/a'),
  'a port that is closed': async () => (await refusal(connected(1, '127.0.0.1'))) === 'ECONNREFUSED',
  'an address elsewhere': async () => ['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EPERM', 'ECONNREFUSED'].includes(await refusal(connected(80, '192.0.2.1'))),
  'a name elsewhere': async () => ['ENOTFOUND', 'EAI_AGAIN'].includes(await refusal(promisify(dns.lookup)('example.com'))),
  'a name elsewhere, asked for': async () => (await refusal(dns.promises.resolve4('example.com'))).length > 0,
  'fetch elsewhere': async () => typeof fetch !== 'function' || (await refusal(fetch('https://example.com'))) !== '',
  'certificates': () => tls.rootCertificates.length > 50 && tls.createSecureContext() !== undefined,
};

exports.handler = async () => {
  const failed = {};
  for (const [name, idiom] of Object.entries(idioms)) {
    try {
      assert.ok(await idiom());
    } catch (error) {
      failed[name] = String(error);
    }
  }
  return { count: Object.keys(idioms).length, failed };
};
