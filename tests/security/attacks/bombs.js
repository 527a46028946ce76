const fs = require('fs');
const { spawn } = require('child_process');
const { Worker } = require('worker_threads');

const MB = 1 << 20;
const kept = [];

function memory(way) {
  for (;;) {
    if (way === 'heap') kept.push(Array.from({ length: 1 << 16 }, (_, at) => ({ at, text: `${at}` })));
    if (way === 'off-heap') kept.push(Buffer.alloc(4 * MB, 1));
    if (way === 'shared') kept.push(new Uint8Array(new SharedArrayBuffer(4 * MB)).fill(1));
  }
}

async function children() {
  const hog = 'const kept = []; for (let i = 0; i < 64; i++) kept.push(Buffer.alloc(1 << 20, 1)); setTimeout(() => {}, 2000);';
  const ends = Array.from({ length: 16 }, () => new Promise((resolve) => {
    const child = spawn(process.execPath, ['-e', hog], { stdio: 'ignore' });
    child.on('exit', (code, signal) => resolve(signal ?? code));
    child.on('error', (error) => resolve(error.code));
  }));
  return Promise.all(ends);
}

async function forks() {
  for (let started = 0; started < 5000; started++) {
    const error = await new Promise((resolve) => {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
      child.on('error', resolve);
      child.on('spawn', () => resolve(null));
      kept.push(child);
    });
    if (error) return { started, error: error.code };
  }
  return { started: 5000 };
}

async function threads() {
  for (let started = 0; started < 5000; started++) {
    const error = await new Promise((resolve) => {
      try {
        const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true });
        worker.on('error', resolve);
        worker.on('online', () => resolve(null));
        // Without a thread for it there is neither.
        setTimeout(() => resolve({ code: 'EAGAIN' }), 5000).unref();
        kept.push(worker);
      } catch (error) {
        resolve(error);
      }
    });
    if (error) return { started, error: error.code ?? error.message };
  }
  return { started: 5000 };
}

function descriptors() {
  try {
    for (;;) kept.push(fs.openSync('/dev/null'));
  } catch (error) {
    return { opened: kept.length, error: error.code };
  }
}

function fill(path) {
  const block = Buffer.alloc(MB, 'x');
  let written = 0;
  const file = fs.openSync(path, 'w');
  try {
    for (;;) written += fs.writeSync(file, block);
  } catch (error) {
    return { written, error: error.code };
  } finally {
    fs.closeSync(file);
  }
}

function disk() {
  const names = Array.from({ length: 8 }, (_, number) => `/tmp/full-${number}`);
  const found = { files: names.map(fill) };
  names.forEach((name) => fs.unlinkSync(name));
  let made = 0;
  try {
    for (; made < 100_000; made++) fs.closeSync(fs.openSync(`/tmp/inode-${made}`, 'w'));
  } catch (error) {
    found.inodes = { made, error: error.code };
  }
  for (let number = 0; number < made; number++) fs.unlinkSync(`/tmp/inode-${number}`);
  try {
    fs.writeFileSync('/tmp/sparse', '');
    fs.truncateSync('/tmp/sparse', 2 ** 40);
    found.sparse = 'made';
  } catch (error) {
    found.sparse = error.code;
  }
  found.after = fill('/tmp/after').written;
  fs.unlinkSync('/tmp/after');
  return found;
}

exports.handler = async ({ way }) => {
  if (['heap', 'off-heap', 'shared'].includes(way)) return memory(way);
  const ways = { children, forks, threads, descriptors, disk };
  return ways[way] ? ways[way]() : way;
};
