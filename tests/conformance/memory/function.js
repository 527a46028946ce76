exports.handler = async ({ mb }) => {
  const kept = [];
  for (let i = 0; i < mb; i += 1) kept.push(Buffer.alloc(1 << 20, 1));
  return kept.length === mb ? 'fine' : 'odd';
};
