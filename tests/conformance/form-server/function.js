'use strict';

const http = require('http');

http.createServer((req, res) => {
  let body = '';
  req.on('data', (piece) => { body += piece; });
  req.on('end', () => {
    res.writeHead(201, { 'Content-Type': 'text/plain', 'X-Agent': req.headers['x-agent'] });
    res.end(`${req.method} ${req.url} ${body}`);
  });
}).listen(3000);
