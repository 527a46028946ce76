'use strict';
// `handler(event, context)` that reads its event as AWS Lambda's function URLs, API Gateway and Netlify send it.

const { requestOf } = require('./forms.cjs');
const { textOf, base64Of } = require('./frame.cjs');
const { isArray } = Array;
const { entries, fromEntries } = Object;

/** Whether a value that `execute` brings is such an event already, as `aws lambda invoke` has it. */
const MARKS = ['requestContext', 'httpMethod', 'rawPath', 'queryStringParameters', 'body'];
const isEvent = (data) => data !== null && typeof data === 'object' && MARKS.some((mark) => mark in data);

/** Whether the bytes are text as they stand. */
function isText(bytes) {
  return Buffer.from(textOf(bytes, 0, bytes.length)).equals(bytes);
}

/** The request as an event: the fields of payload format 2.0, and of 1.0 those that are named otherwise. */
function gatewayEvent(event) {
  const { head, body, context } = event;
  const { method, path, base, headers, query } = requestOf(event);
  const below = path.slice(base.length) || '/';
  const isBytes = !isText(body);
  const joined = entries(query).map(([name, value]) => [name, isArray(value) ? value.join(',') : value]);
  const lists = (values) => fromEntries(entries(values).map(([name, value]) => [name, [].concat(value)]));
  const ip = (headers['x-forwarded-for'] || '127.0.0.1').split(',')[0].trim();
  const agent = headers['user-agent'];
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: below,
    rawQueryString: head.query,
    cookies: headers.cookie === undefined ? undefined : headers.cookie.split(/;\s*/),
    headers,
    queryStringParameters: joined.length === 0 ? null : fromEntries(joined),
    pathParameters: null,
    stageVariables: null,
    requestContext: {
      accountId: 'anonymous', apiId: String(context.functionId), stage: '$default', routeKey: '$default', requestId: context.invocationId,
      domainName: headers.host, time: context.timestamp, timeEpoch: Date.parse(context.timestamp), httpMethod: method, path: below,
      http: { method, path: below, protocol: 'HTTP/1.1', sourceIp: ip, userAgent: agent },
      identity: { sourceIp: ip, userAgent: agent },
    },
    httpMethod: method,
    path: below,
    resource: '/{proxy+}',
    multiValueHeaders: lists(headers),
    multiValueQueryStringParameters: joined.length === 0 ? null : lists(query),
    body: body.length === 0 ? null : isBytes ? base64Of(body, 0, body.length) : textOf(body, 0, body.length),
    isBase64Encoded: isBytes,
  };
}

/** What the handler's first parameter is. */
function eventOf(event) {
  return event.head.mode === 'raw' && isEvent(event.data) ? event.data : gatewayEvent(event);
}

module.exports = { eventOf };
