// As on a version of Node.js that has no such types.
delete globalThis.Request;
delete globalThis.Response;

export default { fetch: (request) => new Response(request.url) };
