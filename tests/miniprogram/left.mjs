//! What tests have started and not removed: of tests that failed, whose clients, lines and servers
//! would keep the process going for ever. Owned by the test file, which removes it at its end.

const left = new Set();

/** Something with `remove` has begun. */
export function begun(one) {
  left.add(one);
}

/** It is over. Answers whether it was not yet. */
export function over(one) {
  return left.delete(one);
}

/** Whether it goes on. */
export function goesOn(one) {
  return left.has(one);
}

/** Removes what is left. */
export async function removeLeft() {
  for (const one of left) await one.remove();
}
