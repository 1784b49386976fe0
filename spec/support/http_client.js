// Requests over the kept connections of one http.Agent; prints "ok".
"use strict";
require("dns").setDefaultResultOrder("ipv4first"); // localhost may be ::1 first
const assert = require("assert");
const http = require("http");

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const sockets = new Set();

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { agent, method, path, port: Number(process.argv[2]), timeout: 20000 };
    const request = http.request(options, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve([answer.statusCode, Buffer.concat(parts).toString()]));
    });
    request.on("socket", (socket) => sockets.add(socket));
    request.on("error", reject);
    if (body) for (const part of body) request.write(part);
    request.end();
  });
}

async function main() {
  const all = [];
  for (let i = 0; i < 100; i++) all.push(ask("GET", "/"));
  for (const answer of await Promise.all(all)) assert.deepStrictEqual(answer, [200, "hello"]);
  assert.ok(sockets.size <= 4, "connections were not kept");
  const parts = ["a".repeat(100000), "b", "c".repeat(300000)];
  assert.deepStrictEqual(await ask("POST", "/echo", parts), [200, parts.join("")]);
  assert.strictEqual((await ask("GET", "/stream"))[1].split(",").length, 1001);
  agent.destroy();
  console.log("ok");
}

main().catch((error) => { console.log(error); process.exit(1); });
