"""The bench's jobs for python-websockets: python_websockets.py PORT [tls|deflate]"""

import asyncio
import logging
import ssl
import sys

import websockets

try:
    import uvloop
    uvloop.install()
except ImportError:
    pass

logging.getLogger("websockets").setLevel(logging.CRITICAL + 1)
feed = set()


async def serve(socket, path):
    if path == "/feed":
        feed.add(socket)
        try:
            await socket.wait_closed()
        finally:
            feed.discard(socket)
    elif path == "/publish":
        async for message in socket:
            websockets.broadcast(feed, message)
    else:
        async for message in socket:
            await socket.send(message)


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("build/bench/cert.pem", "build/bench/key.pem")
    return context


async def main(port, extra=""):
    async with websockets.serve(serve, "127.0.0.1", int(port), max_size=16 << 20,
                                compression="deflate" if extra == "deflate" else None,
                                ssl=tls() if extra == "tls" else None):
        await asyncio.Future()

asyncio.run(main(*sys.argv[1:]))
