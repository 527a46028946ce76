exports.handler = async () => {
  console.log('one');
  console.error('two');
  console.log('three: %s', 'ü');
  return 'done';
};
