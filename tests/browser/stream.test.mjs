//! The console's log in a stream of a thousand messages a second: what it costs, and that who looks at something keeps it.
//! Owned by this folder; one server, one browser and one pump for all tests. Bounds: every wait has a deadline, and costs are
//! counts, not times. It must fail, not skip, where Chromium or the binary is missing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Pump } from './peers.mjs';
import { endAll, Server } from './server.mjs';
import { launch, withTabs } from './tab.mjs';

const FRAMES = 120;
// Of the status in the top bar, and of the first draw behind a change of the rows' number.
const OTHER_LAYOUTS = 15;
const ROWS_A_FRAME_MAX = 80;
// Longer than any test takes.
const ENDLESS = 10_000_000;

let server;
let browser;
let pump;

before(async () => {
  [server, browser, pump] = await Promise.all([Server.start(), launch(), Pump.start()]);
});

after(endAll);

/** Runs `steps` with a page to which the messages come. */
async function inStream(steps) {
  await withTabs(browser, server, [{}], async (tab) => {
    pump.taken = 0;
    await tab.connect(`${pump.address}/?count=${ENDLESS}&every=10`);
    let isOver = false;
    const following = follow(tab, () => isOver);
    try {
      await tab.until('it runs', async () => Number(await tab.text('count-in')) > 500);
      await steps(tab);
    } finally {
      isOver = true;
      await following;
      pump.taken = Infinity;
    }
  });
}

/** Tells the pump what the page has shown, until it is over. */
async function follow(tab, isOver) {
  while (!isOver()) {
    // A page that goes meanwhile is the test's to notice.
    pump.taken = Number(await tab.text('count-in').catch(() => pump.taken));
    await new Promise((next) => { setTimeout(next, 50); });
  }
}

const came = async (tab) => Number(await tab.text('count-in'));

/** Waits until so many more have come. */
async function more(tab, count) {
  const before = await came(tab);
  await tab.until(`${count} more`, async () => (await came(tab)) > before + count);
}

/** Sends so many messages, one a frame, and waits until so many in all came back. */
async function echoed(tab, count, all) {
  await tab.page.evaluate(async (many) => {
    const field = document.getElementById('message');
    for (let at = 0; at < many; at += 1) {
      field.value = `line ${at}`;
      field.dispatchEvent(new Event('input'));
      document.getElementById('send').click();
      await new Promise(requestAnimationFrame);
    }
  }, count);
  await tab.until(`${all} are here`, async () => (await came(tab)) >= all);
}

/** Counts in the page, in `window.cost`: frames, most rows made between two of them, when the counters changed. */
function count() {
  const cost = { frames: 0, madeMax: 0, counted: [] };
  let made = 0;
  window.cost = cost;
  new MutationObserver(() => cost.counted.push(performance.now())).observe(document.getElementById('count-in'), { childList: true });
  new MutationObserver((all) => { made += all.reduce((sum, { addedNodes }) => sum + addedNodes.length, 0); })
    .observe(document.querySelector('.log-window'), { childList: true });
  const frame = () => {
    cost.madeMax = Math.max(cost.madeMax, made);
    made = 0;
    cost.frames += 1;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** How often the page was laid out since it is there. */
async function layouts(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'LayoutCount').value;
}

// A layout that is asked for between two changes is made for the question alone; three of them in each frame left a third of
// the frames undrawn. They are counted here, since a loaded machine says nothing by its clock.
test('a thousand messages a second cost one layout a frame, a screen of rows, and a few looks at the counters', async () => {
  await inStream(async (tab) => {
    const session = await tab.context.newCDPSession(tab.page);
    await session.send('Performance.enable');
    // The frames are counted from before the first question to behind the last: a driver that is slow lets many go by.
    await tab.page.evaluate(count);
    const before = await layouts(session);
    await tab.until(`${FRAMES} frames, with rows and counters in them`, () => tab.page.evaluate((least) => {
      const { frames, madeMax, counted } = window.cost;
      return frames >= least && madeMax > 0 && counted.length > 1;
    }, FRAMES));
    const made = (await layouts(session)) - before;
    const told = await tab.page.evaluate(() => window.cost);
    const least = Math.min(...told.counted.slice(1).map((at, one) => at - told.counted[one]));
    const most = told.frames + told.counted.length + OTHER_LAYOUTS;
    assert.ok(made <= most, `${made} layouts in ${told.frames} frames, ${told.counted.length} changes of the counters`);
    assert.ok(told.madeMax <= ROWS_A_FRAME_MAX, `${told.madeMax} rows made between two frames`);
    assert.ok(least >= 100, `the counters changed after ${least} ms`);
  });
});

// Rows that come or go above would carry the text away that somebody reads. The view keeps it, and says that there is more.
test('what one looks at stays in its place while more comes', async () => {
  await inStream(async (tab) => {
    await tab.page.hover('#log');
    // The page may hear of the wheel, and show that there is more, long before its view moves.
    await tab.page.evaluate(() => {
      const log = document.getElementById('log');
      let lowest = log.scrollTop;
      log.addEventListener('scroll', () => {
        lowest = Math.max(lowest, log.scrollTop);
        window.isUp ||= log.scrollTop < lowest - 100;
      });
    });
    await tab.page.mouse.wheel(0, -600);
    await tab.until('more below', async () => tab.page.isVisible('#jump'));
    await tab.until('the view moves up', () => tab.page.evaluate(() => window.isUp));
    // A wheel turns for some frames.
    await tab.page.evaluate(() => new Promise((done) => {
      let at = -1;
      let same = 0;
      const frame = () => {
        const { scrollTop } = document.getElementById('log');
        same = scrollTop === at ? same + 1 : 0;
        at = scrollTop;
        return same === 15 ? done() : requestAnimationFrame(frame);
      };
      frame();
    }));
    const top = () => tab.page.evaluate(() => {
      const log = document.getElementById('log').getBoundingClientRect();
      const entry = document.elementFromPoint(log.left + 30, log.top + 60).closest('.entry');
      return `${entry.querySelector('.body').textContent} at ${entry.getBoundingClientRect().top}`;
    });
    const seen = await top();
    await more(tab, 200);
    assert.equal(await top(), seen);
    await tab.page.click('#jump');
    await tab.until('the newest again', async () => !(await tab.page.isVisible('#jump')));
  });
});

// By the keyboard there is no jump to press: who goes to the end of the log wants what comes, and is left behind by it else.
test('the End key goes to the newest and stays with it, and an arrow up stays where it is', async () => {
  await inStream(async (tab) => {
    await tab.page.focus('#log');
    for (let at = 0; at < 3; at += 1) await tab.page.keyboard.press('ArrowUp');
    await tab.until('more below', () => tab.page.isVisible('#jump'));
    await more(tab, 200);
    assert.ok(await tab.page.isVisible('#jump'), 'it stays');
    await tab.page.keyboard.press('End');
    await tab.until('the newest', async () => !(await tab.page.isVisible('#jump')));
    await more(tab, 200);
    assert.equal(await tab.page.isVisible('#jump'), false);
  });
});

// What the view wrote before somebody turned the wheel up can be carried out, and told, behind the turn. It was taken for somebody
// who went down to the end, and the view was pulled along with what came.
test('a write of the view that is carried out behind a turn of the wheel does not pull anybody back, and a turn down goes on', async () => {
  await inStream(async (tab) => {
    const turn = (deltaY, isToldLate) => tab.page.evaluate(([delta, isLate]) => {
      const log = document.getElementById('log');
      const to = (top) => {
        log.scrollTop = top;
        log.dispatchEvent(new Event('scroll'));
      };
      const tell = () => log.dispatchEvent(new WheelEvent('wheel', { deltaY: delta }));
      // Where the view wrote that it is. The end may be another by now: rows are measured after that.
      const end = delta < 0 ? log.scrollTop : log.scrollHeight;
      if (!isLate) tell();
      if (delta < 0) to(log.scrollTop - 600);
      // On a busy machine the page may hear of a turn behind what it did.
      if (isLate) tell();
      to(end);
    }, [deltaY, isToldLate]);
    for (const isToldLate of [false, true]) {
      await turn(-600, isToldLate);
      await more(tab, 200);
      assert.ok(await tab.page.isVisible('#jump'), `it was pulled back${isToldLate ? ', the turn being told late' : ''}`);
      await turn(600, false);
      await more(tab, 200);
      assert.equal(await tab.page.isVisible('#jump'), false);
    }
  });
});

// A wheel that turns on is told again and again, and the view draws meanwhile: what was written before the first turn is still under
// way at the third.
test('a write from before several turns of the wheel does not pull anybody back', async () => {
  await withTabs(browser, server, [{}], async (tab) => {
    await tab.connect('/echo');
    await echoed(tab, 40, 40);
    await tab.page.evaluate(async () => {
      const log = document.getElementById('log');
      const to = (top) => {
        log.scrollTop = top;
        log.dispatchEvent(new Event('scroll'));
      };
      const end = log.scrollTop;
      for (const top of [end - 200, end - 400, end - 600]) {
        log.dispatchEvent(new WheelEvent('wheel', { deltaY: -200 }));
        to(top);
        for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
      }
      to(end);
    });
    await echoed(tab, 20, 60);
    assert.ok(await tab.page.isVisible('#jump'), 'it was pulled back');
  });
});

// Who is at the end scrolls nothing by going down, so that nothing tells of it but the turn.
test('a turn down at the end goes on with what comes, though it scrolls nothing', async () => {
  await withTabs(browser, server, [{}], async (tab) => {
    await tab.connect('/echo');
    await echoed(tab, 40, 40);
    for (const deltaY of [-600, 600]) {
      await tab.page.evaluate((delta) => {
        const log = document.getElementById('log');
        log.dispatchEvent(new WheelEvent('wheel', { deltaY: delta }));
        if (delta > 0) return;
        log.scrollTop -= 600;
        log.dispatchEvent(new Event('scroll'));
        log.scrollTop = log.scrollHeight;
        log.dispatchEvent(new Event('scroll'));
      }, deltaY);
    }
    await echoed(tab, 20, 60);
    assert.equal(await tab.page.isVisible('#jump'), false);
  });
});

// The view scrolls itself to its end, and the browser tells so a frame later. Who turned the wheel up meanwhile was taken for
// somebody who is at the end, and pulled back to it.
test('a scroll of the view itself that is told late does not pull anybody back', async () => {
  await inStream(async (tab) => {
    await tab.page.evaluate(() => {
      const log = document.getElementById('log');
      log.dispatchEvent(new WheelEvent('wheel', { deltaY: -600 }));
      log.dispatchEvent(new Event('scroll'));
    });
    await more(tab, 200);
    assert.ok(await tab.page.isVisible('#jump'));
  });
});

// Where nothing is above, a turn of the wheel goes nowhere, and no scroll is told that could end it. The log then stood still
// for good.
test('a wheel turned up where there is nothing above leaves the view with the newest', async () => {
  await withTabs(browser, server, [{}], async (tab) => {
    await tab.connect('/echo');
    await tab.page.hover('#log');
    await tab.page.evaluate(() => document.getElementById('log').addEventListener('wheel', () => { window.isTurned = true; }, { passive: true }));
    await tab.page.mouse.wheel(0, -300);
    // One that comes late finds lines above.
    await tab.until('the page has heard of the wheel', () => tab.page.evaluate(() => window.isTurned));
    await tab.page.evaluate(() => document.getElementById('log').dispatchEvent(new WheelEvent('wheel', { deltaY: -300 })));
    for (let at = 0; at < 30; at += 1) await tab.send(`line ${at}`);
    await tab.heard('line 29');
    assert.equal(await tab.page.isVisible('#jump'), false);
    await tab.until('the newest is seen', () => tab.page.evaluate(() => {
      const log = document.getElementById('log').getBoundingClientRect();
      return [...document.querySelectorAll('#log .entry')].at(-1).getBoundingClientRect().bottom <= log.bottom + 1;
    }));
  });
});
