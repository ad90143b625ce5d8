/// <reference path="../../../clients/browser/fanfare.d.ts" />
// A page without modules, where the script left a global.

function page() {
  const client = new Fanfare('/');
  client.on('message', ({ data }) => console.log(data));
  return client.state;
}
page();
