export default async function handler(req, res) {
  if (req.method !== 'POST') {
    res.setHeader('Allow', 'POST');
    return res.status(405).json({ error: `Method ${req.method} is not allowed` });
  }
  const { name = 'World' } = req.body;
  res.setHeader('Set-Cookie', ['a=1', 'b=2']);
  return res.status(200).json({ message: `Hello ${name}!`, tags: req.query.tag });
}
