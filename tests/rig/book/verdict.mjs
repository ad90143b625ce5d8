//! What the rig found: each broken rule with the client and the numbers, and the figures of the run. Owned by `main.mjs`. Bounds:
//! FAULTS_MAX in full; the rest is counted.

const FAULTS_MAX = 200;
const SHOWN_OF_A_RULE = 5;

/** The rules, in the words that a fault is told with. */
export const RULES = {
  place: 'a place of a stream holds one publication',
  doubled: 'a publication is in a stream once',
  refused: 'what was refused is in no stream',
  kept: 'what was answered with 200 is in the stream',
  synced: 'what was on the disk is there after a crash of the machine',
  complete: 'a client has everything from its first position on',
  once: 'a client has each publication once and in order',
  told: 'a client is told where something is lost, and only there',
  drain: 'what was accepted before a drain is delivered before the Close',
  joins: 'who joined a room and who left it is told once',
  presence: 'who is present is who is there',
  counts: 'the counts of the node are what the rig did',
  events: 'the events of the backend are what happened',
  zero: 'nothing is left when everybody has gone',
  blocked: 'who is blocked is out and stays out',
  certificate: 'a certificate that changed is served, and one that cannot be read changes nothing',
  disk: 'a node whose disk is well again takes publications again',
  exit: 'a node that is told to end does so in its time, with status 0',
  soak: 'memory, files and starts do not grow',
  log: 'there is no line at error level that no fault explains, and no panic',
};

/** The faults of a run. */
export class Verdict {
  faults = [];
  counts = {};

  constructor(seed) { this.seed = seed; this.began = performance.now(); }

  fault(fault) {
    if (!(fault.rule in RULES)) throw new Error(`no such rule: ${fault.rule}`);
    this.counts[fault.rule] = (this.counts[fault.rule] ?? 0) + 1;
    const seconds = Number(((performance.now() - this.began) / 1000).toFixed(1));
    if (this.faults.length < FAULTS_MAX) this.faults.push({ seconds, ...fault });
    if (this.counts[fault.rule] <= SHOWN_OF_A_RULE) process.stdout.write(`rig: FAULT ${this.#line({ seconds, ...fault })}\n`);
    else if (this.counts[fault.rule] === SHOWN_OF_A_RULE + 1) process.stdout.write(`rig: further faults of this rule are only counted: ${fault.rule}\n`);
  }

  #line({ seconds, rule, client, channel, epoch, text }) {
    const where = [client && `client ${client}`, channel && `channel ${channel}`, epoch && `epoch ${epoch}`].filter(Boolean).join(', ');
    return `after ${seconds} s, seed ${this.seed}: ${rule} (${RULES[rule]}): ${where ? `${where}: ` : ''}${text}`;
  }

  get isGood() { return this.faults.length === 0; }
}
