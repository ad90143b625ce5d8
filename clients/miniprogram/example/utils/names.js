// 昵称与颜色：同一个名字总是同一种颜色。

const COLORS = ['#7dd3c0', '#f2b880', '#a5b4fc', '#f59fb0', '#b5d986', '#8ecdf5', '#e3c567'];

function colorOf(name) {
  let sum = 7;
  for (let at = 0; at < name.length; at++) sum = (sum * 31 + name.charCodeAt(at)) % 9973;
  return COLORS[sum % COLORS.length];
}

// 第一次打开时取一个，以后沿用。
function nickname() {
  const kept = wx.getStorageSync('nickname');
  if (kept) return kept;
  const made = `听众${Math.floor(100 + Math.random() * 900)}`;
  wx.setStorageSync('nickname', made);
  return made;
}

module.exports = { colorOf, nickname };
