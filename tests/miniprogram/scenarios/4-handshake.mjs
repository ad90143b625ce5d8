//! Scenario 4 as its tutorial writes it: the handshake and the frames by hand, on a bare TCP
//! socket.

import { connect } from 'node:net';

/** Shakes hands at `path`, sends `text`, and calls `onText` for each text that comes. */
export function talk(port, path, text, onAnswer, onText) {
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(
      [
        `GET ${path} HTTP/1.1`,
        'Host: 127.0.0.1',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Protocol: chat, superchat',
        'Sec-WebSocket-Version: 13',
        '',
        '',
      ].join('\r\n'),
    );
  });
  let all = Buffer.alloc(0);
  let isOpen = false;
  socket.on('data', (piece) => {
    all = Buffer.concat([all, piece]);
    const head = all.indexOf('\r\n\r\n');
    if (!isOpen && head < 0) return;
    if (!isOpen) {
      isOpen = true;
      onAnswer(all.subarray(0, head).toString().split('\r\n'));
      all = all.subarray(head + 4);
      socket.write(frame(1, Buffer.from(text)));
    }
    // One length byte is enough for what comes here, or two more.
    while (all.length >= 2) {
      const isLong = all[1] === 126;
      const size = isLong ? all.readUInt16BE(2) : all[1];
      const begin = isLong ? 4 : 2;
      if (all.length < begin + size) return;
      const payload = all.subarray(begin, begin + size);
      if ((all[0] & 15) === 1) onText(payload.toString());
      if ((all[0] & 15) === 8) onText(`close ${payload.readUInt16BE(0)}`);
      all = all.subarray(begin + size);
    }
  });
  return {
    send: (more) => socket.write(frame(1, Buffer.from(more))),
    end: () => socket.destroy(),
  };
}

/** A masked frame, as clients must send them. */
function frame(opcode, payload) {
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = payload.map((byte, at) => byte ^ mask[at % 4]);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]);
}
