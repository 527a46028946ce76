exports.handler = async () => ({
  statusCode: 200,
  headers: { 'Content-Type': 'application/octet-stream' },
  body: Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('base64'),
  isBase64Encoded: true,
});
