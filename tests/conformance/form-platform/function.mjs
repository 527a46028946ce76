export default async function handler(request, context) {
  const { name } = request.body;
  context.log.info('Processing request', { name });
  if (!name) return context.error('name is missing', 'VALIDATION_ERROR');
  return context.success({ message: `Hello, ${name}!` });
}

export const config = { name: 'My Function', timeout: 30000, memory: 256 };
