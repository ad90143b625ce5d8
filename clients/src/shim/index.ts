//! The module `websocket-shim`: `module.exports = WebSocket`.

import { MiniWebSocket } from './websocket';

// That it is what its types promise is checked here.
const checked: typeof import('../../miniprogram/websocket-shim') = MiniWebSocket;
export default checked;
