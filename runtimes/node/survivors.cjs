'use strict';
// What a call leaves running in its process: that which would keep the process alive once the call is answered.
//
// Sockets and requests under way are not counted: agents of honest libraries keep those between calls, and they are
// for a later call to use. A timer that was unref'ed says itself that nobody waits for it.

const { stat, statSync } = require('fs');
const { pause } = require('./frame.cjs');
const cut = Function.prototype.call.bind(String.prototype.slice);
// Node 14 and the first releases of 16 don't tell of timers; a sandbox without calls is frozen all the same.
const resources = process.getActiveResourcesInfo ||
  (() => process._getActiveHandles().map((handle) => (typeof handle.pid === 'number' ? 'ProcessWrap' : '')));
/** A folder whose number of links grows with the threads. */
const TASKS = `/proc/${process.pid}/task`;

/**
 * Whether the code may have started a thread: the service counts them all, so this is only what an answer is told with. An early
 * release that doesn't tell of workers is taken to have some.
 */
let mayHaveThreads = !tellsOfWorkers(process.versions.node);
process.on('worker', () => { mayHaveThreads = true; });

function tellsOfWorkers(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 16 || (major === 16 && minor >= 2) || (major === 14 && minor >= 18);
}

/** Milliseconds that a thread may take to end. */
const PATIENCE = 5;

/** How many threads there are; 0 where nobody says. */
function countThreads() {
  try {
    return statSync(TASKS).nlink;
  } catch (error) {
    return 0;
  }
}

/** `{timers, processes}` now. */
function count() {
  const names = resources();
  let timers = 0;
  let processes = 0;
  for (let i = 0; i < names.length; i++) {
    if (names[i] === 'Timeout' || names[i] === 'Immediate') timers++;
    else if (names[i] === 'ProcessWrap') processes++;
  }
  return { timers, processes };
}

/** A look into `/proc` costs as much as all else between two calls, so most calls have none. */
const hasMoreThreads = () => mayHaveThreads && countThreads() > baseline.threads;

/** What there was when the code had been loaded: that is the function's own choice. */
let baseline = { timers: Infinity, processes: Infinity, threads: Infinity };

/** Whether an earlier call's exception came when nobody could be told. */
let isDistrusted = false;

/** From now on the process is not to be used again. */
function distrust() {
  isDistrusted = true;
}

/** An exception alone, as such a field: what else is left can't be told beside other calls. */
const exceptionField = () => (isDistrusted ? ',"survivors":["exception"]' : '');

/** Takes what runs now for what may run. */
function accept() {
  baseline = { ...count(), threads: countThreads() };
}

/** The kinds beyond the baseline, as a field of a header; empty where there are none. */
function survivorsField() {
  const { timers, processes } = count();
  let kinds = isDistrusted ? ',"exception"' : '';
  if (timers > baseline.timers) kinds += ',"timer"';
  if (hasMoreThreads()) kinds += ',"thread"';
  if (processes > baseline.processes) kinds += ',"process"';
  return kinds === '' ? '' : `,"survivors":[${cut(kinds, 1)}]`;
}

/** Gives a thread that was told to end the time to do so: it is joined a moment before the kernel forgets it. */
function awaitThreads() {
  for (let i = 0; i < PATIENCE && hasMoreThreads(); i++) pause();
}

/** Starts the threads that work on files and names: they are made all at once, by the first request. */
function startThreads() {
  stat('/', () => {});
}

module.exports = { accept, awaitThreads, distrust, exceptionField, startThreads, survivorsField };
