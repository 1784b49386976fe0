"""echo_client.py URL: python-websockets against an echo; prints "ok" at the end."""

import asyncio
import sys

import websockets

LENGTHS = (0, 1, 125, 126, 127, 65535, 65536, 300000)


async def talk(url):
    async with websockets.connect(url, max_size=None, compression=None) as ws:
        for length in LENGTHS:
            await ws.send("é" * length)
            assert await ws.recv() == "é" * length, "text of %d" % length
            await ws.send(b"\xff" * length)
            assert await ws.recv() == b"\xff" * length, "binary of %d" % length
        await ws.send(["frag", "men", "ted"])
        assert await ws.recv() == "fragmented"
        await asyncio.wait_for(await ws.ping(), 5)
        for number in range(1000):
            await ws.send(str(number))
        for number in range(1000):
            assert await ws.recv() == str(number), "order"
        await ws.close(4321, "done")
    assert ws.close_code == 4321, ws.close_code


async def crowd(url, size):
    await asyncio.gather(*(talk(url) for _ in range(size)))


asyncio.run(asyncio.wait_for(crowd(sys.argv[1], 8), 60))
print("ok")
