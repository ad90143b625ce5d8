//! One HTTP request of a phone. Owned by the phone. Bounds: `timeout`, else 60 s.

import { request as httpRequest } from 'node:http';

/** Asks; calls `onAnswer({ statusCode, header, data })` or `onFail(words)`, once. Answers a task. */
export function phoneRequest(phone, options, onAnswer, onFail) {
  const { url, method = 'GET', header = {}, data, timeout = 60_000 } = options;
  const words = phone.refusal('request', url);
  let over = false;
  const once = (tell, told) => {
    if (over) return;
    over = true;
    phone.deliver(() => tell(told));
  };
  if (words) {
    setTimeout(() => once(onFail, words), 0);
    return {
      abort() {
        over = true;
      },
    };
  }
  const sent = httpRequest(url, { method, headers: header, agent: false, timeout }, (response) => {
    const pieces = [];
    response.on('data', (piece) => pieces.push(piece));
    response.on('end', () => {
      const body = Buffer.concat(pieces).toString();
      once(onAnswer, { statusCode: response.statusCode, header: response.headers, data: body });
    });
  });
  sent.on('timeout', () => sent.destroy(new Error('timeout')));
  sent.on('error', (error) => once(onFail, `request:fail ${error.message}`));
  sent.end(data);
  const task = {
    abort() {
      over = true;
      sent.destroy();
    },
  };
  const interrupt = () => {
    once(onFail, 'request:fail interrupted');
    sent.destroy();
  };
  phone.requests.push({ ...task, interrupt });
  return task;
}
