module.exports = async function (context, req) {
  context.log('JavaScript HTTP trigger function processed a request.');
  const name = req.query.name || (req.body && req.body.name);
  context.res = {
    status: name ? 200 : 400,
    headers: { 'x-method': req.method },
    body: name ? 'Hello, ' + name : 'Pass a name in the query string or in the request body',
  };
};
