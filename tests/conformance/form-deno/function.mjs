Deno.serve(async (req) => {
  const url = new URL(req.url);
  if (req.method === 'GET') return new Response(`Hello, ${url.searchParams.get('name') ?? 'World'}!`);
  const { name } = await req.json();
  return Response.json({ greeting: `Hello, ${name}!`, key: Deno.env.get('KEY') }, { status: 201 });
});
