"""echo_server.py [PORT]: an echo by python-websockets; prints "port N".

The path says what else: /close/CODE closes with it, /late answers after 0.2 s."""

import asyncio
import logging
import sys

import websockets

logging.disable()


async def serve(ws, path):
    if path.startswith("/close/"):
        await ws.close(int(path[7:]), "so long")
        return
    async for message in ws:
        await asyncio.sleep(0.2 if path == "/late" else 0)
        await ws.send(message)


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    async with websockets.serve(serve, "127.0.0.1", port, max_size=None,
                                subprotocols=["chat.v1"]) as server:
        print("port %d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
