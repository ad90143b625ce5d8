//! @douyin-microapp/typings against what the client asks of `tt`. Compiled only.

import type {
  ConnectOptions,
  MiniApi,
  RequestOptions,
  SocketTask,
} from '../../../clients/src/miniprogram/api';

declare const connectOptions: ConnectOptions;
// Its request takes no text as data.
declare const requestOptions: RequestOptions & { data?: ArrayBuffer };

export const task: SocketTask = tt.connectSocket(connectOptions);
tt.request(requestOptions);
export const api: Omit<MiniApi, 'request'> = tt;
