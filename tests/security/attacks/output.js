// Answers, output and exceptions that nobody would write who meant well.
const MB = 1 << 20;

const circular = {};
circular.self = circular;
const many = () => Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i]));
const getter = (value) => Object.defineProperty({}, 'a', { enumerable: true, get: value });
const raise = (error) => () => { throw error; };

const values = [
  () => undefined, () => null, () => NaN, () => Infinity, () => -0, () => 1e308, () => 5e-324, () => 2 ** 53 + 1,
  () => 10n, () => Symbol('x'), () => () => 1, () => class A {}, () => circular, () => [circular], () => new Date(NaN),
  () => new Date(0), () => /x/g, () => new Map([[1, 2]]), () => new Set([1]), () => new WeakMap(), () => new Error('not thrown'),
  () => Buffer.from([0, 255]), () => new Uint8Array(3), () => new ArrayBuffer(3), () => [, , 1], () => new Array(1000),
  () => '\ud800', () => '\0\u0001\u2028', () => '', () => ({ __proto__: null, a: 1 }), () => JSON.parse('{"__proto__":1}'),
  () => getter(raise(new Error('getter'))), () => ({ toJSON: raise('toJSON') }), () => ({ toJSON: () => circular }),
  () => ({ toJSON: () => undefined }), () => new Proxy({}, { ownKeys: raise(new Error('proxy')) }), () => Promise.reject(null),
  () => ({ then: raise(new Error('then')) }), () => ({ then: (done) => done({ then: (again) => again(7) }) }),
  () => new Boolean(false), () => Object.create({ inherited: 1 }), many, () => globalThis, () => process, () => require,
];

const coded = Object.assign(new Error('coded'), { code: 'FORBIDDEN', status: 200, statusCode: 201, kind: 'invalid_response' });
const endless = new Error('a');
endless.cause = endless;
class Renamed extends Error { get name() { throw new Error('name'); } }
class Silent extends Error { get message() { throw new Error('message'); } }
class Stackless extends Error { get stack() { throw new Error('stack'); } }

const exceptions = [
  () => { throw undefined; }, () => { throw null; }, () => { throw 0; }, () => { throw ''; }, () => { throw 'text'; },
  () => { throw 1n; }, () => { throw Symbol('s'); }, () => { throw NaN; }, () => { throw circular; }, () => { throw () => 1; },
  () => { throw {}; }, () => { throw { message: 1, stack: 2, name: 3 }; }, () => { throw { message: 'm', code: 'TIMEOUT' }; },
  () => { throw coded; }, () => { throw endless; }, () => { throw new Renamed('x'); }, () => { throw new Silent('x'); },
  () => { throw new Stackless('x'); }, () => { throw new Error('x'.repeat(10 * MB)); }, () => { throw new Error('\0'.repeat(MB)); },
  () => { throw new Error('\ud800'); }, () => { throw Object.assign(new Error(''), { stack: 'y\n'.repeat(MB) }); },
  () => { throw Object.assign(new Error('p'), { name: '\u001b[2J\r\nforged' }); }, () => { throw new AggregateError([coded, coded]); },
  () => { throw new Proxy(new Error('p'), { get: raise(new Error('trap')) }); }, () => { throw getter(raise(new Error('g'))); },
  () => { throw new Error('<script>'); }, () => { throw Object.create(null); }, () => (function f() { return 1 + f(); })(),
  () => null.x, () => Promise.reject(coded), () => JSON.parse('{'), () => { throw new Date(NaN); },
];

const ways = {
  none: () => 'fine',
  flood: ({ mb, to }) => {
    const lines = to === 'lines';
    const chunk = lines ? `${'x'.repeat(79)}\n`.repeat(MB / 80) : 'x'.repeat(MB);
    for (let i = 0; i < mb; i++) (to === 'stderr' ? process.stderr : process.stdout).write(chunk);
    return 'kept';
  },
  text: ({ unit, count }) => unit.repeat(count),
  keys: ({ count }) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`key${i}`, i])),
  deep: ({ depth }) => { let v = []; for (let i = 1; i < depth; i++) v = [v]; return v; },
  same: ({ value }) => value,
  value: ({ at }) => (at === undefined ? values.length : values[at]()),
  exception: ({ at }) => (at === undefined ? exceptions.length : exceptions[at]()),
  print: ({ text }) => { process.stdout.write(text); return 'printed'; },
  bytes: ({ hex }) => { process.stdout.write(Buffer.from(hex, 'hex')); return 'printed'; },
};

exports.handler = async (data) => ways[data.way](data);
