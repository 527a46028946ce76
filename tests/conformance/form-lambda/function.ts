import type { Context } from 'aws-lambda';

type Event = { name?: string };

export const handler = async (event: Event, context: Context) => {
  context.callbackWaitsForEmptyEventLoop = false;
  if (!event.name) throw new Error('name is missing');
  const left: number = context.getRemainingTimeInMillis();
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
