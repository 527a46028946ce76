// What honest code does with files. Each idiom is true, or throws.
const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { pipeline } = require('stream/promises');
const { once } = require('events');

let folder;
const at = (name) => path.join(folder, name);
const written = (name) => { fs.writeFileSync(at(name), name); return at(name); };

const idioms = {
  'write and read': () => fs.readFileSync(written('a'), 'utf8') === 'a',
  'a folder for a while': () => { const made = fs.mkdtempSync(at('x')); fs.rmSync(made, { recursive: true }); return !fs.existsSync(made); },
  'append and stat': () => { fs.appendFileSync(written('b'), 'more'); return fs.statSync(at('b')).size === 5; },
  'rename': () => { fs.renameSync(written('c'), at('d')); return fs.existsSync(at('d')); },
  'symbolic link': () => { fs.symlinkSync(written('e'), at('e2')); return fs.realpathSync(at('e2')) === fs.realpathSync(at('e')); },
  'hard link': () => { fs.linkSync(written('f'), at('f2')); return fs.statSync(at('f')).nlink === 2; },
  'streams': async () => { await pipeline(fs.createReadStream(__filename), fs.createWriteStream(at('g'))); return fs.readFileSync(at('g')).equals(fs.readFileSync(__filename)); },
  'copy': async () => { await fs.promises.copyFile(__filename, at('h')); fs.copyFileSync(at('h'), at('i')); return fs.statSync(at('i')).size > 0; },
  'list': async () => { const names = []; for await (const entry of await fs.promises.opendir(folder)) names.push(entry.name); return names.includes('a'); },
  'modes and times': () => { const file = written('j'); fs.chmodSync(file, 0o600); fs.utimesSync(file, 1, 2); return fs.statSync(file).mtimeMs === 2000; },
  'lock file': () => { fs.closeSync(fs.openSync(at('k'), 'wx')); try { fs.openSync(at('k'), 'wx'); return false; } catch (error) { return error.code === 'EEXIST'; } },
  'truncate and sync': async () => { const file = await fs.promises.open(at('l'), 'w+'); await file.truncate(100); await file.sync(); await file.close(); return fs.statSync(at('l')).size === 100; },
  'devices': () => { const file = fs.openSync('/dev/urandom', 'r'); const bytes = Buffer.alloc(16); fs.readSync(file, bytes); fs.closeSync(file); fs.writeFileSync('/dev/null', 'x'); return !bytes.equals(Buffer.alloc(16)); },
  'watch': async () => { const watcher = fs.watch(folder); const seen = once(watcher, 'change'); written('m'); await seen; watcher.close(); return true; },
};

exports.handler = async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'honest-'));
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
