// The mark to reach: Bun's own pub/sub (uWebSockets inside), as its documentation suggests to use it.
// Started by `../run` on one core; owns nothing but its sockets. Every WebSocket on /ws joins one topic, and what
// one of them sends goes to all, the sender included; POST /publish does the same with its body.
// It must do nothing for speed that a plain user would not do: no compression, no batching of its own.

const port = Number(process.argv[2] ?? 9001);
const topic = "all";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port,
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (pathname === "/ws") {
      return server.upgrade(request)
        ? undefined
        : new Response("a WebSocket request is expected here\n", { status: 426 });
    }
    if (pathname === "/publish" && request.method === "POST") {
      server.publish(topic, await request.text());
      return new Response("published\n");
    }
    return new Response("not found\n", { status: 404 });
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      socket.subscribe(topic);
    },
    message(_socket, message) {
      // `server.publish`, not `socket.publish`: the latter leaves the sender out.
      server.publish(topic, message);
    },
  },
});

console.log(`bun ${Bun.version} listens on 127.0.0.1:${server.port}`);
