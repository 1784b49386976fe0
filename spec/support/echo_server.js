// echo_server.js: an echo by ws of npm; prints "port N". Paths as echo_server.py.
"use strict";

const WebSocket = require(process.env.NEAP_NODE_WS || "/usr/share/nodejs/ws");

const server = new WebSocket.Server({
  port: 0,
  host: "127.0.0.1",
  perMessageDeflate: true,
  handleProtocols: (offered) => (offered.has("chat.v1") ? "chat.v1" : false),
});

server.on("listening", () => console.log(`port ${server.address().port}`));
server.on("connection", (socket, request) => {
  const close = request.url.match(/^\/close\/(\d+)$/);
  if (close) {
    socket.close(Number(close[1]), "so long");
    return;
  }
  const wait = request.url === "/late" ? 200 : 0;
  socket.on("message", (data, isBinary) => {
    if (wait) setTimeout(() => socket.send(data, { binary: isBinary }), wait);
    else socket.send(data, { binary: isBinary });
  });
});
