// Socket.IO on Node, as its documentation shows a chat: rooms, one event, WebSocket alone.
// Started by `servers.py` on one core; owns nothing but its sockets. Every socket joins the room that it names by ?channel=, and what
// one of them emits as `message` goes to all of that room, the sender included; POST /publish does the same with its
// body. With ?echo=1 what it emits comes back to it alone. Connection state recovery is on only with the word `recovery`.
// It must do nothing for speed that a plain user would not do.

import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, word] = process.argv.slice(2);

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  if (url.pathname !== "/publish" || request.method !== "POST") {
    response.writeHead(404).end("not found\n");
    return;
  }
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    io.to(url.searchParams.get("channel") ?? "all").emit("message", Buffer.concat(parts).toString());
    response.end("published\n");
  });
});

const recovery = word === "recovery" ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {};
const io = new Server(server, { transports: ["websocket"], serveClient: false, ...recovery });
io.on("connection", (socket) => {
  const { channel: room = "all", echo } = socket.handshake.query;
  if (echo) {
    socket.on("message", (data) => socket.emit("message", data));
    return;
  }
  socket.join(room);
  socket.on("message", (data) => io.to(room).emit("message", data));
});

server.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
