'use strict';
// Names of handlers that the shim and the check both know.

/** Names that say "the handler", whatever it is called: what functions have whose author chose none. */
const ANY_NAME = ['handler', 'main', 'index', 'default'];

module.exports = { ANY_NAME };
