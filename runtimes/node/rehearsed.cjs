'use strict';
// What the shim loads and calls before it has any code of an author's.
exports.handler = async (data, context) => ({ statusCode: 200, headers: { 'x-name': data.name }, body: { at: context.path } });
