//! miniprogram-api-typings against what the client asks of `wx`. Compiled only.

import type {
  ConnectOptions,
  MiniApi,
  RequestOptions,
  SocketTask,
} from '../../../clients/src/miniprogram/api';

declare const connectOptions: ConnectOptions;
declare const requestOptions: RequestOptions;

export const task: SocketTask = wx.connectSocket(connectOptions);
wx.request(requestOptions);
export const api: MiniApi = wx;
