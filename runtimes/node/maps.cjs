'use strict';
// Stack traces of compiled code with the places of its author's sources.
//
// A file `x.mjs` with a source map has it beside it, as `x.mjs.map`, be it of the service's compiler or of another one. Maps are read when a stack is shown, and never
// before: code that throws nothing pays nothing. Where functions have no maps this module isn't loaded.

const { readFileSync, existsSync } = require('fs');
const { dirname, join, sep } = require('path');
const { fileURLToPath } = require('url');
const { parse } = JSON;
const showError = Function.prototype.call.bind(Error.prototype.toString);

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** The value of each digit, by its character's code. */
const VALUES = new Uint8Array(128);
for (let i = 0; i < DIGITS.length; i++) VALUES[DIGITS.charCodeAt(i)] = i;

/** A source map: where each line of it begins, as `[offset, source, line, column]`. */
class SourceMap {
  constructor({ mappings, sources }) {
    if (typeof mappings !== 'string' || !Array.isArray(sources)) throw new TypeError('no source map');
    this.mappings = mappings;
    this.sources = sources;
    this.lines = [[0, 0, 0, 0]];
  }

  /** Reads a line of the mappings up to a column; leaves in `state` what the next line begins with. */
  scan(state, wanted) {
    const { mappings } = this;
    let [at, source, line, column] = state;
    let made = 0;
    let found = null;
    const fields = [0, 0, 0, 0];
    while (at < mappings.length && mappings[at] !== ';') {
      let count = 0;
      while (at < mappings.length && mappings[at] !== ',' && mappings[at] !== ';') {
        let value = 0;
        let shift = 0;
        let digit;
        do {
          digit = VALUES[mappings.charCodeAt(at++) & 127];
          value += (digit & 31) * 2 ** shift;
          shift += 5;
        } while (digit & 32);
        if (count < 4) fields[count] = value % 2 === 1 ? -(value - 1) / 2 : value / 2;
        count++;
      }
      if (mappings[at] === ',') at++;
      made += fields[0];
      if (count >= 4) {
        source += fields[1];
        line += fields[2];
        column += fields[3];
        if (made <= wanted) found = { source: this.sources[source], line: line + 1, column: column + 1 };
      }
    }
    return { found, next: [at + 1, source, line, column] };
  }

  /** The place in the sources of a place in the code, both counted from 1. */
  find(line, column) {
    const { lines } = this;
    while (lines.length < line) {
      const state = lines[lines.length - 1];
      if (state[0] > this.mappings.length) return null;
      lines.push(this.scan(state, -1).next);
    }
    return this.scan(lines[line - 1], column - 1).found;
  }
}

/** The maps that were read, by file; null where there is none. */
const maps = new Map();

function mapOf(file) {
  let map = maps.get(file);
  if (map === undefined) {
    map = null;
    try {
      if (existsSync(`${file}.map`)) map = new SourceMap(parse(readFileSync(`${file}.map`, 'utf8')));
    } catch (error) {
      // A map that can't be read is no map.
    }
    maps.set(file, map);
  }
  return map;
}

/** `/workspace/index.ts:3:5` for a place in a compiled file; nothing for any other. */
function sourceOf(name, line, column) {
  const file = name.startsWith('file:') ? fileURLToPath(name) : name;
  if (!file.startsWith(sep)) return undefined;
  const map = mapOf(file);
  const found = map === null ? null : map.find(line, column);
  return found === null ? undefined : `${join(dirname(file), found.source)}:${found.line}:${found.column}`;
}

/** A frame's text, with the place in the source. */
function frameText(site) {
  const text = String(site);
  try {
    const name = site.getFileName();
    const [line, column] = [site.getLineNumber(), site.getColumnNumber()];
    if (typeof name !== 'string' || line === null) return text;
    const place = sourceOf(name, line, column);
    return place === undefined ? text : text.replace(`${name}:${line}:${column}`, () => place);
  } catch (error) {
    return text;
  }
}

/** What an error says of itself. */
function titleOf(error) {
  try {
    return showError(error);
  } catch (again) {
    return 'Error';
  }
}

/** From now on stacks show the sources. Code may put its own function in this one's place, as ever. */
function install() {
  Error.prepareStackTrace = (error, sites) => [titleOf(error), ...sites.map((site) => `    at ${frameText(site)}`)].join('\n');
}

module.exports = { install, mapOf };
