// 弹幕的轨道：后一条不追上前一条；人多时宁可少放，也不卡住页面。

const LANES = 5;
const SECONDS = 8;
const MAX_FLYING = 40;

class Stage {
  constructor() {
    // 每条轨道什么时候又有地方。
    this.freeAt = new Array(LANES).fill(0);
    this.count = 0;
    this.flying = [];
  }

  // 放一条；太挤时答 false。
  add(text, color, mine, now) {
    if (this.flying.length >= MAX_FLYING) return false;
    const lane = this.freeAt.indexOf(Math.min(...this.freeAt));
    if (this.freeAt[lane] > now + SECONDS * 500) return false;
    // 越长的弹幕，尾巴离开右边越晚。
    this.freeAt[lane] = Math.max(now, this.freeAt[lane]) + 900 + text.length * 90;
    this.count += 1;
    this.flying.push({
      id: this.count,
      text,
      color,
      mine,
      top: 6 + lane * 15,
      seconds: SECONDS,
      goneAt: now + SECONDS * 1000,
    });
    return true;
  }

  // 拿掉飞完的；有变化才答 true。
  clear(now) {
    const left = this.flying.filter(({ goneAt }) => goneAt > now);
    const changed = left.length < this.flying.length;
    this.flying = left;
    return changed;
  }
}

module.exports = Stage;
