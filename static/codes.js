//! What a close code means and what to check, in English and Chinese; and which codes end a client for good.
//! Owned by nobody: a table and three functions. Codes by RFC 6455 §7.4.1 and, from 3000, the Centrifuge protocol.
//! It must not touch the page.

// code: [name, meaning, what to check, 名称, 含义, 检查什么]
const CODES = {
  1000: ['normal closure', 'One side was done and said so.', 'Nothing, unless you did not ask for it. WeChat reports 1000 “interrupted” when a mini program goes to the background.', '正常关闭', '一方完成并正常关闭。', '若非你主动关闭：微信小程序进入后台时也会报告 1000 “interrupted”。'],
  1001: ['going away', 'The page was left, or the server went down.', 'Was the page reloaded? Was the server stopped?', '离开', '页面离开，或服务器下线。', '页面是否刷新？服务器是否停止？'],
  1002: ['protocol error', 'A frame broke the rules of RFC 6455.', 'A client written by hand: is every frame masked, are reserved bits 0? A proxy that changes bytes?', '协议错误', '有帧违反 RFC 6455。', '自写客户端：每一帧是否加掩码、保留位是否为 0？代理是否改动了数据？'],
  1003: ['unsupported data', 'The other side does not take this type of message.', 'Send text instead of binary, or the reverse.', '不支持的数据', '对方不接受该类型的消息。', '请改用文本或二进制发送。'],
  1004: ['reserved', 'Has no meaning and should not occur.', 'The other side’s implementation.', '保留', '保留的关闭码，不应出现。', '检查对方的实现。'],
  1005: ['no code received', 'A Close frame without a code: close() was called without one.', 'Usually nothing. Give a code to say why.', '未带关闭码', '关闭帧不带关闭码：调用 close() 时未给出。', '一般无需处理；可给出关闭码以说明原因。'],
  1006: ['abnormal closure', 'The connection was lost, or never came to be, without a Close frame. The browser tells no more.', 'A proxy’s timeout (nginx: proxy_read_timeout, 60 s by default, must exceed the ping interval); the certificate (trusted, full chain, right name); the server down (502 behind a proxy); Upgrade not passed on; the network.', '异常关闭', '连接丢失或从未建立，没有收到关闭帧；浏览器不会给出更多信息。', '代理超时（nginx 的 proxy_read_timeout 默认 60 秒，须大于 ping 间隔）；证书（受信任、链完整、域名一致）；服务器未运行（代理后为 502）；代理未传递 Upgrade；网络。'],
  1007: ['invalid data', 'A text message was not UTF-8.', 'Send bytes as binary; text must be UTF-8, not GBK.', '数据无效', '文本消息不是有效的 UTF-8。', '字节数据请以二进制发送；文本须为 UTF-8，而不是 GBK。'],
  1008: ['policy violation', 'The server refuses on grounds of its own.', 'The reason, and the server’s log.', '违反规则', '服务器按自身规则拒绝。', '查看关闭原因和服务器日志。'],
  1009: ['message too big', 'A message was larger than the server takes.', 'limits.message_bytes (64 KiB by default); split the message. Reconnecting to send it again would not help.', '消息过大', '消息超过服务器允许的大小。', 'limits.message_bytes（默认 64 KiB）；请拆分消息。重连后再发仍会失败。'],
  1010: ['extension missing', 'The client wanted an extension that the server did not grant.', 'Browsers never send this: look at the client.', '缺少扩展', '客户端要求的扩展未被接受。', '浏览器不会发送此关闭码，请检查客户端。'],
  1011: ['internal error', 'The server met an error of its own.', 'The server’s log at the time of the close.', '内部错误', '服务器内部错误。', '查看关闭时刻的服务器日志。'],
  1012: ['service restart', 'The server restarts.', 'Nothing: clients come back by themselves after a random moment. If nobody restarted it, see why it ended.', '服务重启', '服务器正在重启。', '无需处理：客户端会在随机延时后自动重连。若无人重启，请查明进程为何结束。'],
  1013: ['try again later', 'The server has no room at the moment.', 'Load and limits on the status page; the client should wait before it comes back.', '稍后再试', '服务器暂时繁忙。', '查看状态页的负载与上限；客户端应稍等再连。'],
  1014: ['bad gateway', 'A gateway got no proper answer from the server behind it.', 'Does the server behind it run, and on that port?', '网关错误', '网关未得到后端的正确应答。', '后端是否在运行？端口是否正确？'],
  1015: ['TLS handshake failed', 'No TLS connection could be made.', 'Certificate: trusted, not expired, full chain, right name; TLS 1.2 or newer.', 'TLS 握手失败', '无法建立 TLS 连接。', '证书是否受信任、未过期、链完整、域名一致；TLS 1.2 或更新。'],
  3000: ['connection closed', 'The server closed without a particular reason.', 'Nothing: clients reconnect.', '连接关闭', '服务器关闭连接，无特别原因。', '无需处理：客户端会重连。'],
  3001: ['shutdown', 'The server shuts down.', 'Nothing, if it was planned: clients reconnect.', '停机', '服务器正在停机。', '若为计划内则无需处理：客户端会重连。'],
  3004: ['server error', 'The server met an error of its own.', 'The server’s log.', '服务器错误', '服务器内部错误。', '查看服务器日志。'],
  3005: ['connection expired', 'The token of the connection ran out.', 'Get a fresh token before reconnecting.', '连接过期', '连接令牌已过期。', '重连前请获取新令牌。'],
  3006: ['subscription expired', 'The token of a subscription ran out.', 'Get a fresh subscription token.', '订阅过期', '订阅令牌已过期。', '请获取新的订阅令牌。'],
  3008: ['slow', 'The client takes less than it is sent, and its queue on the server is full.', 'Does the client read and keep up? limits.outbox_bytes, slow.policy; send less or join fewer channels.', '接收过慢', '客户端接收太慢，服务器上的发送队列已满。', '客户端是否及时读取？limits.outbox_bytes、slow.policy；减少推送量或频道数。'],
  3009: ['write error', 'Nothing could be written to the client for too long.', 'slow.write_timeout; a phone that lost its network, a client that stopped reading.', '写入失败', '长时间无法向客户端写入。', 'slow.write_timeout；手机是否断网、客户端是否停止读取。'],
  3010: ['insufficient state', 'The server lost its place in the stream.', 'Reload the state, then reconnect.', '状态不足', '服务器丢失了流的位置。', '请重新加载状态后再连。'],
  3011: ['reconnect asked for', 'The server asks the client to come back, perhaps to another node.', 'Nothing: clients reconnect.', '要求重连', '服务器要求重新连接，可能换到另一节点。', '无需处理：客户端会重连。'],
  3012: ['no pong', 'A ping stayed without an answer.', 'The network; a proxy that holds frames back; a client that does not answer pings. heartbeat.pong_timeout.', '没有 pong', 'ping 没有得到应答。', '网络；代理是否滞留帧；客户端是否应答 ping。heartbeat.pong_timeout。'],
  3013: ['too many requests', 'The client sends too fast.', 'The rate of sending; the server’s limits.', '请求过多', '客户端发送过于频繁。', '降低发送频率；检查服务器限制。'],
  3014: ['state invalidated', 'What the client had learned is no longer valid.', 'Reload the state, then reconnect.', '状态失效', '客户端已有的状态失效。', '请重新加载状态后再连。'],
  3500: ['invalid token', 'The token was not accepted.', 'Key, signature, algorithm and expiry of the token.', '令牌无效', '令牌无效。', '检查令牌的密钥、签名、算法和有效期。'],
  3501: ['bad request', 'The server did not understand what the client sent.', 'The reason: a channel’s name, a position, the message format or the subprotocol.', '请求有误', '服务器无法理解客户端的请求。', '查看关闭原因：频道名、位置、消息格式或子协议。'],
  3502: ['stale', 'The client connected and then did not introduce itself in time.', 'The client must send its first command soon after connecting.', '未及时应答', '客户端连接后未及时发出首条命令。', '连接后应尽快发送首条命令。'],
  3503: ['disconnected by the server', 'Somebody, or a rule, disconnected this client.', 'The administrator or the backend.', '被服务器断开', '被服务器强制断开。', '询问管理员或检查后端。'],
  3504: ['connection limit', 'The user has more sessions than it may.', 'limits.sessions_per_user, client.personal_channel.single_connection; other tabs of the same user, sockets that were not closed.', '会话数超限', '用户的会话数超限。', 'limits.sessions_per_user、client.personal_channel.single_connection；同一用户的其他页面，未关闭的 socket。'],
  3505: ['channel limit', 'Too many channels for one connection.', 'Join fewer channels, or raise limits.subscriptions.', '频道数超限', '单个连接的频道数超限。', '减少频道，或调高 limits.subscriptions。'],
  3506: ['inappropriate protocol', 'Text where binary was agreed on, or the reverse.', 'The subprotocol and the type of messages.', '协议不符', '消息类型与约定的协议不符。', '检查子协议与消息类型。'],
  3507: ['permission denied', 'This client may not do what it asked for.', 'The reason: it names the setting (allow.subscribe, allow.publish) that would let it, or what the backend said.', '没有权限', '没有权限。', '查看关闭原因：其中写明应设置的配置项（allow.subscribe、allow.publish），或后端的答复。'],
  3508: ['not available', 'The server does not offer what was asked for.', 'The server’s settings.', '不可用', '服务器未提供该功能。', '检查服务器配置。'],
  3509: ['too many errors', 'The client made too many mistakes in a row.', 'The errors that came before.', '错误过多', '客户端连续出错过多。', '查看之前的错误。'],
};

// [first, last, …as above]
const RANGES = [
  [1000, 2999, 'reserved', 'Reserved for the protocol itself.', 'The other side’s implementation.', '保留', '协议保留。', '检查对方的实现。'],
  [3000, 3499, 'closed by the server', 'A reason of the server’s; clients may reconnect.', 'The reason, and the server’s log.', '被服务器关闭', '服务器给出的原因；客户端可以重连。', '查看关闭原因和服务器日志。'],
  [3500, 3999, 'refused by the server', 'A reason of the server’s; clients must not reconnect.', 'The reason, and the server’s log.', '被服务器拒绝', '服务器给出的原因；客户端不应重连。', '查看关闭原因和服务器日志。'],
  [4000, 4499, 'closed by the application', 'A code of the application’s own; clients may reconnect.', 'The reason, and the documents of the application.', '被应用关闭', '应用自定义关闭码；客户端可以重连。', '查看关闭原因与应用文档。'],
  [4500, 4999, 'refused by the application', 'A code of the application’s own; clients must not reconnect.', 'The reason, and the documents of the application.', '被应用拒绝', '应用自定义关闭码；客户端不应重连。', '查看关闭原因与应用文档。'],
];

/** `{name, meaning, check}` of a code in a language (`en` or `zh`). */
export function explain(code, language) {
  const range = RANGES.find(([first, last]) => code >= first && code <= last)?.slice(2);
  const unknown = ['unknown', 'Not a close code.', 'The other side’s implementation.', '未知', '不是关闭码。', '检查对方的实现。'];
  const [name, meaning, check, nameZh, meaningZh, checkZh] = CODES[code] ?? range ?? unknown;
  return language === 'zh' ? { name: nameZh, meaning: meaningZh, check: checkZh } : { name, meaning, check };
}

/** Whether a client must stay away after this code: it would only meet the same end again. */
export function isTerminal(code) {
  return code === 1009 || (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999);
}

/** Whether a script may close with this code (the WebSocket interface takes 1000 and 3000–4999 only). */
export function mayCloseWith(code) {
  return code === 1000 || (code >= 3000 && code <= 4999);
}
