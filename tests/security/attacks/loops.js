exports.handler = async ({ way, seconds }) => {
  if (way === 'sync') for (;;);
  if (way === 'regex') /^(a+)+$/.test('a'.repeat(64) + 'b');
  if (way === 'native') {
    // Only microtasks: the event loop never turns.
    for (;;) await null;
  }
  if (way === 'bigint') for (let n = 3n; ; ) n = n * n % (1n << 4_000_000n);
  if (way === 'signals') {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGALRM']) process.on(name, () => {});
    for (;;);
  }
  if (way === 'stop') {
    process.kill(process.pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  }
  if (way === 'spin') {
    const until = Date.now() + seconds * 1000;
    while (Date.now() < until);
  }
  return way;
};
