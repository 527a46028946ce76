// What honest code does with threads, processes and memory. Each idiom is true, or throws.
const assert = require('assert');
const { AsyncLocalStorage } = require('async_hooks');
const { execFile, execFileSync, fork, spawn } = require('child_process');
const { once } = require('events');
const fs = require('fs');
const { promisify } = require('util');
const vm = require('vm');
const { MessageChannel, Worker } = require('worker_threads');

const run = (...code) => execFileSync(process.execPath, ['-e', ...code], { encoding: 'utf8' });
const recurse = () => recurse() + 1;
/** (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)) */
const WASM = Buffer.from('AGFzbQEAAAABBwFgAn9/AX8DAgEABwcBA2FkZAAACgkBBwAgACABags=', 'base64');

const idioms = {
  'a worker': async () => { const worker = new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true }); const [answer] = await once(worker, 'message'); await worker.terminate(); return answer === 42; },
  'shared memory': async () => {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker('const { workerData } = require("worker_threads"); Atomics.store(workerData, 0, 1); Atomics.notify(workerData, 0)', { eval: true, workerData: cell });
    await once(worker, 'exit');
    return Atomics.wait(cell, 0, 0, 1000) === 'not-equal' && cell[0] === 1;
  },
  'a channel': async () => { const { port1, port2 } = new MessageChannel(); port2.postMessage('hi'); const [answer] = await once(port1, 'message'); port1.close(); return answer === 'hi'; },
  'a program': async () => run('console.log(process.argv[1])', 'word') === 'word\n' && (await promisify(execFile)(process.execPath, ['-p', '1'])).stdout === '1\n',
  'a program that reads': async () => { const child = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)']); child.stdin.end('text'); let text = ''; child.stdout.on('data', (data) => { text += data; }); const [code] = await once(child, 'close'); return code === 0 && text === 'text'; },
  'a program that is ended': async () => { const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']); await once(child, 'spawn'); child.kill(); const [, signal] = await once(child, 'exit'); return signal === 'SIGTERM'; },
  'a forked module': async () => { fs.writeFileSync('/tmp/child.js', 'process.on("message", (m) => { process.send(m + 1); process.disconnect(); })'); const child = fork('/tmp/child.js'); child.send(1); const [answer] = await once(child, 'message'); await once(child, 'exit'); return answer === 2; },
  'a signal': async () => { const got = once(process, 'SIGUSR2'); process.kill(process.pid, 'SIGUSR2'); await got; return true; },
  'order of the loop': async () => { const order = []; await Promise.all([new Promise((r) => setTimeout(() => r(order.push('t')), 5)), new Promise((r) => process.nextTick(() => r(order.push('n')))), Promise.resolve().then(() => order.push('p'))]); return order.join('') === 'npt' || order.join('') === 'pnt'; },
  'a store of a call': () => { const store = new AsyncLocalStorage(); return store.run(7, async () => { await null; return store.getStore() === 7; }); },
  'another context': () => vm.runInNewContext('a + 1', { a: 1 }) === 2,
  'WebAssembly': async () => (await WebAssembly.instantiate(WASM)).instance.exports.add(40, 2) === 42,
  'too deep a recursion': () => { try { return recurse() < 0; } catch (error) { return error instanceof RangeError; } },
  'much garbage': () => { let sum = 0; for (let i = 0; i < 3e5; i++) sum += JSON.parse(JSON.stringify({ a: [i, String(i)] })).a[0]; return sum > 0 && Buffer.alloc(16 << 20).length > 0; },
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
