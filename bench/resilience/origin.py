"""An origin that behaves as it is told, line by line, on its standard input; each request that arrives is a line on its output,
after a first one that says that it waits for orders.

`listen` opens the port: a process that waits for it takes another one's place at once. Then `good` (4 to 8 ms), `slow S`
(so many seconds more), `fail P` (503 at once, with this probability), `hang` (accepts, never answers), `reset`
(breaks the connection when a request has come) and `vanish` (nothing more comes from it: open connections are silent, and
new ones are not accepted, nor refused).
"""

import asyncio
import os
import random
import socket
import struct
import sys
import time

BODY = b"x" * 1024
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Origin: %d\r\nContent-Length: %d\r\n\r\n%b"
BAD = b"HTTP/1.1 503 Service Unavailable\r\nX-Origin: %d\r\nContent-Length: 0\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


class Origin:
    def __init__(self, port):
        self.port = port
        self.behaviour = ("good",)
        self.good = GOOD % (port, len(BODY), BODY)
        self.bad = BAD % port
        self.fillers = []

    async def obey(self, line):
        if line == "listen":
            loop = asyncio.get_running_loop()
            self.socket = socket.create_server(("127.0.0.1", self.port), backlog=4096)
            self.socket.setblocking(False)
            await loop.create_server(lambda: Connection(self), sock=self.socket, backlog=4096)
        else:
            self.behaviour = tuple(line.split())
        if line == "vanish":
            self.vanish()

    def vanish(self):
        """Nobody accepts any more, and the queue of the socket is short and full: the kernel drops what else comes to connect."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.socket.fileno())
        self.socket.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)


class Connection(asyncio.Protocol):
    def __init__(self, origin):
        self.origin = origin
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            self.serve(is_check=head.startswith((b"GET /check ", b"OPTIONS ")))

    def serve(self, is_check):
        if not is_check:
            os.write(1, b"%d\n" % time.monotonic_ns())
        kind, *values = self.origin.behaviour
        wait = random.uniform(0.004, 0.008)
        if kind in ("hang", "vanish"):
            return
        if kind == "reset":
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        elif kind == "fail" and random.random() < float(values[0]):
            self.transport.write(self.origin.bad)
        else:
            more = float(values[0]) if kind == "slow" else 0.0
            asyncio.get_running_loop().call_later(wait + more, self.transport.write, self.origin.good)


async def main(port):
    origin = Origin(port)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    os.write(1, b"waiting\n")
    while line := await lines.readline():
        await origin.obey(line.decode().strip())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
