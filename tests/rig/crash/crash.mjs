//! A crash of the machine, imitated: from the journal of `recorder.c`, after the process was killed, files go back to what was
//! synced. Of what was not, a random part stays, by sectors; names whose directory was not synced are undone, the newest first.
//! Owned by whoever runs the node. Bounds: the journal since the last crash, and what it keeps of what is not synced, once `prune`
//! was called.

import { closeSync, existsSync, ftruncateSync, fstatSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';

const SECTOR = 512;

/** What is not known to be on the disk, of one file. */
class Unsynced {
  /** Writes and truncations, in their order: `{ at, offset, length, old }`; `old` names what stood there. */
  parts = [];
  /** Where syncs that have not ended began, by their threads: one that was killed in the middle never ends. */
  begun = new Map();
  size = null;
  syncedSize = null;
}

/** Everything that a crash would touch. */
class Disk {
  files = new Map();
  /** Changes of names: `{ at, dir, keptAt, undo }`. */
  names = [];
  /** All that was ever kept for it. */
  kept = new Set();
  #begun = new Map();

  file(path) {
    if (!this.files.has(path)) this.files.set(path, new Unsynced());
    return this.files.get(path);
  }

  take([kind, path, ...words], at) {
    const step = { W: 'write', O: 'old', T: 'truncate', A: 'allocate', B: 'begin', S: 'synced', D: 'directory', C: 'create', U: 'remove', R: 'rename' }[kind];
    this[step](path, words, at);
  }

  /** What a crash now would need of what was kept. */
  needed() {
    const parts = [...this.files.values()].flatMap((file) => file.parts.map(({ old }) => old?.keptAt));
    return new Set([...parts, this.pendingOld?.keptAt, ...this.names.map(({ keptAt }) => keptAt)]);
  }

  old(path, [offset, keptAt]) {
    this.kept.add(keptAt);
    this.pendingOld = { path, offset: Number(offset), keptAt };
  }

  #part(path, at, size, offset, length) {
    const file = this.file(path);
    // A file that is older than the journal: as long as it was then, it is on the disk.
    if (file.size === null) file.size = file.syncedSize = Number(size);
    const old = this.pendingOld?.path === path ? this.pendingOld : null;
    this.pendingOld = null;
    file.parts.push({ at, offset, length, old });
    return file;
  }

  write(path, [size, offset, length], at) {
    const [from, count] = [Number(offset), Number(length)];
    const file = this.#part(path, at, size, from, count);
    file.size = Math.max(file.size, from + count);
  }

  truncate(path, [size, length], at) {
    const to = Number(length);
    const file = this.#part(path, at, size, to, 0);
    file.parts.at(-1).cut = true;
    file.size = to;
  }

  allocate(path, [length]) {
    const file = this.file(path);
    file.size = Math.max(file.size ?? 0, Number(length));
  }

  begin(path, [thread], at) {
    const file = this.files.get(path);
    file?.begun.set(thread, { at, size: file.size });
    this.#begun.set(`${thread} ${path}`, at);
  }

  synced(path, [thread]) {
    const file = this.files.get(path);
    const begun = file?.begun.get(thread);
    if (!begun) return;
    file.begun.delete(thread);
    file.parts = file.parts.filter(({ at }) => at > begun.at);
    file.syncedSize = begun.size;
  }

  directory(path, [thread]) {
    const begun = this.#begun.get(`${thread} ${path}`) ?? 0;
    this.names = this.names.filter(({ at, dir }) => dir !== path || at > begun);
  }

  create(path, _, at) {
    this.names.push({ at, dir: dirname(path), undo: () => rmSync(path, { force: true }) });
    this.files.set(path, new Unsynced());
    this.file(path).size = 0;
    this.file(path).syncedSize = 0;
  }

  remove(path, [keptAt], at) {
    this.kept.add(keptAt);
    this.names.push({ at, dir: dirname(path), keptAt, undo: () => { if (keptAt && !existsSync(path)) linkSync(keptAt, path); } });
    this.files.delete(path);
  }

  rename(from, [to, keptAt], at) {
    const undo = () => {
      if (existsSync(to)) renameSync(to, from);
      if (keptAt) linkSync(keptAt, to);
    };
    this.kept.add(keptAt);
    this.names.push({ at, dir: dirname(to), keptAt, undo });
    const file = this.files.get(from);
    this.files.delete(from);
    if (file) this.files.set(to, file);
  }
}

/** The disk as the journal has it; its last line may be half there. */
function read(journal) {
  const disk = new Disk();
  const lines = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').slice(0, -1) : [];
  lines.forEach((line, index) => { if (line) disk.take(line.split('\t'), index + 1); });
  return disk;
}

/**
 * Takes back what was not synced, but for so many percent that got to the disk by themselves: all, nothing or some, by chance.
 * Answers how many percent that were, and how much of what was lost.
 */
export function crash(journal, random, stays = random.of([0, 50, 50, 95])) {
  const disk = read(journal);
  const told = { stays, files: 0, sectors: 0, names: 0 };
  for (const [path, file] of disk.files) {
    if (!existsSync(path) || (file.parts.length === 0 && file.size === file.syncedSize)) continue;
    told.files += 1;
    told.sectors += restore(path, file, random, stays);
  }
  const undone = disk.names.slice(random.below(disk.names.length + 1));
  for (const { undo } of undone.reverse()) undo();
  told.names = undone.length;
  remove(disk.kept);
  rmSync(journal, { force: true });
  return told;
}

function remove(paths) {
  for (const path of paths) if (path) rmSync(path, { force: true });
}

/** Puts a file's parts back; answers how many sectors were lost. */
function restore(path, file, random, stays) {
  const handle = openSync(path, 'r+');
  const settled = new Set();
  let lost = 0;
  const put = (bytes, offset) => writeSync(handle, bytes, 0, bytes.length, offset);
  const { size } = fstatSync(handle);
  for (const { offset, length, old, cut } of file.parts.toReversed()) {
    const bytes = old ? readFileSync(old.keptAt) : Buffer.alloc(0);
    if (cut) {
      if (!random.percent(stays) && bytes.length > 0) put(bytes, old.offset);
      continue;
    }
    for (let at = offset; at < Math.min(offset + length, size);) {
      const sector = Math.floor(at / SECTOR);
      const end = Math.min((sector + 1) * SECTOR, offset + length);
      if (!settled.has(sector)) {
        if (random.percent(stays)) {
          settled.add(sector);
        } else {
          const before = Buffer.alloc(end - at);
          if (old) bytes.copy(before, 0, at - old.offset, end - old.offset);
          put(before, at);
          lost += 1;
        }
      }
      at = end;
    }
  }
  // The length is kept with what was synced; what grew since may have got there.
  if (file.syncedSize !== null && size > file.syncedSize && !random.percent(stays)) {
    ftruncateSync(handle, file.syncedSize + random.below(size - file.syncedSize + 1));
  }
  closeSync(handle);
  return lost;
}

/** The environment of a node whose directory of state is `dir`, and the boot id that it reads. */
export class Machine {
  constructor(library, folder, dir) {
    Object.assign(this, { library, dir, journal: join(folder, 'journal'), boot: join(folder, 'boot_id'), disk: join(folder, 'disk') });
    this.reboot();
  }

  get env() { return { RIG_RECORD_DIR: this.dir, RIG_RECORD: this.journal, RIG_BOOT_ID: this.boot, RIG_DISK: this.disk }; }

  /** The disk is `full`, `readonly` or `unsynced` from now on. */
  sicken(how) { writeFileSync(`${this.disk}.${how}`, ''); }

  heal() { for (const how of ['full', 'readonly', 'unsynced']) rmSync(`${this.disk}.${how}`, { force: true }); }

  /** Another boot of the machine. */
  reboot() { writeFileSync(this.boot, `${randomUUID()}\n`); }

  /** Removes what was kept and no crash needs any more, while the process goes on: in a long run it is far more than the state. */
  prune() {
    const disk = read(this.journal);
    const needed = disk.needed();
    remove([...disk.kept].filter((path) => !needed.has(path)));
  }

  /** The machine crashed: to be called once the process is killed. */
  crash(random, stays) {
    const told = crash(this.journal, random, stays);
    this.reboot();
    return told;
  }
}
