module.exports = async (event, context) => {
  if (event.method === 'DELETE') return context.fail(new Error('not allowed'));
  return context.status(201).headers({ 'X-Path': event.path }).succeed({ got: event.body, query: event.query });
};
