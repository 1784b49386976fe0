// The bench's jobs for npm's ws: node ws.js PORT [deflate]
const { WebSocketServer } = require('ws');
const deflate = process.argv[3] === 'deflate';
const server = new WebSocketServer({
  port: Number(process.argv[2]), host: '127.0.0.1', maxPayload: 16 << 20,
  perMessageDeflate: deflate &&
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
