const fs = require('fs');
const net = require('net');
const dgram = require('dgram');
const dns = require('dns').promises;
const path = require('path');
const { spawnSync, spawn } = require('child_process');

// What a call brought: the error's name, or what it returned.
function told(call) {
  try {
    return `done: ${call()}`.slice(0, 200);
  } catch (error) {
    return error.code ?? error.message;
  }
}

function walk(folder, visit, skipped = ['/proc', '/sys', '/tmp']) {
  if (skipped.includes(folder)) return;
  let entries = [];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return;
  }
  visit(folder, entries.filter((entry) => !entry.isDirectory()));
  for (const entry of entries) if (entry.isDirectory()) walk(path.join(folder, entry.name), visit, skipped);
}

function writes() {
  const done = [];
  walk('/', (folder, entries) => {
    const places = [path.join(folder, 'new')];
    // Devices are no files.
    if (!folder.startsWith('/dev')) places.push(...entries.slice(0, 3).map((entry) => path.join(folder, entry.name)));
    for (const place of places) {
      const flags = place.endsWith('new') ? 'w' : 'r+';
      if (told(() => fs.closeSync(fs.openSync(place, flags))).startsWith('done')) done.push(place);
    }
  });
  for (const place of ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/self/oom_score_adj', '/proc/1/oom_score_adj',
    '/sys/fs/cgroup/new', '/sys/fs/cgroup/pids/pids.max', '/sys/fs/cgroup/pids.max']) {
    if (told(() => fs.writeFileSync(place, '0')).startsWith('done')) done.push(place);
  }
  return done;
}

function execs() {
  fs.writeFileSync('/tmp/script', `#!${process.execPath}\nconsole.log('ran')\n`, { mode: 0o755 });
  fs.writeFileSync('/tmp/library.node', Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(4096)]));
  return {
    script: spawnSync('/tmp/script').error?.code ?? 'done',
    library: told(() => process.dlopen({ exports: {} }, '/tmp/library.node')),
  };
}

function secrets({ canaries, paths }) {
  const wanted = new RegExp([...canaries, '\\$[156y]\\$[A-Za-z0-9./]{8}'].join('|'));
  const places = [...paths, '/etc/shadow', '/proc/cmdline', '/proc/keys', '/proc/kmsg'];
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    for (const name of ['environ', 'cmdline', 'maps', 'mountinfo']) places.push(`/proc/${pid}/${name}`);
  }
  walk('/', (folder, entries) => places.push(...entries.map((entry) => path.join(folder, entry.name))),
    ['/proc', '/sys', '/usr', '/dev']);
  const seen = places.filter((place) => {
    try {
      if (!place.startsWith('/proc') && fs.statSync(place).size > 1 << 20) return false;
      return wanted.test(fs.readFileSync(place, 'latin1'));
    } catch {
      return false;
    }
  });
  return { seen, pids: pids.length, environment: Object.keys(process.env).sort() };
}

function others() {
  const found = {};
  for (const pid of new Set([1, process.ppid])) {
    if (pid === 0) continue;
    found[`mem ${pid}`] = told(() => fs.openSync(`/proc/${pid}/mem`, 'r+'));
    found[`fd ${pid}`] = told(() => fs.readdirSync(`/proc/${pid}/fd`));
    found[`environ ${pid}`] = told(() => fs.readFileSync(`/proc/${pid}/environ`));
    found[`root ${pid}`] = told(() => fs.readdirSync(`/proc/${pid}/root/tmp`));
  }
  return found;
}

const tcp = (options) => new Promise((resolve) => {
  const socket = net.connect(options, () => resolve('done: connected'));
  socket.setTimeout(2000, () => { socket.destroy(); resolve('timed out'); });
  socket.on('error', (error) => resolve(error.code));
});

const udp = (host, port) => new Promise((resolve) => {
  const socket = dgram.createSocket('udp4');
  socket.on('error', (error) => resolve(error.code));
  socket.send('x', port, host, (error) => { socket.close(); resolve(error ? error.code : 'done: sent'); });
});

async function network({ addresses }) {
  const found = {};
  for (const [host, port] of [...addresses, ['169.254.169.254', 80], ['192.0.2.1', 443]]) {
    found[`${host}:${port}`] = await tcp({ host, port });
    if (!host.startsWith('127.')) found[`udp ${host}:${port}`] = await udp(host, port);
  }
  found.docker = await tcp({ path: '/var/run/docker.sock' });
  found.names = await dns.lookup('example.com').then(() => 'done', (error) => error.code);
  found.sockets = [];
  walk('/', (folder, entries) => {
    found.sockets.push(...entries.filter((entry) => entry.isSocket()).map((entry) => path.join(folder, entry.name)));
  }, ['/proc', '/sys']);
  return found;
}

function audit() {
  const fds = {};
  for (const name of fs.readdirSync('/proc/self/fd')) {
    try {
      fds[name] = fs.readlinkSync(`/proc/self/fd/${name}`);
    } catch { /* The listing's own. */ }
  }
  const text = (name) => fs.readFileSync(`/proc/self/${name}`, 'utf8');
  return { status: text('status'), limits: text('limits'), mounts: text('mountinfo'), fds, oom_score: text('oom_score_adj').trim() };
}

function odd_files({ outside }) {
  process.chdir('/tmp');
  fs.symlinkSync(outside, 'link');
  told(() => fs.linkSync('/workspace/index.js', 'hard'));
  for (const name of ['-rf', 'a\nb', '\x1b[2J', ' ', 'x'.repeat(255)]) fs.writeFileSync(name, '', { mode: 0o6777 });
  fs.mkdirSync('closed', { mode: 0 });
  for (let depth = 0; depth < 1200; depth++) {
    fs.mkdirSync('d');
    process.chdir('d');
  }
  process.chdir('/tmp');
  return 'made';
}

function kill_all() {
  for (const signal of ['SIGTERM', 'SIGKILL']) for (const pid of [1, -1]) told(() => process.kill(pid, signal));
  return 'alive';
}

// What Node has of its own.
async function internals() {
  const { Worker } = require('worker_threads');
  const inspector = require('inspector');
  const found = {};
  found.inspector = told(() => { inspector.open(9229, '0.0.0.0'); return inspector.url(); });
  told(() => inspector.close());
  found.binding = told(() => process.binding('spawn_sync'));
  found.report = told(() => process.report.writeReport('/workspace/report.json'));
  found.snapshot = told(() => require('v8').writeHeapSnapshot('/workspace/heap'));
  found.shell = spawnSync('/bin/sh', ['-c', 'id']).error?.code ?? 'done';
  // Left running: the call's end is theirs.
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { detached: true, stdio: 'ignore' }).on('error', () => {}).unref();
  let workers = 0;
  for (; workers < 64; workers++) {
    const error = await new Promise((resolve) => {
      const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true });
      worker.on('error', resolve);
      worker.on('online', () => resolve(null));
      setTimeout(() => resolve(new Error('no thread')), 3000).unref();
    });
    if (error) break;
  }
  found.workers = workers;
  return found;
}

exports.handler = async (data) => {
  const ways = { writes, execs, secrets, others, network, audit, odd_files, kill_all, internals };
  return ways[data.way] ? ways[data.way](data) : data.way;
};
