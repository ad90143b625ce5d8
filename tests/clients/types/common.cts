// The same by `require`, in a browser's classic script and in a mini program.

import Fanfare = require('../../../clients/browser/fanfare.js');
import Mini = require('../../../clients/miniprogram/fanfare.js');

const client: Fanfare = new Fanfare('https://push.example.com');
const part: Fanfare.Subscription = client.subscribe('room');
const position: Fanfare.Position | null = part.position;
const mini: Mini = new Mini('https://push.example.com', { wx: {} });
mini.on('error', (error: Mini.FanfareError) => console.log(error.code, position));
