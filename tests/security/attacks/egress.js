const dgram = require('dgram');
const http = require('http');
const https = require('https');
const net = require('net');

// What a client brought: the answer, or the error's name.
async function told(call) {
  try {
    return await call();
  } catch (error) {
    return { error: error.cause?.code ?? error.code ?? error.message };
  }
}

function get(client, url, options) {
  return new Promise((resolve, reject) => {
    client.get(url, options, (response) => {
      let text = '';
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    }).on('error', reject);
  });
}

const clients = {
  async fetch({ url, body }) {
    // Node takes no authority for one call.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const response = await fetch(url, body ? { method: 'POST', body } : {});
    return { status: response.status, text: await response.text() };
  },
  http: ({ url }) => get(http, url, { agent: false }),
  https: ({ url, authority }) => get(https, url, { ca: authority, agent: false }),
  async axios({ url, authority, body }) {
    const settings = { httpsAgent: new https.Agent({ ca: authority }), transformResponse: (text) => text };
    const axios = require('axios');
    const response = await (body ? axios.post(url, body, settings) : axios.get(url, settings));
    return { status: response.status, text: response.data };
  },
  // The platform's own.
  async context({ url, body }, { http }) {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    return { status: 200, text: await (body ? http.post(url, body) : http.get(url)) };
  },
  // As a client that is told of the proxy: each line is the first one of a request.
  async proxy({ lines }) {
    const answers = [];
    for (const line of lines) answers.push(await told(() => speak('127.0.0.1', 3128, `${line} HTTP/1.1\r\nHost: x\r\n\r\n`)));
    return answers;
  },
  async connect({ addresses }) {
    const ends = {};
    for (const [host, port] of addresses) ends[`${host}:${port}`] = await told(() => speak(host, port, 'GET / HTTP/1.0\r\n\r\n'));
    return ends;
  },
  // Many connections at once, of which as many are answered as there may be; then none is needed any more.
  async flood({ host, port, count, answers }) {
    let answered = 0;
    let sockets = [];
    await new Promise((resolve) => {
      const open = () => {
        const socket = net.connect(port, host, () => socket.write('GET / HTTP/1.1\r\n\r\n')).on('error', () => {});
        socket.once('data', () => (answered += 1) === answers && resolve());
        return socket;
      };
      sockets = Array.from({ length: count }, open);
    });
    for (const socket of sockets) socket.destroy();
    return 'done';
  },
  // Junk for the name server; it must go on answering.
  async junk() {
    const socket = dgram.createSocket('udp4');
    const junk = [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(12), Buffer.alloc(60_000, 0xff), Buffer.from('\xc0\x0c'.repeat(40), 'latin1')];
    for (let at = 0; at < 200; at += 1) junk.push(Buffer.from(Array.from({ length: at }, () => Math.floor(Math.random() * 256))));
    for (const message of junk) await new Promise((resolve) => socket.send(message, 53, '127.0.0.1', resolve));
    socket.close();
    return 'done';
  },
  async lookups({ names }) {
    const ends = {};
    for (const name of names) {
      ends[name] = await told(async () => (await require('dns').promises.lookup(name, { all: true })).map((found) => found.address));
    }
    return ends;
  },
};

function speak(host, port, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host, () => socket.write(text));
    socket.on('data', (part) => {
      resolve(part.toString().split('\r\n')[0]);
      socket.destroy();
    });
    socket.on('end', () => resolve('nothing'));
    socket.on('error', reject);
  });
}

exports.handler = (data, context) => told(() => clients[data.client](data, context));
