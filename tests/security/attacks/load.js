// What code may try while it is loaded.
const fs = require('fs');

function everyPipe(work) {
  for (const name of fs.readdirSync('/proc/self/fd')) {
    try {
      if (Number(name) > 2 && fs.readlinkSync(`/proc/self/fd/${name}`).startsWith('pipe:')) work(Number(name));
    } catch (error) {}
  }
}

const LOADED = Buffer.from('AwAAAEAAAAAAeyJub25jZSI6IjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwiaGFuZGxlcl9zdHlsZSI6IngifQ==', 'base64');

switch (process.env.WAY) {
  case 'throws': throw new Error('at load');
  case 'exits': process.exit(0); break;
  case 'is killed': process.kill(process.pid, 'SIGKILL'); break;
  case 'says loaded': everyPipe((fd) => fs.writeSync(fd, LOADED)); break;
  case 'says noise': everyPipe((fd) => fs.writeSync(fd, Buffer.alloc(100, 255))); break;
  case 'closes all': everyPipe(fs.closeSync); break;
  case 'eats memory': for (const kept = []; ;) kept.push(Buffer.alloc(1 << 20, 1)); break;
  case 'has no handler': return;
}

exports.handler = async ({ word }) => word;
