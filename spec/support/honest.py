"""honest.py PORT COUNT PID: an honest WebSocket client of an echo.

Prints the 95th percentile of COUNT round trips, in milliseconds; there is a
pause of 2 ms between them. The time that it, or the server PID, was ready and
waited for a core is left out: other programs took it. What a machine that stands
still for a moment adds to a few of them is above the percentile."""

import socket
import struct
import sys
import time

port, count = int(sys.argv[1]), int(sys.argv[2])
schedules = [open("/proc/%s/schedstat" % pid, "rb", buffering=0)
             for pid in ("self", sys.argv[3])]


def now():
    """Seconds of a clock that stands still while one of the two waits for a core."""
    waited = 0
    for schedule in schedules:
        schedule.seek(0)
        waited += int(schedule.read().split()[1])
    return time.monotonic() - waited / 1e9


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
    began = now()
    wire.sendall(b"\x82\x88\0\0\0\0" + struct.pack(">Q", number))
    answer = b""
    while len(answer) < 10:
        answer += wire.recv(10 - len(answer))
    took.append(now() - began)
    assert answer == b"\x82\x08" + struct.pack(">Q", number), answer
    time.sleep(0.002)
took.sort()
print("%.3f" % (took[int(len(took) * 0.95)] * 1000), flush=True)
