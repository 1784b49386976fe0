"""Requests over one connection of http.client; prints "ok"."""

import hashlib
import http.client
import os
import sys

connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)


def ask(method, path, **more):
    connection.request(method, path, **more)
    answer = connection.getresponse()
    return answer.status, answer.read()


assert ask("GET", "/") == (200, b"hello")
socket = connection.sock
for _ in range(20):
    assert ask("GET", "/") == (200, b"hello")
assert ask("GET", "/empty") == (204, b"")
assert ask("HEAD", "/") == (200, b"")
body = os.urandom(5_000_000)
status, back = ask("POST", "/echo", body=body)
assert status == 200 and hashlib.sha256(back).digest() == hashlib.sha256(body).digest()
pieces = [body[i:i + 70_000] for i in range(0, len(body), 70_000)]
assert ask("POST", "/echo", body=iter(pieces), encode_chunked=True) == (200, body)
numbers = b"".join(b"%d," % i for i in range(1, 1001))
assert ask("GET", "/stream") == (200, numbers)
assert ask("GET", "/nothing")[0] == 404
assert connection.sock is socket, "the connection was not kept"
print("ok")
