module.exports = async function (context) {
  const { name } = context.request.body;
  return { status: 201, body: `Hello, ${name}!\n`, headers: { 'X-Path': context.request.path, 'Content-Type': 'text/plain' } };
};
