"""deflate_peer.py client URL COUNT | server: python-websockets with every
combination of windows and take-over. A client sends COUNT random messages in each
and prints "ok"; a server prints its ports and echoes until its input ends."""

import asyncio
import itertools
import random
import sys

import websockets
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory)

WORDS = ["foo", "bar", "été", "日本", "quux", "\U0001f600"]
SIZES = [0, 1, 20, 200, 511, 512, 600, 2000, 5000, 20000]
BATCH = 20


def make_text():
    text = ""
    target = random.choice(SIZES)
    while len(text) < target:
        text += random.choice(WORDS) + str(random.randint(0, 99)) * random.randint(0, 3)
    return text


def make_message(number):
    text = make_text()
    if number % 3 == 0:
        return text.encode()
    return text


async def send(ws, message, number):
    if number % 7 == 0 and len(message) > 2:
        cut = len(message) // 3
        await ws.send([message[:cut], message[cut:]])
    else:
        await ws.send(message)


async def talk(url, factory, count):
    async with websockets.connect(
            url, compression=None, extensions=[factory], max_size=None) as ws:
        assert ws.extensions, "no extension was agreed on"
        for first in range(0, count, BATCH):
            sent = [make_message(i) for i in range(first, min(first + BATCH, count))]
            for number, message in enumerate(sent):
                await send(ws, message, number)
            for message in sent:
                assert await asyncio.wait_for(ws.recv(), 60) == message, "another message"


async def run_client(url, count):
    for alone in itertools.product((False, True), (False, True)):
        for server_bits in (None, 8, 9, 12, 15):
            for client_bits in (None, True, 9, 12, 15):
                factory = ClientPerMessageDeflateFactory(
                    *alone, server_bits, client_bits)
                await talk(url, factory, count)
    print("ok")


async def echo(ws):
    async for message in ws:
        if len(message) % 5 == 3:
            await ws.send([message[:2], message[2:]])
        else:
            await ws.send(message)


async def run_server():
    ports = []
    for alone in itertools.product((False, True), (False, True)):
        for server_bits in (None, 9, 15):
            for client_bits in (None, 9, 15):
                factory = ServerPerMessageDeflateFactory(
                    *alone, server_bits, client_bits)
                server = await websockets.serve(
                    echo, "127.0.0.1", 0, compression=None,
                    extensions=[factory], max_size=None)
                ports.append(str(server.sockets[0].getsockname()[1]))
    print(" ".join(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if sys.argv[1] == "client":
    asyncio.run(run_client(sys.argv[2], int(sys.argv[3])))
else:
    asyncio.run(run_server())
