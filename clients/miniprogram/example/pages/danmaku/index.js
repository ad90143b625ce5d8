const config = require('../../config.js');
const { colorOf, nickname } = require('../../utils/names.js');
const Stage = require('../../utils/stage.js');
const { clock, closeWords, failureWords, stateWords } = require('../../utils/words.js');

const MAX_LINES = 100;
const MAX_FACES = 6;
const TICK_MS = 500;

Page({
  data: {
    state: 'disconnected',
    stateWords: '未连接',
    hint: '点“连接”，看看谁在',
    members: 0,
    faces: [],
    flying: [],
    last: null,
    lines: [],
    bottom: '',
    text: '',
  },

  // 下面这些是页面自己的，不用来画，onLoad 里填。
  /** @type {import('../../fanfare.js').FanfareClient} */
  client: null,
  /** @type {import('../../fanfare.js').Subscription} */
  subscription: null,
  /** @type {Stage} */
  stage: null,
  name: '',
  here: {},
  count: 0,
  retryAt: 0,
  offs: [],
  ticker: 0,

  onLoad() {
    this.client = getApp().fanfare;
    this.name = nickname();
    this.stage = new Stage();
    this.here = {};
    this.count = 0;
    this.retryAt = 0;
    // 退订时要用的，都收在这里。
    this.offs = [
      this.client.on('state', (told) => this.onState(told)),
      this.client.on('close', (told) => this.onClosed(told)),
      this.client.on('error', (error) => this.say(failureWords(error))),
    ];
    this.subscription = this.client.subscribe(config.channel);
    this.subscription.on('publication', (told) => this.onPublication(told));
    this.subscription.on('subscribed', (told) => this.onSubscribed(told));
    this.subscription.on('join', ({ client }) => this.meet(client, true));
    this.subscription.on('leave', ({ client }) => this.meet(client, false));
    this.subscription.on('error', (error) => this.say(failureWords(error)));
    this.ticker = setInterval(() => this.onTick(), TICK_MS);
    this.onState({ state: this.client.state, code: 0, reason: '' });
  },

  // 页面走了就退订，否则它还会收消息；连接留给别的页面。
  onUnload() {
    clearInterval(this.ticker);
    this.offs.forEach((off) => off());
    this.subscription.unsubscribe();
  },

  // ---- 点的和写的 ----

  onConnect() {
    this.client.connect();
  },

  onDisconnect() {
    this.client.close();
  },

  onInput({ detail }) {
    this.setData({ text: detail.value });
  },

  onSend() {
    const text = this.data.text.trim();
    if (this.client.state !== 'connected') {
      this.say('请先连接');
      return;
    }
    if (!text) return;
    this.setData({ text: '' });
    this.subscription.publish({ name: this.name, text }).catch((error) => {
      // 没发出去的还给他。
      this.setData({ text: this.data.text || text });
      this.say(failureWords(error));
    });
  },

  // ---- 连接告诉的 ----

  onState({ state, retryIn = 0, code, reason }) {
    this.retryAt = retryIn > 0 ? Date.now() + retryIn : 0;
    this.setData({ state });
    if (state === 'connecting' && code) this.setData({ hint: closeWords(code, reason) });
    if (state === 'connected') this.setData({ hint: '说点什么吧' });
    if (state !== 'connected') this.setMembers({});
    this.showState();
  },

  onClosed({ code, reason }) {
    this.setData({ hint: code === 0 || code === 1000 ? '已断开' : closeWords(code, reason) });
  },

  onSubscribed({ wasRecovering, recovered }) {
    if (wasRecovering && !recovered) {
      this.say('有些消息没能补回来');
      this.setData({ lines: [] });
    }
    if (!wasRecovering || !recovered) this.loadHistory();
    // 轮询时没有在线名单。
    this.subscription.presence().then((clients) => this.setMembers(clients), () => {});
  },

  onPublication(publication) {
    const line = this.lineOf(publication);
    const { name, text, color, mine } = line;
    this.setLines(this.data.lines.concat(line));
    this.setData({ last: { name, text } });
    // 补回来的只进记录，不再飞一遍。
    if (publication.recovered) return;
    if (this.stage.add(text, color, mine, Date.now())) this.setData({ flying: this.stage.flying });
    if (!mine) wx.showToast({ title: text.slice(0, 24), icon: 'none', duration: 1200 });
  },

  // ---- 画 ----

  loadHistory() {
    this.subscription.history({ limit: 20, reverse: true }).then(({ publications }) => {
      const lines = publications.reverse().map((publication) => this.lineOf(publication));
      const last = lines.length ? lines[lines.length - 1].offset : 0;
      // 等历史的时候可能已经来了新的。
      this.setLines(lines.concat(this.data.lines.filter(({ offset }) => offset > last)));
    }, () => {});
  },

  // 服务器和测试页推来的是一句话，别的小程序推来的有名字。
  lineOf({ data, offset = 0 }) {
    const isSaid = data && typeof data.text === 'string';
    const name = isSaid ? data.name || '匿名' : '服务器';
    const text = isSaid ? data.text : typeof data === 'string' ? data : JSON.stringify(data);
    this.count += 1;
    return {
      id: this.count,
      offset,
      name,
      text,
      mine: name === this.name,
      color: colorOf(name),
      time: clock(new Date()),
    };
  },

  setLines(all) {
    const lines = all.slice(-MAX_LINES);
    this.setData({ lines });
    if (lines.length) this.setData({ bottom: `line-${lines[lines.length - 1].id}` });
  },

  meet(client, isHere) {
    const here = Object.assign({}, this.here);
    if (isHere) here[client] = true;
    else delete here[client];
    this.setMembers(here);
  },

  setMembers(clients) {
    this.here = clients;
    const ids = Object.keys(clients);
    const faces = ids.slice(0, MAX_FACES).map((id) => ({ id, color: colorOf(id) }));
    this.setData({ members: ids.length, faces });
  },

  onTick() {
    if (this.stage.clear(Date.now())) this.setData({ flying: this.stage.flying });
    if (this.retryAt) this.showState();
  },

  showState() {
    const seconds = this.retryAt ? Math.max(0, Math.ceil((this.retryAt - Date.now()) / 1000)) : 0;
    const words = stateWords(this.client.state, this.client.transport, seconds);
    if (words !== this.data.stateWords) this.setData({ stateWords: words });
  },

  say(title) {
    wx.showToast({ title, icon: 'none' });
  },
});
