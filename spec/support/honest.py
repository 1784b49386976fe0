"""honest.py PORT COUNT: an honest WebSocket client of an echo.

Prints the 99th percentile of COUNT round trips, in milliseconds; there is a
pause of 2 ms between them."""

import socket
import struct
import sys
import time

port, count = int(sys.argv[1]), int(sys.argv[2])
wire = socket.create_connection(("127.0.0.1", port), timeout=30)
wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
wire.sendall(b"GET /honest HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
             b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
head = b""
while not head.endswith(b"\r\n\r\n"):
    head += wire.recv(1)
assert head.startswith(b"HTTP/1.1 101 "), head
took = []
for number in range(count):
    began = time.monotonic()
    wire.sendall(b"\x82\x88\0\0\0\0" + struct.pack(">Q", number))
    answer = b""
    while len(answer) < 10:
        answer += wire.recv(10 - len(answer))
    took.append(time.monotonic() - began)
    assert answer == b"\x82\x08" + struct.pack(">Q", number), answer
    time.sleep(0.002)
took.sort()
print("%.3f" % (took[int(len(took) * 0.99)] * 1000), flush=True)
