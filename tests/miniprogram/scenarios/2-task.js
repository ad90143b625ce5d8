//! Scenario 2 as the mini program's reference writes it: a SocketTask with every option, text and
//! bytes. `url` and `logs` are the page's.

module.exports = function start(url, logs) {
  const task = wx.connectSocket({
    url: url,
    header: { 'content-type': 'application/json', 'X-Device': 'phone' },
    protocols: ['chat', 'superchat'],
    tcpNoDelay: true,
    perMessageDeflate: false,
    timeout: 5000,
    success: function () { logs.push('success'); },
    fail: function () { logs.push('fail'); },
    complete: function () { logs.push('complete'); },
  });
  task.onOpen(function (res) {
    logs.push('open ' + res.header['sec-websocket-protocol']);
    task.send({ data: '文本' });
    task.send({ data: new Uint8Array([1, 2, 253, 254]).buffer });
  });
  task.onMessage(function (res) {
    const isText = typeof res.data === 'string';
    logs.push(isText ? res.data : Array.prototype.join.call(new Uint8Array(res.data)));
    if (!isText) task.close({ code: 4000, reason: '再见' });
  });
  task.onClose(function (res) { logs.push('close ' + res.code + ' ' + res.reason); });
  task.onError(function () { logs.push('error'); });
};
