'use strict';
// What a call leaves running in its process: that which would keep the process alive once the call is answered.
//
// Sockets and requests under way are not counted: agents of honest libraries keep those between calls, and they are
// for a later call to use. A timer that was unref'ed says itself that nobody waits for it.

const { stat, statSync } = require('fs');
const { pause } = require('./frame.cjs');
const cut = Function.prototype.call.bind(String.prototype.slice);
const includes = Function.prototype.call.bind(Array.prototype.includes);
// Node 14 and the first releases of 16 don't tell of timers; a sandbox without calls is frozen all the same.
const resources = process.getActiveResourcesInfo ||
  (() => process._getActiveHandles().map((handle) => (typeof handle.pid === 'number' ? 'ProcessWrap' : '')));
/** A folder whose number of links grows with the threads. */
const TASKS = `/proc/${process.pid}/task`;

/** The built-in modules that were loaded so far; of these, workers need one. */
const loadedModules = process.moduleLoadList || [];
const WORKERS = 'NativeModule worker_threads';
let seenModules = 0;
/** Whether the code may have started a thread: it has workers, or an addon. Where Node doesn't tell what it loaded, it always may. */
let mayHaveThreads = process.moduleLoadList === undefined;
const { dlopen } = process;
process.dlopen = function (...args) {
  mayHaveThreads = true;
  return dlopen.apply(this, args);
};

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

/** Whether there are more threads than then. A look into `/proc` costs as much as all else between two calls, so most calls have none. */
function hasMoreThreads() {
  if (!mayHaveThreads && loadedModules.length !== seenModules) {
    seenModules = loadedModules.length;
    mayHaveThreads = includes(loadedModules, WORKERS);
  }
  return mayHaveThreads && countThreads() > baseline.threads;
}

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
