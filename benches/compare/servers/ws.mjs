// Node with ws, the library that most Node servers use, as its README shows a broadcast.
// Started by `servers.py` on one core; owns nothing but its sockets. Every WebSocket on /ws is in the channel that it names by
// ?channel=, and what one of them sends goes to all of that channel, the sender included; POST /publish does the same with
// its body. On /echo each gets back what it says. A second word, `deflate`, turns compression on.
// It must do nothing for speed that a plain user would not do.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const [port, word] = process.argv.slice(2);
const channels = new Map();

function members(url) {
  const name = url.searchParams.get("channel") ?? "all";
  if (!channels.has(name)) channels.set(name, new Set());
  return channels.get(name);
}

function publish(sockets, data, binary) {
  for (const socket of sockets) {
    if (socket.readyState === socket.OPEN) socket.send(data, { binary });
  }
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  if (url.pathname !== "/publish" || request.method !== "POST") {
    response.writeHead(404).end("not found\n");
    return;
  }
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    publish(members(url), Buffer.concat(parts), false);
    response.end("published\n");
  });
});

// The threshold is that of fanfare; by default it is 1,024 bytes.
const perMessageDeflate = word === "deflate" ? { threshold: 256 } : false;
const sockets = new WebSocketServer({ server, perMessageDeflate });
sockets.on("connection", (socket, request) => {
  const url = new URL(request.url, "http://127.0.0.1");
  socket.on("error", () => socket.terminate());
  if (url.pathname === "/echo") {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    return;
  }
  const all = members(url);
  all.add(socket);
  socket.on("message", (data, binary) => publish(all, data, binary));
  socket.on("close", () => all.delete(socket));
});

server.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
