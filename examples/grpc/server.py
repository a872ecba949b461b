"""The calls of the interoperability tests, on plain bytes: a server without generated code."""

import concurrent.futures
import json
import sys
import threading

import grpc

cancelled = 0


def echo_metadata(context):
    for name, value in context.invocation_metadata():
        if name == "x-echo-initial":
            context.send_initial_metadata([(name, value)])
        if name == "x-echo-trailing-bin":
            context.set_trailing_metadata([(name, value)])


def zeros(request):
    return bytes(int.from_bytes(request[:4], "big"))


def unary(request, context):
    echo_metadata(context)
    return zeros(request)


def status(request, context):
    wanted = json.loads(request)
    code = next(code for code in grpc.StatusCode if code.value[0] == wanted["code"])
    context.abort(code, wanted["message"])


def sleep(_, context):
    global cancelled
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(60)
    cancelled += 1
    return b""


def endless(_, context):
    global cancelled
    over = threading.Event()
    context.add_callback(over.set)
    yield b"first"
    over.wait(60)
    cancelled += 1


METHODS = {
    "Empty": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Input": grpc.stream_unary_rpc_method_handler(lambda requests, _: str(sum(map(len, requests))).encode()),
    "Output": grpc.unary_stream_rpc_method_handler(lambda request, _: (bytes(size) for size in json.loads(request))),
    "Both": grpc.stream_stream_rpc_method_handler(lambda requests, _: map(zeros, requests)),
    "Status": grpc.unary_unary_rpc_method_handler(status),
    "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
    "Endless": grpc.unary_stream_rpc_method_handler(endless),
    "Cancelled": grpc.unary_unary_rpc_method_handler(lambda *_: str(cancelled).encode()),
}

server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("interop.Test", METHODS)])
assert server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
