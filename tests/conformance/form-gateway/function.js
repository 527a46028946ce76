'use strict';

exports.handler = async (event) => {
  const { name = 'nobody' } = event.queryStringParameters || {};
  const body = event.body ? JSON.parse(event.body) : null;
  return {
    statusCode: 201,
    headers: { 'Content-Type': 'application/json' },
    multiValueHeaders: { 'X-Many': ['1', '2'] },
    cookies: ['a=1; Secure', 'b=2'],
    body: JSON.stringify({ name, body, method: event.requestContext.http.method, path: event.rawPath, isBytes: event.isBase64Encoded }),
  };
};
