// The mark to reach: Bun's own pub/sub (uWebSockets inside), as its documentation suggests to use it.
// Started by `servers.py` on one core; owns nothing but its sockets. Every WebSocket on /ws joins the topic that it names by
// ?channel=, and what one of them sends goes to all of that topic, the sender included; POST /publish does the same with
// its body. On /echo each gets back what it says. Words behind the port: `deflate`, and `tls` with a certificate and a key.
// It must do nothing for speed that a plain user would not do: no batching of its own.

const [port, ...words] = process.argv.slice(2);
const at = words.indexOf("tls");
const tls = at < 0 ? undefined : { cert: Bun.file(words[at + 1]), key: Bun.file(words[at + 2]) };

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  tls,
  async fetch(request, server) {
    const { pathname, searchParams } = new URL(request.url);
    const topic = searchParams.get("channel") ?? "all";
    if (pathname === "/ws" || pathname === "/echo") {
      return server.upgrade(request, { data: { topic, echoes: pathname === "/echo" } })
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
    perMessageDeflate: words.includes("deflate"),
    open(socket) {
      if (!socket.data.echoes) socket.subscribe(socket.data.topic);
    },
    message(socket, message) {
      if (socket.data.echoes) socket.send(message, words.includes("deflate"));
      // `server.publish`, not `socket.publish`: the latter leaves the sender out.
      else server.publish(socket.data.topic, message, words.includes("deflate"));
    },
  },
});

console.log(`bun ${Bun.version} listens on 127.0.0.1:${server.port}`);
