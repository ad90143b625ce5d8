//! A node under test: the real binary, started, signalled and started again on one port, with every line that it logged and every
//! life that it had. Owned by `main.mjs`. Bounds: START_MAX_MS to get ready; the log of a run stays in its folder.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort, until } from '../nginx/until.mjs';
import { settings } from './settings.mjs';
import { API_KEY } from './token.mjs';

const START_MAX_MS = 20_000;

function isZombie(pid) {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/, ''));
  } catch {
    return true;
  }
}

/** What a process has taken of the processors, in ms; a tick is 10 ms. */
function cpuTime(pid) {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 13).map(Number);
  return (user + system) * 10;
}

/** How a process ended that took over, and so is nobody's child here: `run` adopts it and writes that down. 0 where it cannot. */
export function endOf(pid) {
  const file = process.env.RIG_ENDS && join(process.env.RIG_ENDS, String(pid));
  if (!file || !existsSync(file)) return file ? 'unknown' : 0;
  const status = Number(readFileSync(file, 'utf8'));
  return status >= 0 ? status : `signal ${-status}`;
}

/** The process of one life. */
export class Node {
  /** How many lives it had. */
  life = 0;
  /** The number that lines of the log carry now: the life that was started here, also of who took over from it. */
  logged = 0;
  process = null;
  /** Lines of all lives that are not merely told: `{ life, at, level, message, ... }`. */
  lines = [];

  /** `binary` with a folder for its files; `env` comes before each start. */
  constructor(binary, folder, { env = () => ({}), extra = '', backend, certificates = null, descriptorsMax = null, historySize = 5000, keysTtl = '10m' }) {
    Object.assign(this, { binary, folder, env, extra, backend, certificates, descriptorsMax, historySize, keysTtl });
    this.log = createWriteStream(join(folder, 'node.log'));
  }

  async place() {
    this.port = await freePort();
    this.tlsPort = await freePort();
    this.origin = `http://127.0.0.1:${this.port}`;
    this.file = join(this.folder, 'fanfare.toml');
    writeFileSync(this.file, settings(this));
  }

  /** Starts it, and waits until it is ready. Answers how long that took, in ms. */
  async start() {
    const began = performance.now();
    this.life += 1;
    const { life } = this;
    this.logged = life;
    const words = [this.binary, 'serve', '--config', this.file];
    // A bound of the system can only be set from within.
    if (this.descriptorsMax) words.unshift('sh', '-c', `ulimit -n ${this.descriptorsMax}; exec "$@"`, 'sh');
    const child = spawn(words[0], words.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...this.env() } });
    this.process = child;
    this.pid = child.pid;
    createInterface({ input: child.stderr }).on('line', (line) => this.#read(life, line));
    child.on('error', (error) => this.lines.push({ life, at: performance.now(), level: 'error', message: String(error) }));
    await until('the node is ready', async () => {
      if (this.isOver) throw new Error(`the node ended at its start, see ${join(this.folder, 'node.log')}`);
      const ready = await fetch(`${this.origin}/ready`).catch(() => null);
      return ready?.ok;
    }, START_MAX_MS);
    this.startedWith = cpuTime(this.pid);
    return performance.now() - began;
  }

  #read(life, line) {
    this.log.write(`${life} ${line}\n`);
    let told;
    try {
      told = JSON.parse(line);
    } catch {
      told = { level: 'error', message: line };
    }
    if (told.level === 'error' || told.level === 'warn') this.lines.push({ ...told, life, at: performance.now() });
  }

  /** Processor time of its last start, in ms: what the machine does beside does not change it. */
  startedWith = 0;

  /** Whether the process that was started here runs still, or the one that took over from it. */
  get isOver() {
    if (this.pid !== this.process.pid) return !existsSync(`/proc/${this.pid}`);
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  signal(name) { if (!this.isOver) process.kill(this.pid, name); }

  /** Processes that it started and that run. */
  children() {
    try {
      return readdirSync(`/proc/${this.pid}/task`).flatMap((task) => readFileSync(`/proc/${this.pid}/task/${task}/children`, 'utf8').split(' ')).filter(Boolean).map(Number);
    } catch {
      return [];
    }
  }

  /** Has it hand over to another process, which is the node from then on; answers what was wrong, or null. */
  async handOver(drainMaxMs) {
    const old = this.pid;
    this.signal('SIGUSR2');
    let heir;
    try {
      heir = await until('another process is there', () => this.children()[0], 10_000);
    } catch {
      return 'no other process was started';
    }
    const end = performance.now() + drainMaxMs + 10_000;
    while (existsSync(`/proc/${old}`) && !isZombie(old)) {
      if (performance.now() > end) return `process ${old} still runs`;
      await new Promise((next) => { setTimeout(next, 20); });
    }
    this.life += 1;
    this.pid = heir;
    await until('the heir is ready', async () => (await fetch(`${this.origin}/ready`).catch(() => null))?.ok, START_MAX_MS);
    return null;
  }

  /** Waits for its end; answers the exit status, or the signal that ended it. */
  async ended(deadlineMs) {
    const child = this.process;
    if (this.pid !== child.pid) {
      const end = performance.now() + deadlineMs;
      while (!this.isOver && performance.now() < end) await new Promise((next) => { setTimeout(next, 20); });
      return this.isOver ? endOf(this.pid) : 'late';
    }
    if (!this.isOver) {
      const end = once(child, 'exit').then(() => true);
      const late = new Promise((no) => { setTimeout(() => no(false), deadlineMs); });
      if (!(await Promise.race([end, late]))) return 'late';
    }
    return child.signalCode ?? child.exitCode;
  }

  /** Descriptors that it holds open, by what they are. */
  descriptors() { return readdirSync(`/proc/${this.pid}/fd`).length; }

  /** Calls a method of the API; answers what came, or throws. */
  async api(method, request, deadlineMs = 5000) {
    const response = await fetch(`${this.origin}/api/${method}`, {
      method: 'POST', headers: { 'X-API-Key': API_KEY }, body: JSON.stringify(request), signal: AbortSignal.timeout(deadlineMs),
    });
    const answer = await response.json();
    if (answer.error) throw new Error(`/api/${method}: ${answer.error.code} ${answer.error.message}`);
    return answer.result ?? answer;
  }

  async status() { return (await fetch(`${this.origin}/status`, { headers: { 'X-API-Key': API_KEY }, signal: AbortSignal.timeout(5000) })).json(); }

  /** The samples of /metrics, by name with labels. */
  async metrics() {
    const text = await (await fetch(`${this.origin}/metrics`, { headers: { 'X-API-Key': API_KEY }, signal: AbortSignal.timeout(5000) })).text();
    return new Map(text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }));
  }

  async remove() {
    if (this.process && !this.isOver) {
      this.signal('SIGCONT');
      this.signal('SIGKILL');
      await this.ended(5000);
    }
    this.log.end();
  }
}
