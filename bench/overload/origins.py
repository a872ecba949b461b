"""Origins that serve so many requests at once, each for so long, and let the others wait in order.

    origins.py SLOTS SECONDS PORT..
"""

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nX-Origin: %d\r\nContent-Length: 2\r\n\r\nok"


async def serve(slots, seconds, reader, writer, answer):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            async with slots:
                await asyncio.sleep(seconds)
            writer.write(answer)
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def main(slots, seconds, ports):
    for port in ports:
        own, answer = asyncio.Semaphore(slots), ANSWER % port
        await asyncio.start_server(
            lambda reader, writer, own=own, answer=answer: serve(own, seconds, reader, writer, answer),
            "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
