//! One HTTP request of a mini program: text out, text in, one answer. Owned by the runtime. Bounds:
//! its timeout; a mini program has ten requests at once at most. It must not read what comes, nor
//! repeat itself.

import { Cancel, HttpRequest, HttpResponse } from '../runtime';
import { nothing, RequestTask, settle, Told } from './api';
import { Found } from './platforms';
import { headerOf, statusOf, wordsOf } from './told';
import { utf8Bytes, utf8Text } from './utf8';

/** Asks; `done` is called once, unless the request is taken back by the answer. */
export function send(found: Found, asked: HttpRequest, done: (told: HttpResponse) => void): Cancel {
  const { body } = asked;
  let over = false;
  let task: unknown;
  const answer = (told: Told | undefined, words?: string): void => {
    if (over) return;
    over = true;
    const status = told ? statusOf(told) : 0;
    const retryAfter = (status && Number(headerOf(told, 'retry-after'))) || 0;
    done({ status, body: words || textOf(told && told.data) || wordsOf(told), retryAfter });
  };
  // Alipay calls every answer but 2xx a failure, and says the status there.
  const fail = (told: Told | undefined): void => answer(told);
  try {
    task = found.api.request({
      url: asked.url,
      method: asked.method,
      header: asked.header,
      ...(found.platform.name === 'my' && { headers: asked.header }),
      ...(body !== undefined && { data: found.platform.bytesBody ? utf8Bytes(body) : body }),
      dataType: 'text',
      responseType: 'text',
      timeout: asked.timeout,
      success: answer,
      fail,
    });
    settle(task);
  } catch (error) {
    setTimeout(() => answer(undefined, wordsOf(error)), 0);
  }
  return () => {
    if (over) return;
    over = true;
    const { abort = nothing } = (task || {}) as RequestTask;
    abort.call(task);
  };
}

function textOf(data: unknown): string {
  if (typeof data === 'string') return data;
  if (Object.prototype.toString.call(data) === '[object ArrayBuffer]') {
    return utf8Text(data as ArrayBuffer);
  }
  // Some base libraries read JSON whatever they are told.
  return data === undefined || data === null ? '' : JSON.stringify(data);
}
