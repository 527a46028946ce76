export default async (req, context) => {
  const { name } = await req.json();
  return new Response(`Hello ${name}`, { headers: { 'x-named': context.functionName.slice(0, 12) } });
};
