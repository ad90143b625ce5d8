//! Hints of a mini program: it is put away and comes back, and its network changes. Owned by the
//! runtime. Bounds: one timer. It must hint `frozen` while code still runs: WeChat stops a mini
//! program 5 s after it was put away, closes its sockets with 1000 `interrupted`, and on iOS a
//! socket that was left open then keeps new ones from connecting.

import { Cancel, Hint } from '../runtime';
import { settle, Told } from './api';
import { Found } from './platforms';

const FREEZE_AFTER_MS = 4000;

/** Tells hints until the answer is called. */
export function watch(found: Found, tell: (hint: Hint) => void, now: () => number): Cancel {
  const { api } = found;
  let over = false;
  let hiddenAt = 0;
  let frozen = false;
  let freezing: unknown = null;
  const freeze = (): void => {
    frozen = true;
    tell('frozen');
  };
  const onHide = (): void => {
    if (over || hiddenAt) return;
    hiddenAt = now();
    tell('hidden');
    freezing = setTimeout(freeze, FREEZE_AFTER_MS);
  };
  const onShow = (): void => {
    if (over || !hiddenAt) return;
    clearTimeout(freezing as number);
    // The timer may have been stopped with all else before its time came.
    if (!frozen && now() - hiddenAt >= FREEZE_AFTER_MS) freeze();
    const hint = frozen ? 'thawed' : 'shown';
    hiddenAt = 0;
    frozen = false;
    tell(hint);
  };
  const onNetwork = (told: Told): void => {
    if (!over) tell(told.isConnected === false ? 'offline' : 'online');
  };
  if (api.onAppHide) api.onAppHide(onHide);
  if (api.onAppShow) api.onAppShow(onShow);
  if (api.onNetworkStatusChange) api.onNetworkStatusChange(onNetwork);
  if (api.getNetworkType) {
    settle(api.getNetworkType({
      success: ({ networkType }) => {
        const isNone = networkType === 'none' || networkType === 'NOTREACHABLE';
        if (!over && isNone) tell('offline');
      },
    }));
  }
  return () => {
    over = true;
    clearTimeout(freezing as number);
    if (api.offAppHide) api.offAppHide(onHide);
    if (api.offAppShow) api.offAppShow(onShow);
    if (api.offNetworkStatusChange) api.offNetworkStatusChange(onNetwork);
  };
}
