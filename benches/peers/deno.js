// The peer with permissions: deno serve.
export default {
  async fetch(request) {
    const data = await request.json();
    return Response.json({ greeting: `Hello, ${data.name}!` });
  },
};
