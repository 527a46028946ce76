'use strict';

exports.HelloHttp = (req, res) => {
  const name = req.query.name || req.body.name || 'World';
  switch (req.get('content-type')) {
    case 'application/json':
      res.set('X-Kind', 'json');
      break;
    default:
      res.set('X-Kind', 'other');
  }
  res.status(200).send(`Hello ${name}!`);
};
