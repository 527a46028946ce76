// What honest code uses of the language's own library. Each idiom is true, or throws.
const assert = require('assert');
const crypto = require('crypto');
const { readFileSync } = require('fs');
const readline = require('readline');
const { Readable } = require('stream');
const { promisify } = require('util');
const zlib = require('zlib');

const text = 'Grüße '.repeat(10000);
const same = (bytes) => bytes.toString() === text;

const idioms = {
  'gzip': async () => same(zlib.gunzipSync(zlib.gzipSync(text))) && same(await promisify(zlib.inflate)(await promisify(zlib.deflate)(text))),
  'brotli': async () => same(zlib.brotliDecompressSync(await promisify(zlib.brotliCompress)(text))),
  'hashes': () => crypto.createHash('sha256').update('a').digest('hex').startsWith('ca978112') && crypto.createHmac('sha1', 'k').update('a').digest().length === 20 && crypto.createHash('md5').update('').digest('hex').startsWith('d41d8'),
  'keys from passwords': async () => (await promisify(crypto.scrypt)('a', 'b', 32)).length === 32 && (await promisify(crypto.pbkdf2)('a', 'b', 1000, 32, 'sha256')).length === 32,
  'ciphers': () => { const key = crypto.randomBytes(32); const iv = crypto.randomBytes(12); const cipher = crypto.createCipheriv('aes-256-gcm', key, iv); const secret = Buffer.concat([cipher.update(text), cipher.final()]); const back = crypto.createDecipheriv('aes-256-gcm', key, iv); back.setAuthTag(cipher.getAuthTag()); return same(Buffer.concat([back.update(secret), back.final()])); },
  'signatures': async () => { const pair = promisify(crypto.generateKeyPair); for (const { privateKey, publicKey } of [await pair('rsa', { modulusLength: 2048 }), await pair('ec', { namedCurve: 'P-256' })]) { if (!crypto.verify('sha256', Buffer.from(text), publicKey, crypto.sign('sha256', Buffer.from(text), privateKey))) return false; } return true; },
  'random': () => new Set([crypto.randomUUID(), crypto.randomUUID(), crypto.randomInt(1e9), Math.random()]).size === 4 && crypto.getRandomValues === undefined || crypto.webcrypto.getRandomValues(new Uint8Array(8)).length === 8,
  'web crypto': async () => (await crypto.webcrypto.subtle.digest('SHA-256', Buffer.from('a'))).byteLength === 32,
  'numbers and words': () => new Intl.NumberFormat('en-US', { style: 'currency', currency: 'EUR' }).format(1234.5) === '€1,234.50' && new Intl.PluralRules('en').select(1) === 'one' && 'ﬁ'.normalize('NFKC') === 'fi' && 2n ** 100n > 1e30,
  'expressions': () => /(?<year>\d{4})/u.exec('in 2024').groups.year === '2024' && /\p{Lu}/u.test('Ä') && 'a-b'.replace(/(?<=a)-/, '+') === 'a+b',
  'addresses': () => new URL('/a?b=ü', 'https://exämple.com').href === 'https://xn--exmple-cua.com/a?b=%C3%BC' && new URLSearchParams({ a: 'b c' }).toString() === 'a=b+c',
  'streams': async () => { const lines = []; for await (const line of readline.createInterface({ input: Readable.from(['a\nb', '\nc']) })) lines.push(line); return lines.join() === 'a,b,c'; },
  'modules': async () => (await import('node:path')).join('a', 'b') === 'a/b' && require('module').builtinModules.length > 30 && readFileSync(require.resolve('./' + require('path').basename(__filename)), 'utf8').includes('idioms'),
  'bytes': () => Buffer.from('aGk=', 'base64').toString() === 'hi' && new TextDecoder('utf-16le').decode(new Uint8Array([104, 0])) === 'h' && Buffer.from('ü', 'latin1').length === 1 && new Float64Array(new Uint8Array(8).buffer)[0] === 0,
};

exports.handler = async () => {
  const failed = {};
  for (const [name, idiom] of Object.entries(idioms)) {
    try {
      assert.ok(await idiom());
    } catch (error) {
      failed[name] = String(error);
    }
  }
  return { count: Object.keys(idioms).length, failed };
};
