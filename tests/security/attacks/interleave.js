exports.handler = async ({ word, ms, filler }) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  console.log(word);
  return { word, length: filler.length };
};
