// What honest code asks of the machine. Each idiom is true, or throws.
const assert = require('assert');
const fs = require('fs');
const os = require('os');
const v8 = require('v8');
const { performance, monitorEventLoopDelay } = require('perf_hooks');

const at = new Date(Date.UTC(2024, 0, 31, 15));

const idioms = {
  'cores': () => os.cpus().length > 0 && os.cpus().every((cpu) => cpu.times.idle >= 0) && (!os.availableParallelism || os.availableParallelism() > 0),
  'memory': () => os.totalmem() > 1e6 && os.freemem() > 1e6 && process.memoryUsage().rss > 1e6 && process.memoryUsage.rss() > 1e6,
  'uptime and load': () => os.uptime() > 0 && os.loadavg().length === 3 && process.uptime() > 0,
  'user': () => os.userInfo().username.length > 0 && os.userInfo().uid === process.getuid() && process.getuid() > 0 && process.getgid() > 0,
  'names': () => os.hostname().length > 0 && os.release().length > 0 && os.version().length > 0 && os.machine?.() !== '' && os.platform() === 'linux',
  'network interfaces': () => typeof os.networkInterfaces() === 'object' && Object.values(os.networkInterfaces()).flat().every(({ internal }) => internal),
  'folders': () => os.homedir() === '/tmp' && os.tmpdir() === '/tmp' && process.cwd() === '/workspace' && fs.existsSync(process.execPath),
  'use of resources': () => process.cpuUsage().user + process.cpuUsage().system > 0 && process.resourceUsage().maxRSS > 0 && v8.getHeapStatistics().heap_size_limit > 0,
  'clocks': () => process.hrtime.bigint() > 0n && performance.now() > 0 && Date.now() > 1.7e12 && process.hrtime()[0] >= 0,
  'delay of the loop': async () => { const delay = monitorEventLoopDelay({ resolution: 1 }); delay.enable(); for (let i = 0; i < 100 && !(delay.max > 0); i++) await new Promise((r) => setTimeout(r, 20)); delay.disable(); return delay.max > 0; },
  'time zones': () => at.toLocaleString('en-GB', { timeZone: 'Asia/Tokyo' }) === '01/02/2024, 00:00:00' && Intl.DateTimeFormat().resolvedOptions().timeZone.length > 0,
  'languages': () => at.toLocaleDateString('de-DE', { month: 'long', timeZone: 'UTC' }) === 'Januar' && (1234.5).toLocaleString('de-DE') === '1.234,5' && 'ä'.localeCompare('z', 'de') < 0,
  'priority and signals': () => os.getPriority() >= 0 && os.constants.signals.SIGTERM === 15 && process.kill(process.pid, 0),
  'environment': () => { process.env.ADDED = '1'; const has = process.env.ADDED === '1' && process.env.PATH.length > 0; delete process.env.ADDED; return has && process.umask() >= 0; },
};

exports.handler = async () => {
  const failed = {};
  for (const [name, idiom] of Object.entries(idioms)) {
    try {
      assert.ok(await idiom());
    } catch (error) {
      failed[name] = String(error);
    }
  }
  return { count: Object.keys(idioms).length, failed };
};
