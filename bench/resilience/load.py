"""Requests that arrive steadily, whatever becomes of them, over kept connections; each one's fate is noted."""

import asyncio
import dataclasses
import time

PATIENCE = 5.0


@dataclasses.dataclass
class Request:
    """Times in seconds from the start; `fate`: "ok", a status, or how it broke off."""

    due: float
    sent: float = 0.0
    took: float = 0.0
    fate: str = ""
    begun: bool = False
    origin: int = 0

    @property
    def failed(self):
        return self.fate != "ok"


class Caller:
    def __init__(self, port, method="GET"):
        self.port = port
        self.head = b"%b / HTTP/1.1\r\nHost: failures.example\r\n%b\r\n" % (
            method.encode(), b"" if method == "GET" else b"Content-Length: 0\r\n")
        self.idle = []

    async def arrive(self, rate, seconds, start):
        """Gives all requests; `start`: in the loop's time, which is the monotonic clock's."""
        requests = [Request(due=i / rate) for i in range(int(rate * seconds))]
        tasks = []
        for request in requests:
            await asyncio.sleep(start + request.due - time.monotonic())
            tasks.append(asyncio.create_task(self.ask(request, start)))
        await asyncio.gather(*tasks)
        for _, writer in self.idle:
            writer.close()
        return requests

    async def ask(self, request, start):
        request.sent = time.monotonic() - start
        connection = None
        try:
            async with asyncio.timeout(PATIENCE):
                connection = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
                request.fate = await self.exchange(request, *connection)
        except TimeoutError:
            request.fate = "no answer"
        except (OSError, asyncio.IncompleteReadError):
            request.fate = "broken off" if request.begun else "closed" if connection else "not connected"
        request.took = time.monotonic() - start - request.due
        if connection is None:
            return
        if request.fate in ("no answer", "broken off", "closed"):
            connection[1].close()
        else:
            self.idle.append(connection)

    async def exchange(self, request, reader, writer):
        writer.write(self.head)
        head = await reader.readuntil(b"\r\n\r\n")
        request.begun = True
        status, fields = parse(head)
        await reader.readexactly(int(fields.get("content-length", 0)))
        request.origin = int(fields.get("x-origin", 0))
        return "ok" if status == "200" else status if request.origin else status + " by the proxy"


def parse(head):
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.split(":", 1) for line in lines if line)
    return first.split(" ")[1], {name.lower(): value.strip() for name, value in fields}
