const die = () => { process.kill(process.pid, 'SIGKILL'); };
const ways = {
  'exit 0': () => process.exit(0),
  'exit 3': () => process.exit(3),
  'exit in a timer': () => new Promise(() => { setTimeout(() => process.exit(4), 1); }),
  'exit at once': () => process.reallyExit(5),
  'abort': () => process.abort(),
  'killed': () => { die(); for (;;); },
  'terminated': () => { process.kill(process.pid, 'SIGTERM'); return new Promise(() => {}); },
  'segmentation fault': () => { process.kill(process.pid, 'SIGSEGV'); for (;;); },
  'killed by a child': () => { require('child_process').spawnSync(process.execPath, ['-e', 'process.kill(process.ppid, "SIGKILL")']); },
};

exports.handler = async ({ way }) => {
  if (way === 'ways') return Object.keys(ways);
  if (way !== 'none') await ways[way]();
  return way;
};
