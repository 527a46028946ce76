'use strict';
// process.stdout and process.stderr that write at once.
//
// Node's own streams on a pipe make it non-blocking for everybody who shares it and may still hold text when the answer
// is sent. These are done when write() returns, so that all a call prints is in the log pipe before its answer.

const { Writable } = require('stream');
const { writeAll } = require('./frame.cjs');

/** Who takes what is printed: it says whether it did; null where all goes to the log pipe. */
let taker = null;

class LogStream extends Writable {
  constructor(fd) {
    super({ decodeStrings: true });
    this.fd = fd;
    this._type = 'pipe';
    this._isStdio = true;
  }

  _write(chunk, encoding, done) {
    try {
      if (taker === null || !taker(chunk)) writeAll(this.fd, chunk, chunk.length);
    } catch (error) {
      // The author closed the descriptor: what is printed there is lost, as with any closed stream.
    }
    done();
  }

  /** As Node's own: stdout and stderr can't be closed. */
  _destroy(error, done) {
    done();
  }
}

/** Puts the streams where Node's would be. */
function replaceStreams() {
  for (const [name, fd] of [['stdout', 1], ['stderr', 2]]) {
    const stream = new LogStream(fd);
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
  }
}

/** Has what is printed taken by `take(bytes)`, as far as it does. */
function printTo(take) {
  taker = take;
}

module.exports = { printTo, replaceStreams };
