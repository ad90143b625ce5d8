//! The sign of life of a tab: a Web Lock that it holds as long as it lives, and that the worker
//! waits for. Browsers have them only on pages by https, and of the machine itself.

/** Holds a lock of a name of its own, '' where there are no locks; the answer lets it go. */
export function holdLock(held: (name: string) => void): () => void {
  const locks = typeof navigator === 'object' ? navigator.locks : undefined;
  if (!locks) {
    void Promise.resolve().then(() => held(''));
    return () => undefined;
  }
  const name = 'fanfare-' + Date.now() + '-' + Math.random();
  let letGo = (): void => undefined;
  const kept = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const run = (): Promise<void> => {
    held(name);
    return kept;
  };
  locks.request(name, run).then(undefined, () => held(''));
  return letGo;
}
