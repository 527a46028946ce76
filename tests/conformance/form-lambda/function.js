'use strict';

exports.handler = function (event, context, callback) {
  context.callbackWaitsForEmptyEventLoop = false;
  if (!event.name) return callback(new Error('name is missing'));
  const left = context.getRemainingTimeInMillis();
  callback(null, {
    statusCode: 201,
    headers: { 'X-Request': context.awsRequestId.length > 10 ? 'has an id' : '' },
    body: JSON.stringify({
      message: `Hello, ${event.name}!`,
      inTime: left > 0 && left <= 30000,
      memory: Number(context.memoryLimitInMB),
      isNamed: context.functionName.startsWith('form-lambda'),
      version: context.functionVersion,
    }),
  });
};
