addEventListener('fetch', (event) => {
  event.respondWith(handleRequest(event.request));
});

async function handleRequest(request) {
  const url = new URL(request.url);
  if (request.method === 'GET') return new Response(`Hello, ${url.searchParams.get('name') || 'World'}!`);
  const { name } = await request.json();
  const body = JSON.stringify({ greeting: `Hello, ${name}!`, key: process.env.KEY });
  return new Response(body, { status: 201, headers: { 'content-type': 'application/json' } });
}
