// A reader of bodies that come piece by piece, and the ways to read them that nobody should take.
import fs from 'fs';

/** A read of the function's own making: null at the end. Bytes are no JSON, which is an error without a code. */
const read = (context) => context.hostCall('body.read', null).catch((error) => error.code || 'bytes');

/** What the requests come through, opened to be written to. */
function openRequests() {
  for (const name of fs.readdirSync('/proc/self/fd')) {
    try {
      const isPipe = fs.readlinkSync(`/proc/self/fd/${name}`).startsWith('pipe:');
      const flags = parseInt(/flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))[1], 8);
      // libuv has pipes for itself, which don't block.
      if (Number(name) > 2 && isPipe && !(flags & 0o4000) && (flags & 3) === 0) {
        return fs.openSync(`/proc/self/fd/${name}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
      }
    } catch (error) {}
  }
  return -1;
}

function frame(kind, id) {
  const header = Buffer.from(JSON.stringify({ nonce: '0'.repeat(32), id, ok: true }));
  const body = Buffer.from('forged');
  const prefix = Buffer.alloc(9);
  prefix[0] = kind;
  prefix.writeUInt32BE(header.length, 1);
  prefix.writeUInt32BE(body.length, 5);
  return Buffer.concat([prefix, header, body]);
}

async function all(request) {
  let size = 0;
  let first = '';
  for await (const piece of request.body) {
    if (first.length < 32) first += Buffer.from(piece).toString('latin1', 0, 32);
    size += piece.length;
  }
  return `${size} ${first.slice(0, 32)}`;
}

const ways = {
  async 'after the end'(request, context) {
    const told = await all(request);
    const more = await Promise.all(Array.from({ length: 50 }, () => read(context)));
    return more.every((piece) => piece === null) ? told : `more: ${more}`;
  },
  async 'many at once'(request, context) {
    for (let ended = false; !ended;) {
      const pieces = await Promise.all(Array.from({ length: 40 }, () => read(context)));
      ended = pieces.includes(null);
    }
    return 'read';
  },
  never: () => 'read',
  'and does not wait'(request, context) {
    for (let i = 0; i < 40; i++) read(context);
    return 'read';
  },
  async 'with replies of its own'(request) {
    const requests = openRequests();
    const reading = all(request);
    for (let id = 1; id < 20; id++) {
      try { fs.writeSync(requests, frame(9, id)); } catch (error) {}
    }
    return reading;
  },
  async 'with requests of its own'(request) {
    const requests = openRequests();
    const reading = all(request);
    try { fs.writeSync(requests, Buffer.concat([frame(4, 1), frame(2, 1)])); } catch (error) {}
    return reading;
  },
};

export default async function handler(request, context) {
  const way = new URL(request.url).searchParams.get('way');
  if (way === 'ways') return Response.json(Object.keys(ways));
  return new Response(await (way === null ? all(request) : ways[way](request, context)));
}
