"""fault_proxy.py PORT KIND SIDE BYTE: a faulty wire to 127.0.0.1:PORT.

Prints "port N", then "done" for each connection that both ends have left. It
passes bytes on unread, TLS or not. KIND, in the direction that SIDE ("up":
from the client, "down": to it) says, once BYTE bytes have passed:

  split      from there on each byte goes alone
  stall      nothing goes for 0.2 s
  blackhole  nothing goes any more, and no end is told
  fin        the sender's end is told, and what comes is dropped
  both       both get a FIN
  rst        both get a reset
  one_rst    the receiver gets a reset, the sender nothing"""

import asyncio
import socket
import struct
import sys

port, kind, side, at = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
LINGER = struct.pack("ii", 1, 0)


def reset(writer):
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    writer.transport.abort()


def end(writer):
    if writer.can_write_eof() and not writer.is_closing():
        writer.write_eof()


async def swallow(reader):
    while await reader.read(65536):
        pass


async def go_wrong(reader, writer, back, rest):
    """Returns whether bytes go on."""
    if kind == "split":
        for i in range(len(rest)):
            writer.write(rest[i:i + 1])
            await writer.drain()
            await asyncio.sleep(0)
        return True
    if kind == "stall":
        await asyncio.sleep(0.2)
        writer.write(rest)
        return True
    if kind in ("fin", "both"):
        end(writer)
    if kind == "both":
        end(back)
    if kind in ("rst", "one_rst"):
        reset(writer)
    if kind == "rst":
        reset(back)
    return False


async def pump(reader, writer, back, is_faulty):
    passed = 0
    is_over = not is_faulty
    try:
        while data := await reader.read(65536):
            good = len(data) if is_over else min(len(data), max(at - passed, 0))
            writer.write(data[:good])
            passed += good
            if good < len(data):
                if not await go_wrong(reader, writer, back, data[good:]):
                    await swallow(reader)
                    return
                is_over = kind != "split"
            await writer.drain()
        end(writer)
    except OSError:
        reset(writer)


async def serve(reader, writer):
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
    for one in (writer, up_writer):
        one.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.gather(
        pump(reader, up_writer, writer, side == "up"),
        pump(up_reader, writer, up_writer, side == "down"),
        return_exceptions=True)
    writer.close()
    up_writer.close()
    print("done", flush=True)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("port %d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
