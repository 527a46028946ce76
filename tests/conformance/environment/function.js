exports.handler = async (data, context) => ({
  key: process.env.API_KEY,
  empty: process.env.EMPTY,
  words: process.env.WORDS,
  from_context: context.env.API_KEY,
  of_the_service: process.env.CLOUDBOX_ADMIN_TOKEN ?? null,
});
