exports.handler = async (data, context) => ({
  method: context.method,
  path: context.path,
  test: context.headers['x-test'],
  query: context.query,
  name: context.functionName,
  project: context.projectId,
  version: context.version,
  has_id: context.invocationId.length > 8,
  has_time: !Number.isNaN(Date.parse(context.timestamp)),
});
