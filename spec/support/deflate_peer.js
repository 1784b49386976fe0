// deflate_peer.js client URL COUNT | server: npm's ws with every combination of
// windows and take-over. A client sends COUNT random messages in each and prints
// "ok"; a server prints its ports and echoes until its input ends.
'use strict';

const WebSocket = require(process.env.NEAP_NODE_WS || '/usr/share/nodejs/ws');

const WORDS = ['foo', 'bar', 'été', '日本', 'quux', '😀'];
const SIZES = [0, 1, 20, 200, 511, 512, 600, 2000, 5000, 20000];
const BATCH = 20;

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function makeMessage(number) {
  const size = pick(SIZES);
  let text = '';
  while (text.length < size) text += pick(WORDS) + Math.floor(Math.random() * 99);
  return number % 3 === 0 ? Buffer.from(text) : text;
}

function send(socket, message, number) {
  if (number % 7 !== 0) return socket.send(message);
  const bytes = Buffer.from(message);
  const binary = Buffer.isBuffer(message);
  socket.send(bytes.slice(0, bytes.length / 3), { fin: false, binary });
  return socket.send(bytes.slice(bytes.length / 3), { fin: true, binary });
}

function talk(url, options, count) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: options });
    let sent = [], received = 0;
    function more() {
      sent = [];
      for (let i = 0; i < BATCH && received + i < count; i++) sent.push(makeMessage(i));
      if (sent.length === 0) return socket.close();
      return sent.forEach((message, i) => send(socket, message, i));
    }
    socket.on('open', () => {
      if (!socket.extensions.includes('permessage-deflate')) {
        reject(new Error('no extension was agreed on'));
      } else more();
    });
    socket.on('message', (data) => {
      if (!Buffer.from(sent.shift()).equals(data)) reject(new Error('another message'));
      received++;
      if (sent.length === 0) more();
    });
    socket.on('error', reject);
    socket.on('close', (code) => {
      if (received === count) resolve();
      else reject(new Error('closed with ' + code));
    });
  });
}

async function runClient(url, count) {
  for (const serverNoContextTakeover of [undefined, true])
    for (const clientNoContextTakeover of [undefined, true])
      for (const serverMaxWindowBits of [undefined, 8, 9, 12, 15])
        for (const clientMaxWindowBits of [undefined, true, 9, 12, 15])
          await talk(url, { serverNoContextTakeover, clientNoContextTakeover,
            serverMaxWindowBits, clientMaxWindowBits, threshold: 0 }, count);
  console.log('ok');
}

function listen(perMessageDeflate) {
  return new Promise((resolve) => {
    const server = new WebSocket.Server(
      { port: 0, host: '127.0.0.1', perMessageDeflate, maxPayload: 0 });
    server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    server.on('listening', () => resolve(server.address().port));
  });
}

async function runServer() {
  const ports = [];
  for (const serverNoContextTakeover of [undefined, true])
    for (const clientNoContextTakeover of [undefined, true])
      for (const serverMaxWindowBits of [undefined, 9, 15])
        for (const clientMaxWindowBits of [undefined, 9, 15])
          ports.push(await listen({ serverNoContextTakeover, clientNoContextTakeover,
            serverMaxWindowBits, clientMaxWindowBits, threshold: 0 }));
  console.log(ports.join(' '));
  process.stdin.on('end', () => process.exit(0)).resume();
}

const fail = (error) => { console.log(error.message); process.exit(1); };
if (process.argv[2] === 'client') runClient(process.argv[3], +process.argv[4]).catch(fail);
else runServer().catch(fail);
