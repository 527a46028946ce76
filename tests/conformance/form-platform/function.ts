import type { PlatformContext, PlatformRequest } from '@cloudbox/types';

export default async function handler(request: PlatformRequest, context: PlatformContext) {
  const { name } = request.body as { name?: string };
  context.log.info('Processing request', { name });
  if (!name) return context.error('name is missing', 'VALIDATION_ERROR');
  return context.success({ message: `Hello, ${name}!` });
}

export const config = { name: 'My Function', timeout: 30000, memory: 256 } as const;
