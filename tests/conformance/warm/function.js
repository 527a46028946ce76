const { existsSync, readFileSync, writeFileSync } = require('node:fs');

let calls = 0;

exports.handler = async () => {
  const kept = existsSync('/tmp/kept') ? readFileSync('/tmp/kept', 'utf8') : 'none';
  calls += 1;
  writeFileSync('/tmp/kept', String(calls));
  return { calls, kept };
};
