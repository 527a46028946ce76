module.exports = async (req, res) => {
  console.log('Processing request for:', req.query.name);
  await new Promise((resolve) => setTimeout(resolve, 5));
  if (req.path.endsWith('/there')) return res.redirect('/elsewhere');
  if (req.path.endsWith('/bytes')) return res.type('png').send(Buffer.from([0, 255]));
  res.status(202).cookie('a', 'b', { httpOnly: true }).setHeader('X-One', 'two');
  res.json({ message: `Hello, ${req.query.name}!`, method: req.method, body: req.body });
};
