// Who a sandbox is, what it keeps, and what it sees.
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const os = require('os');

const id = crypto.randomBytes(16).toString('hex');
const kept = [];
let count = 0;

function plant(word) {
  fs.writeFileSync('/tmp/planted', word);
  try { fs.writeFileSync('/dev/shm/planted', word); } catch (error) {}
  const unix = net.createServer().on('error', () => {}).listen('\0planted');
  const tcp = net.createServer().on('error', () => {}).listen(47113, '127.0.0.1');
  process.title = word;
  return new Promise((resolve) => setTimeout(() => { unix.close(); tcp.close(); resolve(word); }, 1500));
}

const connects = (...where) => new Promise((resolve) => {
  const socket = net.connect(...where);
  socket.on('connect', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
});

async function look() {
  const seen = [];
  for (const folder of ['/tmp', '/dev/shm', '/var/tmp', '/run']) {
    try { for (const name of fs.readdirSync(folder)) if (name.includes('planted')) seen.push(`${folder}/${name}`); } catch (error) {}
  }
  for (const name of fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid))) {
    try { if (fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('planted')) seen.push(`process ${name}`); } catch (error) {}
  }
  if (await connects('\0planted')) seen.push('abstract socket');
  if (await connects(47113, '127.0.0.1')) seen.push('port');
  if (os.hostname().includes('planted')) seen.push('hostname');
  return seen;
}

/** Changes all that it was given, and keeps it. */
function spoil(data, context) {
  const view = { word: data.word, header: context.headers['x-word'], query: context.query.word, earlier: kept.filter((one) => one.data.word === data.word).length };
  kept.push({ data, context });
  data.word = 'spoilt';
  for (const object of [context.headers, context.query, context.env, context]) for (const name of Object.keys(object)) object[name] = 'spoilt';
  return view;
}

exports.handler = async (data, context) => {
  switch (data.way) {
    case 'plant': return plant(data.word);
    case 'look': return look();
    case 'reuse': return spoil(data, context);
    case 'sleep': await new Promise((resolve) => setTimeout(resolve, data.ms)); return process.env.WORD;
    case 'throw': console.log('about to'); throw new RangeError('as asked');
    case 'count': { count += 1; fs.appendFileSync('/tmp/count', 'x'); console.log('counted'); return [count, fs.statSync('/tmp/count').size]; }
  }
  return { id, word: process.env.WORD };
};
