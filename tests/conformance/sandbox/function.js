const { writeFileSync } = require('node:fs');
const { connect } = require('node:net');

const writes = (path) => {
  try {
    writeFileSync(path, 'x');
    return true;
  } catch {
    return false;
  }
};

const reachesOut = () =>
  new Promise((resolve) => {
    const socket = connect({ host: '192.0.2.1', port: 80, timeout: 500 });
    const end = (answer) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', end(true)).on('timeout', end(true)).on('error', end(false));
  });

exports.handler = async () => ({
  is_root: process.getuid() === 0,
  folder: process.cwd(),
  writes_code: writes('/workspace/x'),
  writes_root: writes('/x'),
  writes_tmp: writes('/tmp/x'),
  reaches_out: await reachesOut(),
});
