interface EdgeRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  query: Record<string, string | undefined>;
}

declare const env: Record<string, string>;

enum Status { Created = 201 }

export default async function handler(request: EdgeRequest) {
  const { method, url, headers, body, query } = request;
  if (method === 'GET') return `Hello ${query.name ?? env.NAME}`;
  return {
    statusCode: Status.Created,
    headers: { 'Content-Type': 'application/json', 'X-Agent': headers['x-agent'] },
    body: JSON.stringify({ got: JSON.parse(body) as unknown, path: new URL(url).pathname }),
  };
}
