exports.handler = async (data) => {
  console.log('before');
  if (data.fail) throw new RangeError('the secret is 42');
  return 'fine';
};
