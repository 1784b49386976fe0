"""keyboard.py STEPS COMMAND...: runs a command on a terminal of its own.

STEPS is a Python list of pairs: what to wait for on the screen, and what to type
then. Prints all that the terminal was sent, and the exit status; 97 when it
waited in vain."""

import ast
import os
import pty
import select
import sys
import time

steps = ast.literal_eval(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

seen = b""
at = 0
deadline = time.monotonic() + 30


def read_more():
    global seen
    ready, _, _ = select.select([fd], [], [], 0.5)
    if not ready:
        return True
    try:
        data = os.read(fd, 65536)
    except OSError:
        return False
    seen += data
    return bool(data)


is_alive = True
for wanted, typed in steps:
    while is_alive and (found := seen.find(wanted.encode(), at)) < 0:
        if time.monotonic() > deadline:
            sys.stdout.buffer.write(seen + b"\nwaited in vain for " + wanted.encode())
            os.kill(pid, 9)
            sys.exit(97)
        is_alive = read_more()
    if is_alive:
        at = found + len(wanted.encode())
        os.write(fd, typed.encode())
while is_alive and time.monotonic() < deadline:
    is_alive = read_more()
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(status) % 256)
