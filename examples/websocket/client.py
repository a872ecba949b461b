"""Talks to the application through the gateway, over HTTP/1.1 and HTTP/2: prints a line for each check, exits 1 if one fails."""

import socket
import sys
import traceback

import h2.config
import h2.connection
import h2.events
import h2.settings
import websockets.exceptions
import websockets.sync.client
import wsproto.connection
import wsproto.events as frames

port = int(sys.argv[1])
LARGE = "0123456789" * 30_000


class Http1:
    """A WebSocket by HTTP/1.1's upgrade."""

    def __init__(self, host, path="/"):
        try:
            self.connection = websockets.sync.client.connect(
                f"ws://{host}{path}", sock=socket.create_connection(("127.0.0.1", port)), subprotocols=["chat"],
                open_timeout=20, compression=None, max_size=None, proxy=None, legacy=True)
        except websockets.exceptions.InvalidStatus as refused:
            self.status = refused.response.status_code
        else:
            self.status, self.subprotocol = 101, self.connection.subprotocol

    def send(self, message):
        self.connection.send(message)

    def receive(self):
        return self.connection.recv(timeout=20)

    def close(self):
        self.connection.close()
        return self.connection.close_code


class Http2:
    """A WebSocket by HTTP/2's extended CONNECT (RFC 8441)."""

    def __init__(self, host, path="/"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.frames = wsproto.connection.Connection(wsproto.connection.CLIENT)
        self.messages, self.parts, self.headers, self.ended = [], [], None, False
        self.http.initiate_connection()
        self.turn(lambda: self.http.remote_settings.enable_connect_protocol)
        self.http.send_headers(1, [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", host), (":path", path),
            ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat")])
        self.turn(lambda: self.headers is not None)
        self.status = int(self.headers[":status"])
        self.subprotocol = self.headers.get("sec-websocket-protocol")

    def turn(self, done):
        """Sends what waits, and reads until it is done."""
        self.socket.sendall(self.http.data_to_send())
        while not done():
            bytes_read = self.socket.recv(65536)
            assert bytes_read, "the gateway closed the connection"
            for event in self.http.receive_data(bytes_read):
                self.take(event)
            self.socket.sendall(self.http.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h2.events.DataReceived):
            self.http.acknowledge_received_data(event.flow_controlled_length, 1)
            # The stream may end by an empty frame of its own, after the WebSocket was closed.
            if event.data:
                self.frames.receive_data(event.data)
            for frame in self.frames.events():
                if isinstance(frame, frames.Message):
                    self.parts.append(frame.data)
                    if frame.message_finished:
                        self.messages.append(type(self.parts[0])().join(self.parts))
                        self.parts = []
                elif isinstance(frame, frames.CloseConnection):
                    self.messages.append(frame.code)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            self.ended = True

    def write(self, frame):
        data = self.frames.send(frame)
        while data:
            self.turn(lambda: self.http.local_flow_control_window(1) > 0)
            size = min(self.http.local_flow_control_window(1), self.http.max_outbound_frame_size)
            self.http.send_data(1, data[:size])
            data = data[size:]
        self.turn(lambda: True)

    def send(self, message):
        kind = frames.TextMessage if isinstance(message, str) else frames.BytesMessage
        self.write(kind(data=message))

    def receive(self):
        self.turn(lambda: self.messages)
        return self.messages.pop(0)

    def close(self):
        self.write(frames.CloseConnection(code=1000))
        return self.receive()


def talk(kind, host, version):
    connection = kind(host)
    assert connection.status == (101 if kind is Http1 else 200), connection.status
    assert connection.subprotocol == "chat", connection.subprotocol
    assert connection.receive() == f"HTTP/{version}"
    for message in ["hello", b"\x00\xff", "☺", LARGE]:
        connection.send(message)
        assert connection.receive() == message
    assert connection.close() == 1000


def refuse(kind, host, _):
    assert kind(host, "/refused").status == 403


failed = 0
for check in [talk, refuse]:
    for kind in [Http1, Http2]:
        for host, version in [("http1.example", "1.1"), ("http2.example", "2")]:
            name = f"{check.__name__} over {kind.__name__} to {host}"
            try:
                check(kind, host, version)
                print(f"ok    {name}")
            except Exception:
                failed += 1
                print(f"FAIL  {name}\n{traceback.format_exc()}")
sys.exit(1 if failed else 0)
