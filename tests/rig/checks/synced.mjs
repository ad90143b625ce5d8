//! What was on the disk before the machine went down is in the histories afterwards (`book/synced.mjs`).

/** The node's own word on its files right before a crash, and when it was asked for. */
export async function wordOf(node) {
  const asked = performance.now();
  return { asked, status: await node.status().catch(() => null) };
}

/** Asks for the histories of channels; answers of how many all was there, and so on. */
export async function checkSynced({ node, book }, channels) {
  const told = {};
  for (const channel of channels) {
    const history = await node.api('history', { channel, limit: -1 }).catch(() => null);
    const how = history ? book.synced.check(channel, history) : 'unasked';
    told[how] = (told[how] ?? 0) + 1;
  }
  return told;
}
