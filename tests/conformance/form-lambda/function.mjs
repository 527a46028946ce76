export const handler = async (event, context) => {
  context.callbackWaitsForEmptyEventLoop = false;
  if (!event.name) throw new Error('name is missing');
  const left = context.getRemainingTimeInMillis();
  return {
    statusCode: 201,
    headers: { 'X-Request': context.awsRequestId.length > 10 ? 'has an id' : '' },
    body: JSON.stringify({
      message: `Hello, ${event.name}!`,
      inTime: left > 0 && left <= 30000,
      memory: Number(context.memoryLimitInMB),
      isNamed: context.functionName.startsWith('form-lambda'),
      version: context.functionVersion,
    }),
  };
};
