exports.handler = async (data, context) => ({
  id: context.params && context.params.id, name: context.params && context.params.name, data,
});
