//! The global object of each platform over one phone, as its documentation and typings have it, odd
//! where the platform is odd. Owned by the test that makes it. Bounds: the phone's.

import { PhoneSocket } from './socket.mjs';
import { phoneRequest } from './request.mjs';

const isArrayBuffer = (data) => Object.prototype.toString.call(data) === '[object ArrayBuffer]';

/** WeChat, and whoever copied it: `oddities` say in what they differ. */
export function wx(phone, oddities = {}) {
  const older = olderGlobals();
  return {
    connectSocket: (options) => older.follow(connectSocket(phone, options, oddities)),
    ...older.functions,
    request: (options) =>
      phoneRequest(
        phone,
        options,
        (answer) => options.success?.({ ...answer, data: read(answer.data, options.dataType) }),
        (errMsg) => options.fail?.({ errMsg }),
      ),
    getNetworkType: ({ success }) => {
      setTimeout(() => phone.deliver(() => success({ networkType: phone.networkType })), 0);
    },
    onAppHide: (listener) => phone.on('hide', listener),
    offAppHide: (listener) => phone.off('hide', listener),
    onAppShow: (listener) => phone.on('show', listener),
    offAppShow: (listener) => phone.off('show', listener),
    onNetworkStatusChange: (listener) => phone.on('network', listener),
    offNetworkStatusChange: (listener) => phone.off('network', listener),
  };
}

/** QQ: WeChat's of 2019. */
export const qq = (phone) => wx(phone);

/** Douyin: the close code may be text, a failure is an error alone, and a body is never text. */
export function tt(phone) {
  const platform = wx(phone, { codeAsText: true, failure: 'error' });
  return {
    ...platform,
    request(options) {
      if (typeof options.data === 'string')
        throw new TypeError('data must be an object or a buffer');
      const data = options.data && Buffer.from(options.data);
      return platform.request({ ...options, data });
    },
  };
}

/** Baidu: an error without words. */
export const swan = (phone) => wx(phone, { failure: 'error', silent: true });

/** Kuaishou: a failure is a close alone. */
export const ks = (phone) => wx(phone, { failure: 'close' });

/** uni-app: without a callback connectSocket gives a Promise, and of another thing than the task. */
export function uni(phone) {
  const platform = wx(phone, { failure: 'error' });
  return {
    ...platform,
    connectSocket(options) {
      const hasCallback = ['success', 'fail', 'complete'].some((name) => name in options);
      const task = platform.connectSocket(options);
      return hasCallback ? task : Promise.resolve({ errMsg: 'connectSocket:ok' });
    },
  };
}

/** Taro: a Promise of the task, once `success` was called. */
export function taro(phone) {
  const platform = wx(phone);
  return {
    ...platform,
    connectSocket: (options) =>
      new Promise((resolve, reject) => {
        const task = platform.connectSocket({
          ...options,
          success: (told) => {
            options.success?.(told);
            resolve(task);
          },
          fail: (told) => {
            options.fail?.(told);
            reject(told);
          },
        });
      }),
  };
}

/**
 * Alipay: one global socket unless `multiple`, contents wrapped, bytes as base64, Promises beside
 * the callbacks, and any status but 2xx is a failure.
 */
export function my(phone) {
  const platform = wx(phone);
  return {
    ...platform,
    connectSocket(options) {
      if (options.multiple !== true) return undefined;
      const socketTaskID = String(phone.connects.length);
      const task = platform.connectSocket(options);
      const wrap = (data) => ({ data: { socketTaskID, ...data } });
      const answer = (result) => {
        if (!result) return Promise.reject(Object.assign(new Error('no'), { error: 2 }));
        return Promise.resolve({ success: true });
      };
      return {
        onOpen: (listener) => task.onOpen(({ header }) => listener(wrap({ header }))),
        onMessage: (listener) =>
          task.onMessage(({ data }) =>
            listener(
              wrap(
                isArrayBuffer(data)
                  ? { data: Buffer.from(data).toString('base64'), isBuffer: true }
                  : { data, isBuffer: false },
              ),
            ),
          ),
        onClose: (listener) => task.onClose((told) => listener(wrap(told))),
        onError: (listener) =>
          task.onError(({ errMsg }) => {
            listener({ ...wrap({}), error: 1, errorMessage: errMsg });
          }),
        send({ data, isBuffer, success, fail }) {
          if (typeof data !== 'string') throw new TypeError('data must be a string');
          const content = isBuffer ? Buffer.from(data, 'base64') : data;
          return answer(task.deliver(content, success, fail));
        },
        close: ({ code, reason, success, fail }) => {
          return answer(task.close({ code, reason, success, fail }));
        },
      };
    },
    request: (options) =>
      platform.request({
        ...options,
        success: (told) => {
          const answer = { ...told, status: told.statusCode, headers: told.header };
          if (told.statusCode < 300) options.success?.(answer);
          else options.fail?.({ ...answer, error: 19, errorMessage: 'http status error' });
        },
        fail: ({ errMsg }) => options.fail?.({ error: 12, errorMessage: errMsg }),
      }),
    getNetworkType: ({ success }) =>
      success({ networkType: phone.networkType === 'none' ? 'NOTREACHABLE' : 'WIFI' }),
  };
}

/** All of them by the names of their globals; `taro` is none, and is passed by the option. */
export const PLATFORMS = { wx, qq, tt, swan, ks, my, uni, taro };

function connectSocket(phone, options, { codeAsText, failure = phone.failure, silent }) {
  if (!Array.isArray(options.protocols ?? [])) throw new TypeError('protocols must be a list');
  const socket = new PhoneSocket(phone, options);
  const listeners = {};
  const tell = (name, told) => listeners[name]?.(told);
  const error = (errMsg) => tell('error', silent ? undefined : { errMsg });
  const close = (code, reason) => tell('close', { code: codeAsText ? String(code) : code, reason });
  const fail = (code, words) => {
    if (failure === 'error' || failure === 'both') error(words);
    if (failure === 'close' || failure === 'both') close(code, words);
  };
  socket.on('opened', (header) => tell('open', { header, profile: {} }));
  socket.on('message', (data) => tell('message', { data }));
  socket.on('failed', (code, words) => fail(code, words));
  socket.on('closed', (code, reason) => close(code, reason));
  setTimeout(
    () =>
      phone.deliver(() => {
        if (!socket.refusal) {
          options.success?.({ errMsg: 'connectSocket:ok' });
          setTimeout(() => socket.open(), 0);
          return;
        }
        options.fail?.({ errMsg: socket.refusal });
        fail(1006, socket.refusal);
      }),
    0,
  );
  return taskOf(phone, socket, listeners);
}

function taskOf(phone, socket, listeners) {
  const called = (isDone, name, success, fail) => {
    setTimeout(
      () =>
        phone.deliver(() => {
          if (isDone) success?.({ errMsg: `${name}:ok` });
          else fail?.({ errMsg: `${name}:fail WebSocket is not connected` });
        }),
      0,
    );
    return isDone;
  };
  const deliver = (content, success, fail) => {
    return called(socket.send(content), 'sendSocketMessage', success, fail);
  };
  return {
    onOpen: (listener) => {
      listeners.open = listener;
    },
    onMessage: (listener) => {
      listeners.message = listener;
    },
    onClose: (listener) => {
      listeners.close = listener;
    },
    onError: (listener) => {
      listeners.error = listener;
    },
    send({ data, success, fail }) {
      if (typeof data !== 'string' && !isArrayBuffer(data)) {
        throw new TypeError('data must be a string or an ArrayBuffer');
      }
      deliver(typeof data === 'string' ? data : Buffer.from(data), success, fail);
    },
    close: ({ code, reason, success, fail } = {}) => {
      return called(socket.close(code, reason), 'closeSocket', success, fail);
    },
    // For Alipay's, which hands over what it decoded.
    deliver,
  };
}

/** `wx.onSocketOpen` and its kin, of before SocketTask: they are about the newest socket alone. */
function olderGlobals() {
  const listeners = {};
  let newest = null;
  return {
    // A task whose listeners are called beside the older ones, while it is the newest.
    follow(task) {
      newest = task;
      const wrapped = { ...task };
      for (const name of ['onOpen', 'onMessage', 'onClose', 'onError']) {
        let own = null;
        wrapped[name] = (listener) => {
          own = listener;
        };
        task[name]((told) => {
          own?.(told);
          if (newest === task) listeners[name]?.(told);
        });
      }
      return wrapped;
    },
    functions: {
      onSocketOpen: (listener) => {
        listeners.onOpen = listener;
      },
      onSocketMessage: (listener) => {
        listeners.onMessage = listener;
      },
      onSocketClose: (listener) => {
        listeners.onClose = listener;
      },
      onSocketError: (listener) => {
        listeners.onError = listener;
      },
      sendSocketMessage: (options) => newest.send(options),
      closeSocket: (options) => newest.close(options),
    },
  };
}

function read(text, dataType = 'json') {
  if (dataType !== 'json') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
