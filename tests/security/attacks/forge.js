// Frames of the attacker's own making, on every pipe that can be found.
const fs = require('fs');
const { spawn } = require('child_process');

/** Descriptors beyond the usual three that something can be written to. */
function pipes() {
  const found = [];
  for (const name of fs.readdirSync('/proc/self/fd')) {
    try {
      const isPipe = fs.readlinkSync(`/proc/self/fd/${name}`).startsWith('pipe:');
      const flags = parseInt(/flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))[1], 8);
      // libuv has pipes for itself, which don't block.
      if (Number(name) > 2 && isPipe && !(flags & 0o4000) && (flags & 3) === 1) found.push(Number(name));
    } catch (error) {}
  }
  return found;
}

function frame(nonce, kind = 5) {
  const header = Buffer.from(JSON.stringify({ nonce, status: 200, headers: [] }));
  const body = Buffer.from('"forged"');
  const prefix = Buffer.alloc(9);
  prefix[0] = kind;
  prefix.writeUInt32BE(header.length, 1);
  prefix.writeUInt32BE(body.length, 5);
  return Buffer.concat([prefix, header, body]);
}

const NONCE = '0'.repeat(32);
const write = (bytes) => pipes().forEach((fd) => fs.writeSync(fd, bytes));

const ways = {
  'a foreign nonce': () => write(frame(NONCE)),
  'two frames': () => write(Buffer.concat([frame(NONCE), frame(NONCE)])),
  'half a frame': () => write(frame(NONCE).slice(0, 20)),
  'an endless header': () => write(Buffer.from([5, 255, 255, 255, 255, 255, 255, 255, 255])),
  'a frame out of turn': () => write(frame(NONCE, 3)),
  'an unknown kind': () => write(frame(NONCE, 99)),
  'noise': () => write(require('crypto').randomBytes(4096)),
  'a byte after the answer': () => { fs.stat('/', () => write(Buffer.from([5]))); },
  'a frame after the answer': () => { setTimeout(() => write(frame(NONCE)), 0); },
  'a frame from a child': () => {
    const code = `setInterval(() => { try { require('fs').writeSync(3, Buffer.from('${frame(NONCE).toString('base64')}', 'base64')) } catch (e) {} }, 1)`;
    spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'ignore', pipes()[0]], detached: true }).unref();
    return new Promise((resolve) => setTimeout(resolve, 100));
  },
  'a frame in the logs': () => { fs.writeSync(1, frame(NONCE)); fs.writeSync(2, frame(NONCE)); },
};

exports.handler = async ({ way, word }) => {
  if (way === 'ways') return Object.keys(ways);
  if (way !== undefined) await ways[way]();
  return word;
};
