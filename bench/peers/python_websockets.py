"""The bench's jobs for python-websockets: python_websockets.py PORT [deflate]"""

import asyncio
import sys

import websockets

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


async def main():
    compression = "deflate" if sys.argv[2:] == ["deflate"] else None
    async with websockets.serve(serve, "127.0.0.1", int(sys.argv[1]),
                                compression=compression, max_size=16 << 20):
        await asyncio.Future()

asyncio.run(main())
