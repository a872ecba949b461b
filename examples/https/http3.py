"""Asks over HTTP/3, with aioquic: http3.py PORT HOST AUTHORITY METHOD PATH [LENGTH]; prints the answer as JSON."""

import asyncio
import json
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.http = H3Connection(self._quic)
        self.answer = asyncio.get_running_loop().create_future()
        self.fields, self.body = {}, b""

    def quic_event_received(self, event):
        for part in self.http.handle_event(event):
            if isinstance(part, HeadersReceived):
                self.fields.update((name.decode(), value.decode()) for name, value in part.headers)
            elif isinstance(part, DataReceived):
                self.body += part.data
            if part.stream_ended and not self.answer.done():
                self.answer.set_result(None)

    async def ask(self, host, method, path, length):
        stream = self._quic.get_next_available_stream_id()
        fields = {":method": method, ":scheme": "https", ":authority": host, ":path": path}
        if length:
            fields["content-length"] = str(length)
        encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
        self.http.send_headers(stream, encoded, end_stream=not length)
        if length:
            self.http.send_data(stream, b"a" * length, end_stream=True)
        self.transmit()
        await asyncio.wait_for(self.answer, 20)


async def main(port, host, authority, method, path, length="0"):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=host)
    configuration.load_verify_locations(authority)
    async with connect("127.0.0.1", int(port), configuration=configuration, create_protocol=Client) as client:
        await client.ask(host, method, path, int(length))
        print(json.dumps({"fields": client.fields, "body": client.body.decode()}))


asyncio.run(main(*sys.argv[1:]))
