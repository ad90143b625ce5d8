// 给人看的话：状态、关闭码、失败的原因。

const STATES = { disconnected: '未连接', connecting: '连接中', connected: '已连接' };

const WAYS = { websocket: 'WebSocket', poll: '轮询' };

const CODES = {
  1000: '小程序切到了后台',
  1001: '服务器正在离开',
  1006: '网络断了',
  1009: '消息太大',
  1012: '服务器正在重启',
  3001: '服务器正在关闭',
  3005: '令牌过期了',
  3008: '太慢，跟不上消息',
  3012: '心跳没有回音',
  3013: '发得太快了',
  3500: '令牌无效',
  3503: '被管理员断开',
  3507: '没有权限',
};

const FAILURES = {
  queue_full: '等待发送的消息太多',
  timeout: '服务器没有回答',
  closed: '连接断了，没有发出去',
  103: '没有权限',
  108: '轮询时不可用',
  111: '发得太快了',
};

function stateWords(state, transport, seconds) {
  if (state === 'connecting' && seconds > 0) return `${seconds} 秒后重连`;
  if (state === 'connected' && transport) return `${STATES[state]} · ${WAYS[transport] || transport}`;
  return STATES[state];
}

function closeWords(code, reason) {
  const words = CODES[code] || `关闭码 ${code}`;
  // 1006 的原因是手机说的，比如域名没有登记：开发的人要看到它。
  return code === 1006 && reason ? `${words}：${reason}` : `${words}（${code}）`;
}

function failureWords(error) {
  return FAILURES[error.code] || error.message || String(error.code);
}

function clock(time) {
  const two = (number) => (number < 10 ? `0${number}` : `${number}`);
  return `${two(time.getHours())}:${two(time.getMinutes())}`;
}

module.exports = { stateWords, closeWords, failureWords, clock };
