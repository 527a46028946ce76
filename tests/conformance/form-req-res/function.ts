import http = require('http');

type Answer = http.ServerResponse & Record<string, any>;

export = async (req: Record<string, any>, res: Answer): Promise<void> => {
  console.log('Processing request for:', req.query.name);
  await new Promise<void>((resolve) => setTimeout(resolve, 5));
  if (req.path.endsWith('/there')) return res.redirect('/elsewhere');
  if (req.path.endsWith('/bytes')) return res.type('png').send(Buffer.from([0, 255]));
  res.status(202).cookie('a', 'b', { httpOnly: true }).setHeader('X-One', 'two');
  res.json({ message: `Hello, ${req.query.name}!`, method: req.method, body: req.body });
};
