// 场景 3，照教程写的页面：不用任何 SDK。
Page({
  data: { open: false, text: '', message: '' },

  connect() {
    const task = wx.connectSocket({ url: getApp().url });
    task.onOpen(() => this.setData({ open: true }));
    task.onMessage((res) => {
      this.setData({ message: res.data });
      wx.showToast({ title: res.data, icon: 'none' });
    });
    task.onClose(() => this.setData({ open: false }));
    this.task = task;
  },

  close() {
    if (this.task) this.task.close({});
  },

  input(event) {
    this.setData({ text: event.detail.value });
  },

  send() {
    if (!this.data.open) {
      wx.showToast({ title: '请先连接', icon: 'none' });
      return;
    }
    this.task.send({ data: this.data.text });
    this.setData({ text: '' });
  },
});
