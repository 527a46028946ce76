exports.handler = function (context, event) {
  context.logger.info('reading');
  if (event.path.endsWith('/made')) {
    context.callback(new context.Response(JSON.stringify({ got: event.body.name }), { 'x-kind': 'made' }, 'application/json', 201));
    return;
  }
  context.callback('Hello ' + event.body.name);
};
