//! `wx` in the browser, as far as the example uses it: sockets, requests, toasts, storage, and the
//! events of the app. It cannot send headers with a handshake, which a page's WebSocket has not.

const listeners = { hide: [], show: [], network: [] };
const sockets = new Set();
// Each page is a phone of its own, with a name that the test gives in the address.
const given = new URLSearchParams(location.search).get('nickname');
const storage = new Map(given ? [['nickname', given]] : []);

/** What the test asks of the phone. */
export const phone = {
  toasts: [],
  tell(name, told) {
    if (name === 'interrupted') {
      for (const interrupt of [...sockets]) interrupt();
      return;
    }
    for (const listener of listeners[name]) listener(told);
  },
};

export const wx = {
  connectSocket,
  request,
  showToast,
  getStorageSync: (key) => storage.get(key) ?? '',
  setStorageSync: (key, value) => {
    storage.set(key, value);
  },
  getNetworkType: ({ success }) => setTimeout(() => success({ networkType: 'wifi' }), 0),
  onAppHide: (listener) => listeners.hide.push(listener),
  onAppShow: (listener) => listeners.show.push(listener),
  onNetworkStatusChange: (listener) => listeners.network.push(listener),
};

function connectSocket({ url, protocols = [], success }) {
  const socket = new WebSocket(url, protocols);
  socket.binaryType = 'arraybuffer';
  const told = {};
  let over = false;
  const end = (code, reason) => {
    if (over) return;
    over = true;
    sockets.delete(interrupt);
    told.close?.({ code, reason });
  };
  const interrupt = () => {
    socket.close();
    end(1000, 'interrupted');
  };
  sockets.add(interrupt);
  socket.onopen = () => told.open?.({ header: { 'Sec-WebSocket-Protocol': socket.protocol } });
  socket.onmessage = ({ data }) => {
    if (!over) told.message?.({ data });
  };
  socket.onerror = () => told.error?.({ errMsg: '未完成的操作' });
  socket.onclose = ({ code, reason }) => end(code, reason);
  setTimeout(() => success?.({ errMsg: 'connectSocket:ok' }), 0);
  return {
    onOpen: (listener) => {
      told.open = listener;
    },
    onMessage: (listener) => {
      told.message = listener;
    },
    onError: (listener) => {
      told.error = listener;
    },
    onClose: (listener) => {
      told.close = listener;
    },
    send: ({ data, success: done }) => {
      socket.send(data);
      setTimeout(() => done?.({ errMsg: 'sendSocketMessage:ok' }), 0);
    },
    close: ({ code, reason } = {}) => socket.close(code, reason),
  };
}

function request({ url, method, header, data, success, fail }) {
  const control = new AbortController();
  fetch(url, { method, headers: header, body: data, signal: control.signal })
    .then(async (answer) =>
      success({
        statusCode: answer.status,
        header: Object.fromEntries(answer.headers),
        data: await answer.text(),
      }),
    )
    .catch((error) => fail({ errMsg: `request:fail ${error.message}` }));
  return { abort: () => control.abort() };
}

function showToast({ title, duration = 1500 }) {
  phone.toasts.push(title);
  const toast = document.querySelector('#toast');
  toast.textContent = title;
  toast.hidden = false;
  clearTimeout(showToast.timer);
  showToast.timer = setTimeout(() => {
    toast.hidden = true;
  }, duration);
}
