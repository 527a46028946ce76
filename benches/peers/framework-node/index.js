// The peer without isolation: Google's Functions Framework for Node.
const functions = require('@google-cloud/functions-framework');

functions.http('hello', (request, response) => {
  response.json({ greeting: `Hello, ${request.body.name}!` });
});
