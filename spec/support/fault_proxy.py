"""fault_proxy.py PORT KIND:SIDE:BYTE...: a faulty wire to 127.0.0.1:PORT.

Prints "port N". Each connection has the next of the faults. Bytes are passed on
unread, TLS or not; but in the direction that SIDE ("up": from the client,
"down": to it) says, once BYTE bytes have passed:

  split      the next 2,000 bytes go one by one
  stall      nothing goes for 0.2 s
  blackhole  nothing goes any more, and no end is told
  fin        the sender's end is told, and what comes is dropped
  both       both get a FIN
  rst        both get a reset
  one_rst    the receiver gets a reset, the sender nothing"""

import asyncio
import itertools
import socket
import struct
import sys

port = int(sys.argv[1])
faults = itertools.cycle(word.split(":") for word in sys.argv[2:])
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


async def go_wrong(kind, writer, back, rest):
    """Returns whether bytes go on."""
    if kind == "split":
        for i in range(min(len(rest), 2000)):
            writer.write(rest[i:i + 1])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(rest[2000:])
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


async def pump(reader, writer, back, kind, at):
    passed = 0
    try:
        while data := await reader.read(65536):
            good = min(len(data), max(at - passed, 0)) if kind else len(data)
            writer.write(data[:good])
            passed += good
            if good < len(data):
                if not await go_wrong(kind, writer, back, data[good:]):
                    await swallow(reader)
                    return
                kind = None
            await writer.drain()
        end(writer)
    except OSError:
        reset(writer)


async def serve(reader, writer):
    kind, side, at = next(faults)
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
    for one in (writer, up_writer):
        one.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.gather(
        pump(reader, up_writer, writer, side == "up" and kind, int(at)),
        pump(up_reader, writer, up_writer, side == "down" and kind, int(at)),
        return_exceptions=True)
    writer.close()
    up_writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("port %d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
