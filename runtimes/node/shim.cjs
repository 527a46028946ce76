'use strict';
// The shim for Node.js 14 and later: loads a function's code and calls its handler, as ../PROTOCOL.md says.
//
// One call at a time: after an answer the event loop turns once, then the next request is read. Several at once are in
// several.cjs.

const { closeSync, openSync } = require('fs');
const { KIND, takeDescriptors } = require('./frame.cjs');
// Before anything else may print.
const wire = takeDescriptors();
require('./streams.cjs').replaceStreams();
require('./machine.cjs').answerForMachine();
const { failureFrame, messageOf } = require('./answer.cjs');
const { failureOf, run } = require('./call.cjs');
const { NoEntryPoint, loadHandler } = require('./handler.cjs');
const { HostCalls } = require('./host.cjs');
const { missingEnvironment } = require('./platform.cjs');
const { accept, awaitThreads, distrust, startThreads, survivorsField } = require('./survivors.cjs');

const immediate = setImmediate;
const later = setTimeout;
const clear = clearTimeout;
const { parse, stringify } = JSON;
const { assign, keys } = Object;
const cut = Function.prototype.call.bind(String.prototype.slice);

/** Variables that belong to the sandbox; all others are the function's own. */
const KEPT = new Set(['PATH', 'HOME', 'TMPDIR', 'USER', 'LANG', 'LC_ALL', 'TZ', 'SSL_CERT_FILE', 'SSL_CERT_DIR']);

/** What runs now: its nonce, and whether it was answered. */
let current = null;
/** Whether what runs is the shim's own, see `rehearse`. */
let isRehearsing = true;
/** The code, once it is loaded: `{handler, style, function, env}`. */
let loaded = null;
/** Who answers the calls where there may be several at once. */
let several = null;
const hostCalls = new HostCalls(wire, (exchange) => exchange === current);
const turn = {
  wire,
  hostCalls,
  answer,
  piece: (exchange, header, bytes) => { if (!exchange.isAnswered) wire.send(KIND.chunk, header, bytes); },
};

/** Answers `exchange`, unless it has its answer. */
function answer(exchange, frame) {
  if (exchange.isAnswered) return;
  clear(held);
  if (survivorsField() === '') send(exchange, frame, '');
  // What was ended a moment ago is gone when the loop has turned, and once more for what is closed at a turn's end.
  else immediate(() => immediate(() => sendLate(exchange, frame)));
}

function sendLate(exchange, frame) {
  awaitThreads();
  send(exchange, frame, survivorsField());
}

/** Sends the answer, and what the call leaves with it. */
function send(exchange, { kind, header, body }, survivors) {
  if (exchange.isAnswered) return;
  exchange.isAnswered = true;
  current = null;
  hostCalls.end();
  wire.send(kind, survivors === '' ? header : `${cut(header, 0, -1)}${survivors}}`, body);
  if (several !== null && loaded !== null) several.begin(loaded);
  else immediate(next);
}

/** Answers with what the code threw. */
function fail(exchange, thrown) {
  answer(exchange, failureOf(exchange, thrown));
}

function replaceEnvironment(env) {
  for (const name of keys(process.env)) {
    if (!KEPT.has(name)) delete process.env[name];
  }
  assign(process.env, env);
}

async function onLoad(head) {
  const exchange = current = { nonce: head.nonce, isAnswered: false, isStreaming: false, phase: 'load' };
  try {
    if (head.concurrency > 1) several = new (require('./several.cjs').Calls)(wire);
    process.chdir(head.code_dir);
    process.argv = [process.argv[0], `${head.code_dir}/${head.main}`];
    replaceEnvironment(head.env);
    // The variables as a global, as edge functions have them; code may declare its own.
    if (!('env' in globalThis)) globalThis.env = head.env;
    const { handler, style, config } = await loadHandler(head);
    loaded = { handler, style, function: head.function, env: head.env, missing: missingEnvironment(config) };
    const more = several === null ? '' : `,"concurrency":${head.concurrency}`;
    const header = `{"nonce":"${head.nonce}","handler_style":${stringify(style.name)}${more}}`;
    accept();
    answer(exchange, { kind: KIND.loaded, header, body: null });
  } catch (error) {
    if (error instanceof NoEntryPoint) {
      answer(exchange, failureFrame(head.nonce, 'entry_point', error.message, ''));
    } else {
      fail(exchange, error);
    }
  }
}

function onInvoke(head, body) {
  const exchange = current = { nonce: head.nonce, isAnswered: false, isStreaming: false, phase: 'call' };
  return run(turn, loaded, exchange, head, body);
}

/** Reads the next request and starts on it. */
function next() {
  if (current !== null || isRehearsing) return;
  let { kind, header, body } = wire.read();
  // To an earlier call, which has ended without waiting for it.
  while (kind === KIND.reply) ({ kind, header, body } = wire.read());
  if (kind === KIND.load && loaded === null) onLoad(header);
  else if (kind === KIND.invoke && loaded !== null) onInvoke(header, body);
  else throw new Error(`a frame of kind ${kind} out of turn`);
}

/**
 * What nobody caught fails the call that runs. Between calls there is nobody to tell but the log, and what it left half
 * done serves one call more.
 */
function onUncaught(thrown) {
  if (current !== null) {
    fail(current, thrown);
    return;
  }
  if (several !== null) {
    several.onUncaught(thrown);
    return;
  }
  distrust();
  process.stderr.write(`uncaught between two calls: ${messageOf(thrown)}\n`);
}

/** Milliseconds of the longest timer, 24 days: no call lasts as long. */
const FOR_EVER = 2 ** 31 - 1;

/** What keeps the process up while a call hangs. */
let held;

/**
 * Nothing is left that could wake the process up: a promise that never settles. Code that loads is told so; a call
 * that hangs ends as every call that hangs does, at its deadline.
 */
function onStall() {
  if (current === null) return;
  if (current.phase === 'call') {
    held = later(() => {}, FOR_EVER);
    return;
  }
  const what = 'the code waits for a promise that nothing can settle any more';
  answer(current, failureFrame(current.nonce, 'error', `Error: ${what}`, ''));
}

/** The headers of a load and a call that never come. */
const REHEARSED = ['.cjs', '.mjs'].map((extension) => [
  `{"nonce":"","main":"rehearsed${extension}","entry_point":"index.handler","handler_style":"auto","isolation":"version","env":{},` +
    '"function":{"id":1,"name":"a","project_id":1,"version":1,"memory_mb":128}}',
  '{"nonce":"","invocation_id":"","mode":"http","data":"body","method":"POST","path":"/","base_path":"/","query":"","headers":' +
    '[["accept","*/*"],["content-type","application/json"]],"timestamp":"","timeout_ms":1,"deadline_ms":1,"max_response_bytes":1024,' +
    '"may_stream":true}',
]);

/**
 * Loads and calls functions of ours, and sends the answers nowhere. Node compiles what runs for the first time, and sets its loaders up: that
 * takes longer than a small function's code does, and here nobody waits for it.
 */
async function rehearse() {
  const { answers } = wire;
  const turned = () => new Promise((resolve) => immediate(resolve));
  wire.answers = openSync('/dev/null', 'w');
  for (const [load, invoke] of REHEARSED) {
    await onLoad(assign(parse(load), { code_dir: __dirname }));
    await turned();
    if (loaded === null) break;
    await onInvoke(parse(invoke), Buffer.from('{"name":"Ada"}'));
    await turned();
    loaded = null;
  }
  loaded = null;
  for (const name of keys(require.cache)) if (/rehearsed\.cjs$/.test(name)) delete require.cache[name];
  delete globalThis.env;
  closeSync(wire.answers);
  wire.answers = answers;
  current = null;
  isRehearsing = false;
}

process.on('uncaughtException', onUncaught);
process.on('unhandledRejection', onUncaught);
process.on('beforeExit', onStall);
startThreads();
// From a turn of its own, since what the author's code leaves for the next tick comes before what waits for it.
rehearse().then(() => immediate(() => {
  wire.send(KIND.hello, stringify({ protocol: 1, runtime: 'node', version: process.versions.node }), null);
  next();
}));
