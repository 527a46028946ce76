exports.handler = async (data) => {
  console.log('grüße 世界 🚀');
  return { text: data.text, points: [...data.text].length, data };
};
