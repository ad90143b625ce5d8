//! Which mini program platform this is, and in what it differs from WeChat. Pure, but for the look
//! at the globals. Bounds: seven names. It must not take `wx` for a mini program because it is
//! there: WeChat's SDK for web pages has one too, without `connectSocket`.

import { MiniApi } from './api';

declare const my: unknown;
declare const tt: unknown;
declare const swan: unknown;
declare const ks: unknown;
declare const qq: unknown;
declare const wx: unknown;
declare const uni: unknown;

/** A platform and its differences. */
export interface Platform {
  readonly name: string;
  /** `connectSocket` gives a SocketTask only with `multiple: true`. */
  readonly multiple?: boolean;
  /** Binary messages go out as base64 with `isBuffer: true`. */
  readonly base64?: boolean;
  /** `request` takes bytes as its body and no text. */
  readonly bytesBody?: boolean;
}

/** A platform and its object. */
export interface Found {
  readonly api: MiniApi;
  readonly platform: Platform;
}

// In the order in which they are asked: a platform's own name before `wx`, which some have as a
// second name, and `uni` last, since it only passes on to one of the others where there is one.
// What needs no field here, because it is done on all of them:
// - uni-app gives a SocketTask only if a callback is passed (its page on uni.connectSocket), so
//   all are passed one;
// - Taro gives a Promise of it (NervJS/taro, packages/shared), so a Promise is waited for;
// - Douyin's close code may be text (@douyin-microapp/typings, connect-socket.d.ts), so every
//   code is made a number;
// - Alipay tells `{data: {data, isBuffer}}`, bytes as base64 (@mini-types/my,
//   IOnSocketTaskMessageData), and no close code in its typings: both forms are read everywhere.
const PLATFORMS: readonly Platform[] = [
  // Alipay. Source: @mini-types/my, and opendocs.alipay.com/mini/api/vx19c3.
  { name: 'my', multiple: true, base64: true },
  // Douyin. Source: @douyin-microapp/typings (request: data is an object or an ArrayBuffer).
  { name: 'tt', bytesBody: true },
  // Baidu, by documentation: smartprogram.baidu.com, net_websocket, SocketTask.
  { name: 'swan' },
  // Kuaishou, by documentation: ks.connectSocket gives a SocketTask, five at most.
  { name: 'ks' },
  // QQ, by documentation: q.qq.com, qq.connectSocket, which is WeChat's.
  { name: 'qq' },
  // WeChat. Source: miniprogram-api-typings.
  { name: 'wx' },
  // uni-app where it is the platform itself (its app, its web page). Source: @dcloudio/types.
  { name: 'uni' },
];

/**
 * The platform that this code runs on, or null. `given` is the object that the application named
 * (uni, Taro): it is called in place of the platform's own, which still says what differs.
 */
export function findPlatform(given?: unknown): Found | null {
  const globals = everyGlobal();
  const here = first((platform) => canConnect(globals[platform.name]));
  if (!given) return here && { api: globals[here.name] as MiniApi, platform: here };
  if (!canConnect(given)) {
    throw new TypeError('the option "wx" must be an object with the function connectSocket');
  }
  const own = first((platform) => globals[platform.name] === given);
  return { api: given, platform: own || here || { name: 'given' } };
}

function first(test: (platform: Platform) => boolean): Platform | null {
  return PLATFORMS.filter(test)[0] || null;
}

function canConnect(api: unknown): api is MiniApi {
  return !!api && typeof (api as MiniApi).connectSocket === 'function';
}

// Some platforms pass these names to each file as parameters, so they are not looked up as
// properties of a global object.
function everyGlobal(): { [name: string]: unknown } {
  return {
    my: typeof my === 'undefined' ? null : my,
    tt: typeof tt === 'undefined' ? null : tt,
    swan: typeof swan === 'undefined' ? null : swan,
    ks: typeof ks === 'undefined' ? null : ks,
    qq: typeof qq === 'undefined' ? null : qq,
    wx: typeof wx === 'undefined' ? null : wx,
    uni: typeof uni === 'undefined' ? null : uni,
  };
}
