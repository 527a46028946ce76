// What a call may leave running. Each says its word again and again, and writes it down.
const fs = require('fs');
const { spawn } = require('child_process');
const { Worker } = require('worker_threads');

const left = 'const say = () => { try { require("fs").appendFileSync("/tmp/left", "x"); require("fs").writeSync(1, "WORD\\n"); } catch (e) {} };';
const program = (word) => `${left.replace('WORD', word)} setInterval(say, 1)`;
const online = (worker) => new Promise((resolve) => worker.on('online', resolve));

const ways = {
  'a timer': (word) => { const again = () => setTimeout(() => { console.log(word); fs.appendFileSync('/tmp/left', 'x'); again(); }, 1); again(); },
  'an interval': (word) => { setInterval(() => { console.log(word); fs.appendFileSync('/tmp/left', 'x'); }, 1); },
  'an immediate': (word) => { const again = () => setImmediate(() => { fs.appendFileSync('/tmp/left', 'x'); again(); }); again(); },
  'a worker': (word) => online(new Worker(program(word), { eval: true })),
  'a child': (word) => { spawn(process.execPath, ['-e', program(word)], { stdio: 'inherit' }); },
  'a daemon': (word) => { spawn(process.execPath, ['-e', program(word)], { stdio: 'inherit', detached: true }).unref(); },
};

let ticks = 0;
if (process.env.TICKS) setInterval(() => { ticks++; }, 1);

exports.handler = async ({ way, word }) => {
  if (way === 'ways') return Object.keys(ways);
  if (way === 'ticks') return ticks;
  if (way !== undefined) await ways[way](word);
  else if (fs.existsSync('/tmp/left')) return 'left';
  return word;
};
