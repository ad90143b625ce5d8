//! Work that is done again and again while somebody looks. Owned by the views of the admin page. Bounds: one run at a time, and
//! none while the page is hidden.

/** Runs `work` now and `ms` after each end of it; answers `{again, stop}`. What it throws goes to `failed`. */
export function every(ms, work, failed) {
  let timer = 0;
  let isRunning = false;
  let isAskedAgain = false;
  let isOver = false;

  async function run() {
    clearTimeout(timer);
    if (isOver) return;
    if (isRunning) {
      isAskedAgain = true;
      return;
    }
    isRunning = true;
    try {
      if (document.visibilityState === 'visible') await work(() => !isOver);
    } catch (error) {
      if (!isOver) failed(error);
    }
    isRunning = false;
    if (isOver) return;
    timer = setTimeout(run, isAskedAgain ? 0 : ms);
    isAskedAgain = false;
  }

  const seen = () => document.visibilityState === 'visible' && run();
  document.addEventListener('visibilitychange', seen);
  run();
  return {
    again: run,
    stop() {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    },
  };
}
