interface Env { NAME: string }
interface Context { waitUntil(promise: Promise<unknown>): void }

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    ctx.waitUntil(Promise.resolve());
    const url = new URL(request.url);
    if (request.method === 'GET') return new Response(`Hello ${url.searchParams.get('name') ?? env.NAME}`, { headers: { 'X-A': 'b' } });
    return Response.json({ got: (await request.json()) as object, agent: request.headers.get('X-Agent') }, { status: 201 });
  },
} satisfies { fetch: unknown };
