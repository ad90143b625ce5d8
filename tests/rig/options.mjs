//! What a run is asked for on the command line.

import { parseArgs } from 'node:util';

/** The options, or an error that says what is wrong with them. */
export function parse(words) {
  const text = { type: 'string' };
  const { values } = parseArgs({ args: words, options: { seed: text, minutes: text, faults: text, clients: text, rate: text, visits: text, soak: text, 'soak-restarts': text } });
  const number = (name, without) => {
    const value = values[name] === undefined ? without : Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number above 0`);
    return value;
  };
  const binary = process.env.FANFARE_BIN;
  if (!binary) throw new Error('FANFARE_BIN names no binary: tests/rig/run does');
  // Its variables are for the rig; to the node they would look like misspelt settings.
  delete process.env.FANFARE_BIN;
  const soak = values.soak !== undefined || values['soak-restarts'] !== undefined;
  return {
    soakMs: number('soak', 1) * 1000, soakRestartsMs: number('soak-restarts', 1) * 1000, soaks: { memory: values.soak !== undefined, restarts: values['soak-restarts'] !== undefined },
    seed: number('seed', 1 + (Date.now() % 1_000_000)), minutes: number('minutes', 1), clients: number('clients', 240),
    rate: number('rate', soak ? 150 : 560), visits: number('visits', soak ? 150 : 290), binary,
    // A short history is soon full, so that what grows afterwards is no history.
    historySize: soak ? 200 : 5000,
    // Nor keys: as many end as come well before memory is looked at.
    keysTtl: soak ? '3m' : '10m',
    faults: values.faults?.split(',') ?? null,
    /** Whether it is to bring what a minute promises. */
    isWhole: !soak && values.faults === undefined && values.rate === undefined && values.visits === undefined,
  };
}
