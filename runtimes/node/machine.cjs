'use strict';
// What Node asks of the machine in ways that a sandbox doesn't answer: /proc has processes only, there is no netlink, and
// each sandbox has a user of its own, whom no file knows.
// Code that looks before it works, to size a pool or to find an address, finds something true in its place.

const os = require('os');

const { cpus, networkInterfaces, userInfo } = os;

/** The cores this process may run on, by what the scheduler says. */
function parallelism() {
  if (os.availableParallelism) return os.availableParallelism();
  const allowed = /^Cpus_allowed:\s*(.+)$/m.exec(require('fs').readFileSync('/proc/self/status', 'latin1'));
  const bits = (digit) => parseInt(digit, 16).toString(2).split('1').length - 1;
  return allowed ? [...allowed[1].replace(/,/g, '')].reduce((sum, digit) => sum + bits(digit), 0) : 1;
}

/** What the machine says, or nothing where it refuses. */
function attempt(ask) {
  try {
    return ask();
  } catch (error) {
    return undefined;
  }
}

function allCpus() {
  const known = attempt(cpus);
  if (known !== undefined && known.length > 0) return known;
  const idle = () => ({ model: 'unknown', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } });
  return Array.from({ length: parallelism() }, idle);
}

function allInterfaces() {
  const loopback = {
    address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', mac: '00:00:00:00:00:00', internal: true, cidr: '127.0.0.1/8',
  };
  return attempt(networkInterfaces) || { lo: [loopback] };
}

function user(options) {
  const known = attempt(() => userInfo(options));
  if (known) return known;
  const info = { uid: process.getuid(), gid: process.getgid(), username: 'cloudbox', homedir: '/tmp', shell: '/sbin/nologin' };
  if (options && options.encoding === 'buffer') {
    for (const name of ['username', 'homedir', 'shell']) info[name] = Buffer.from(info[name]);
  }
  return info;
}

/** Puts the answers where the machine's would be. */
function answerForMachine() {
  os.cpus = allCpus;
  os.networkInterfaces = allInterfaces;
  os.userInfo = user;
}

module.exports = { answerForMachine };
