//! The texts that every page says, in English and Chinese, side by side so that neither is forgotten. Owned by i18n.js.
//! The console's own are in words-*.js, close codes in codes.js. It must hold no markup.

export const words = {
  'other-language': ['中文', 'English'],
  theme: ['Theme: {theme}', '主题：{theme}'],
  'theme-system': ['as the system', '跟随系统'],
  'theme-light': ['light', '浅色'],
  'theme-dark': ['dark', '深色'],
  'go-console': ['Console', '控制台'],
  'go-danmaku': ['Danmaku', '弹幕'],
  'go-admin': ['Admin', '管理'],
  documents: ['Documents', '文档'],
  ok: ['OK', '确定'],
  cancel: ['Cancel', '取消'],
  close: ['Close', '关闭'],
  copy: ['Copy', '复制'],
  copied: ['Copied', '已复制'],
  'not-copied': ['The browser did not allow copying', '浏览器不允许复制'],
  remove: ['Remove', '删除'],
  search: ['Search', '搜索'],
  more: ['More', '更多'],
  none: ['none', '无'],
};
