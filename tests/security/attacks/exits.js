exports.handler = async ({ way }) => {
  if (way === 'exit') process.exit(3);
  if (way === 'signal') process.kill(process.pid, 'SIGKILL');
  return way;
};
