//! @mini-types/my against what the client asks of `my`. Compiled only.

import type {
  Callbacks,
  ConnectOptions,
  MiniApi,
  RequestOptions,
  SocketTask,
} from '../../../clients/src/miniprogram/api';

declare const connectOptions: ConnectOptions & { multiple: true };
declare const requestOptions: RequestOptions;

// It takes text alone; bytes go as base64.
type TextTask = Omit<SocketTask, 'send'> & { send(options: { data: string } & Callbacks): unknown };
export const task: TextTask = my.connectSocket(connectOptions);
my.request(requestOptions);
export const api: MiniApi = my;
