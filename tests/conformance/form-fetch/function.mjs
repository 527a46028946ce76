export default {
  async fetch(request, env, ctx) {
    ctx.waitUntil(Promise.resolve());
    const url = new URL(request.url);
    if (request.method === 'GET') return new Response(`Hello ${url.searchParams.get('name') ?? env.NAME}`, { headers: { 'X-A': 'b' } });
    return Response.json({ got: await request.json(), agent: request.headers.get('X-Agent') }, { status: 201 });
  },
};
