exports.handler = async ({ how }) => {
  while (how === 'spin');
  if (how === 'sleep') {
    console.log('sleeping');
    await new Promise((resolve) => setTimeout(resolve, 60000));
  }
  return 'fine';
};
