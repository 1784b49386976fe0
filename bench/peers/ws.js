// The bench's jobs for npm's ws: node ws.js PORT [tls|deflate]
const fs = require('fs');
const { WebSocketServer } = require('ws');
const [port, extra] = process.argv.slice(2);
const pem = (name) => fs.readFileSync(`build/bench/${name}.pem`);
const http = extra === 'tls'
  ? require('https').createServer({ cert: pem('cert'), key: pem('key') })
  : require('http').createServer();
const server = new WebSocketServer({
  server: http, maxPayload: 16 << 20,
  perMessageDeflate: extra === 'deflate' &&
    { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 512 },
});
const feed = new Set();
server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url === '/feed') {
    feed.add(socket);
    socket.on('close', () => feed.delete(socket));
  } else if (request.url === '/publish') {
    socket.on('message', (data, binary) => {
      for (const reader of feed) reader.send(data, { binary });
    });
  } else {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  }
});
http.listen(Number(port), '127.0.0.1');
