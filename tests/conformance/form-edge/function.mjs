export default async function handler(request) {
  const { method, url, headers, body, query } = request;
  if (method === 'GET') return `Hello ${query.name ?? env.NAME}`;
  return {
    statusCode: 201,
    headers: { 'Content-Type': 'application/json', 'X-Agent': headers['x-agent'] },
    body: JSON.stringify({ got: JSON.parse(body), path: new URL(url).pathname }),
  };
}
