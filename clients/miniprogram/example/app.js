const Fanfare = require('./fanfare.js');
const config = require('./config.js');

App({
  /** @type {import('./fanfare.js').FanfareClient} */
  fanfare: null,

  onLaunch() {
    // 整个小程序共用一条连接：同时最多只能有 5 个 socket。页面只管订阅和退订。
    this.fanfare = new Fanfare(config.server, {
      // 有登录态时：token: () => 从自己的后端取连接令牌，过期后会再次调用。
    });
  },
});
