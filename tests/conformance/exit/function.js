exports.handler = async ({ code }) => {
  if (code < 0) return 'fine';
  console.log('leaving');
  process.exit(code);
};
