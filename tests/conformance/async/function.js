const later = (value) => new Promise((resolve) => setTimeout(resolve, 1, value));

exports.handler = async (data) => {
  const parts = await Promise.all(Array.from({ length: data.n }, (_, i) => later(i)));
  return { sum: parts.reduce((a, b) => a + b, 0) };
};
