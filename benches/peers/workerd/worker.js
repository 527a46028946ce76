// The peer with isolates: workerd, of which its own document says that they are no sandbox for hostile code.
export default {
  async fetch(request) {
    const data = await request.json();
    return Response.json({ greeting: `Hello, ${data.name}!` });
  },
};
