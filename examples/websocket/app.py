"""An ASGI application that sends back what it gets, and says over which version of HTTP it came."""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        return await send({"type": "lifespan.startup.complete"})
    if scope["type"] != "websocket":
        await send({"type": "http.response.start", "status": 426, "headers": []})
        return await send({"type": "http.response.body", "body": b"a WebSocket is expected\n"})
    await receive()
    if scope["path"] == "/refused":
        return await send({"type": "websocket.close"})
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    await send({"type": "websocket.send", "text": f"HTTP/{scope['http_version']}"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", **{kind: message[kind] for kind in ("text", "bytes") if message.get(kind)}})
