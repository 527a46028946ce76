const { writeSync } = require('node:fs');

const block = Buffer.alloc(1 << 20, 'x');
block[block.length - 1] = 10;

exports.handler = async ({ mb }) => {
  for (let i = 0; i < mb; i += 1) {
    for (let at = 0; at < block.length; ) at += writeSync(1, block, at);
  }
  return 'done';
};
