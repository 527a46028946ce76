export default async ({ req, res, log, error }) => {
  log('Hello, Logs!');
  if (req.method === 'GET') return res.text('Hello, World!');
  if (req.path === '/there') return res.redirect('/elsewhere', 302);
  return res.json({ motto: 'Build like a team of hundreds_', got: req.bodyJson }, 201, { 'X-A': 'b' });
};
