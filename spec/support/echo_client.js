// echo_client.js URL: npm's ws against an echo; prints "ok" at the end.
'use strict';
require('dns').setDefaultResultOrder('ipv4first'); // localhost may be ::1 first

const WebSocket = require(process.env.NEAP_NODE_WS || '/usr/share/nodejs/ws');

const LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 300000];
const sent = [];
for (const length of LENGTHS) {
  sent.push('~'.repeat(length), Buffer.alloc(length, 255));
}

const socket = new WebSocket(process.argv[2], { perMessageDeflate: false });
let received = 0;

function fail(why) {
  console.error(why);
  process.exit(1);
}

setTimeout(() => fail('timed out'), 60000).unref();
socket.on('error', (error) => fail(error.message));
socket.on('open', () => sent.forEach((message) => socket.send(message)));
socket.on('message', (data, isBinary) => {
  const expected = sent[received++];
  if (isBinary !== Buffer.isBuffer(expected)) fail('wrong kind');
  if (!Buffer.from(expected).equals(data)) fail('wrong content');
  if (received === sent.length) socket.ping('still there?');
});
socket.on('pong', (data) => {
  if (String(data) !== 'still there?') fail('wrong pong');
  socket.close(4321, 'done');
});
socket.on('close', (code) => {
  if (code !== 4321) fail('closed with ' + code);
  console.log('ok');
});
