//! @dcloudio/types against what the client asks of `uni`. Compiled only.

import type {
  Callbacks,
  ConnectOptions,
  MiniApi,
  RequestOptions,
  SocketTask,
} from '../../../clients/src/miniprogram/api';

// Without a callback it answers a Promise, of something else.
declare const connectOptions: ConnectOptions & Required<Callbacks>;
declare const requestOptions: RequestOptions;

export const task: SocketTask = uni.connectSocket(connectOptions);
uni.request(requestOptions);
export const api: MiniApi = uni;
