"""last_packets.py PORT: closes a WebSocket, and prints how many packets the
server's Close and the end of its TCP took; the fewest of several tries, since a
server that is late acknowledges with one more."""

import socket
import struct
import sys

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
SEGS_IN = 140  # in struct tcp_info


def packets(tcp):
    info = tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SEGS_IN + 4)
    return struct.unpack_from("I", info, SEGS_IN)[0]


def close_one(port):
    with socket.create_connection(("127.0.0.1", port), 10) as tcp:
        tcp.sendall(REQUEST)
        assert tcp.recv(4096).startswith(b"HTTP/1.1 101")
        before = packets(tcp)
        tcp.sendall(CLOSE)
        reply = b""
        while data := tcp.recv(4096):
            reply += data
        assert reply == b"\x88\x02\x03\xe8", reply
        return packets(tcp) - before


print(min(close_one(int(sys.argv[1])) for _ in range(10)))
