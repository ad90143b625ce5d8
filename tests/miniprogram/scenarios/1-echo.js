//! Scenario 1 as its tutorial writes it: a mini program behind nginx, by the older functions of `wx`,
//! with options that no longer mean anything. `url` and `logs` are the page's.

module.exports = function start(url, logs) {
  wx.connectSocket({
    url: url,
    data: { x: '', y: '' },
    header: { 'content-type': 'application/json' },
    method: 'GET',
  });
  wx.onSocketOpen(function () {
    logs.push('WebSocket 连接已打开');
    wx.sendSocketMessage({ data: '你好，服务器' });
  });
  wx.onSocketError(function () {
    logs.push('WebSocket 连接打开失败，请检查！');
  });
  wx.onSocketMessage(function (res) {
    logs.push('收到服务器内容：' + res.data);
    if (res.data.indexOf('Received') >= 0) wx.closeSocket();
  });
  wx.onSocketClose(function (res) {
    logs.push('WebSocket 已关闭！' + res.code);
  });
};
