"""proxy.py KIND [USER:PASSWORD]: an HTTP or SOCKS5 proxy for specs.

Prints "port N", then a line for each destination that was asked for. KIND is
http, socks5, silent (takes connections and says nothing), or garbage."""

import asyncio
import base64
import sys

kind = sys.argv[1]
credentials = sys.argv[2] if len(sys.argv) > 2 else None


def say(text):
    print(text, flush=True)


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def join(host, port, reader, writer, yes):
    name = "127.0.0.1" if host.endswith(".test") else host
    other_reader, other_writer = await asyncio.open_connection(name, port)
    writer.write(yes)
    await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))


async def serve_http(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, target, _ = head.split("\r\n")[0].split(" ")
    say("%s %s" % (method, target))
    wanted = credentials and base64.b64encode(credentials.encode()).decode()
    if wanted and "Proxy-Authorization: Basic %s\r\n" % wanted not in head:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        writer.close()
        return
    host, port = target.rsplit(":", 1)
    yes = b"HTTP/1.1 200 Connection established\r\nVia: spec\r\n\r\n"
    await join(host.strip("[]"), int(port), reader, writer, yes)


async def log_in(reader, writer):
    version, length = await reader.readexactly(2)
    user = await reader.readexactly(length)
    (length,) = await reader.readexactly(1)
    password = await reader.readexactly(length)
    right = (user + b":" + password).decode() == credentials
    writer.write(b"\1\0" if right else b"\1\1")
    return right


async def serve_socks5(reader, writer):
    _, count = await reader.readexactly(2)
    offered = await reader.readexactly(count)
    wanted = 2 if credentials else 0
    if wanted not in offered:
        writer.write(b"\5\xff")
        writer.close()
        return
    writer.write(bytes([5, wanted]))
    if wanted and not await log_in(reader, writer):
        writer.close()
        return
    _, _, _, form = await reader.readexactly(4)
    if form == 1:
        host = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    say("CONNECT %s:%d as %s" % (host, port, "address" if form == 1 else "name"))
    if host == "closed.test":
        writer.write(b"\5\5\0\1\0\0\0\0\0\0")
        writer.close()
        return
    await join(host, port, reader, writer, b"\5\0\0\1\0\0\0\0\0\0")


async def serve_silent(reader, writer):
    say("came")
    await reader.read()
    say("went")


async def serve_garbage(reader, writer):
    await reader.read(1)
    writer.write(b"220 smtp.example.org ESMTP\r\n\r\n" * 4)
    writer.close()


async def serve(reader, writer):
    try:
        await globals()["serve_" + kind](reader, writer)
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    say("port %d" % server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
