export default async function handler(request, context) {
  const has = 'params' in context;
  return { id: has ? request.params.id : undefined, name: request.params.name, data: request.body };
}
