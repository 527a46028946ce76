// What the shim is made of, replaced by something that lies or throws.
const fs = require('fs');

const lie = () => { throw new Error('forged'); };

function patch() {
  const replaced = [
    [JSON, ['parse', 'stringify']],
    [Object, ['keys', 'assign', 'entries', 'defineProperty', 'freeze', 'create']],
    [Array, ['isArray', 'from']],
    [Array.prototype, ['push', 'join', 'map', 'filter', 'forEach', 'slice', 'concat', 'includes', Symbol.iterator]],
    [String.prototype, ['slice', 'replace', 'split', 'toLowerCase', 'startsWith', 'includes', 'padStart']],
    [RegExp.prototype, ['test', 'exec', Symbol.replace, Symbol.split]],
    [Function.prototype, ['call', 'apply', 'bind']],
    [Number, ['isInteger']], [Date, ['now']], [Atomics, ['wait']],
    [Buffer, ['from', 'alloc', 'allocUnsafe', 'concat', 'byteLength']],
    [Buffer.prototype, ['write', 'toString', 'slice', 'readUInt32BE', 'writeUInt32BE', 'copy', 'utf8Write']],
    [Uint8Array.prototype, ['set', 'subarray', 'copyWithin']],
    [TextDecoder.prototype, ['decode']],
    [URLSearchParams.prototype, ['forEach']],
    [Promise.prototype, ['then', 'catch', 'finally']], [Promise, ['resolve', 'reject', 'all']],
    [process, ['nextTick', 'exit', 'reallyExit', 'getActiveResourcesInfo', '_getActiveHandles', 'on', 'emit']],
    [globalThis, ['setImmediate', 'setTimeout', 'clearTimeout', 'queueMicrotask', 'Promise', 'Buffer', 'TextDecoder']],
    [fs, ['readSync', 'writeSync', 'openSync', 'closeSync', 'statSync', 'stat']],
    [process.stdout, ['write', '_write', 'end']],
    [Error, ['captureStackTrace', 'prepareStackTrace']],
  ];
  // By index: what iterates is among them.
  for (let i = 0; i < replaced.length; i++) {
    const owner = replaced[i][0];
    const names = replaced[i][1];
    for (let j = 0; j < names.length; j++) {
      try { owner[names[j]] = lie; } catch (error) {}
    }
  }
}

exports.handler = (data) => {
  if (data.way === 'patch') patch();
  return data.probe;
};
