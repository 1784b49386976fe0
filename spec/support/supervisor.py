# Plays systemd: a notify socket whose datagrams it prints, one a line, and
# listening sockets that it hands to a program by name.
#
#   supervisor.py notify PATH          says "port 0", then a line per datagram
#   supervisor.py hand NAME=ADDRESS,… PROGRAM …    becomes the program

import os
import socket
import sys


def notify(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind("\0" + path[1:] if path.startswith("@") else path)
    print("port 0", flush=True)
    while True:
        print(sock.recv(4096).decode().replace("\n", "|"), flush=True)


def listening(address):
    if address.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(address)
    else:
        sock = socket.create_server(("127.0.0.1", int(address)))
    sock.listen(16)
    return sock


def hand(pairs, command):
    pairs = [pair.split("=") for pair in pairs.split(",")]
    socks = [listening(address) for _, address in pairs]
    # Out of the way first, for some may stand where others are to go.
    high = [os.dup2(sock.fileno(), 100 + i) for i, sock in enumerate(socks)]
    for sock in socks:
        sock.close()
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
        os.close(fd)
    os.environ["LISTEN_FDS"] = str(len(pairs))
    os.environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in pairs)
    os.environ.setdefault("LISTEN_PID", str(os.getpid()))
    os.execvp(command[0], command)


if sys.argv[1] == "notify":
    notify(sys.argv[2])
else:
    hand(sys.argv[2], sys.argv[3:])
