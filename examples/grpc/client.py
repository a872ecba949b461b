"""The interoperability cases, by a client in Python: prints a line for each, and exits 1 if one fails."""

import json
import sys
import time
import traceback

import grpc

target, server = sys.argv[1:]
channel = grpc.insecure_channel(target)
TO = (("x-server", server),)
MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


def method(kind, name, service="interop.Test"):
    return getattr(channel, kind)(f"/{service}/{name}", _registered_method=False)


def call(name, request=b"", service="interop.Test", metadata=(), **options):
    return method("unary_unary", name, service)(request, metadata=(*TO, *metadata), timeout=20, **options)


def sized(size, padding=0):
    return size.to_bytes(4, "big") + bytes(padding)


def fails(code, message, begin):
    try:
        begin()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        assert message is None or error.details() == message, error.details()
    else:
        raise AssertionError(f"it did not fail with {code}")


def cancelled():
    return int(call("Cancelled"))


def reaches(count):
    deadline = time.monotonic() + 10
    while cancelled() < count:
        assert time.monotonic() < deadline, "the server did not see it"
        time.sleep(0.02)


def empty_unary():
    assert call("Empty") == b""


def large_unary():
    assert len(call("Unary", sized(314159, 271828))) == 314159


def client_streaming():
    sizes = [27182, 8, 1828, 45904]
    total = method("stream_unary", "Input")(map(bytes, sizes), metadata=TO, timeout=20)
    assert int(total) == sum(sizes)


def server_streaming():
    sizes = [31415, 9, 2653, 58979]
    answers = method("unary_stream", "Output")(json.dumps(sizes).encode(), metadata=TO, timeout=20)
    assert [len(answer) for answer in answers] == sizes


def ping_pong():
    seen = []

    def requests():
        for count, (size, padding) in enumerate([(31415, 27182), (9, 8), (2653, 1828), (58979, 45904)]):
            deadline = time.monotonic() + 20
            while len(seen) < count:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            yield sized(size, padding)

    for answer in method("stream_stream", "Both")(requests(), metadata=TO, timeout=20):
        seen.append(len(answer))
    assert seen == [31415, 9, 2653, 58979]


def empty_stream():
    assert list(method("stream_stream", "Both")(iter(()), metadata=TO, timeout=20)) == []


def custom_metadata():
    metadata = (*TO, ("x-echo-initial", "initial value"), ("x-echo-trailing-bin", b"\xab\xab\xab\x00"))
    answer, begun = method("unary_unary", "Unary").with_call(sized(3), metadata=metadata, timeout=20)
    assert len(answer) == 3
    assert ("x-echo-initial", "initial value") in [tuple(one) for one in begun.initial_metadata()]
    assert ("x-echo-trailing-bin", b"\xab\xab\xab\x00") in [tuple(one) for one in begun.trailing_metadata()]


def status_code_and_message():
    for code, message in [(grpc.StatusCode.UNKNOWN, "test status message"), (grpc.StatusCode.DATA_LOSS, "100 %")]:
        request = json.dumps({"code": code.value[0], "message": message}).encode()
        fails(code, message, lambda: call("Status", request))


def special_status_message():
    request = json.dumps({"code": 2, "message": MESSAGE}).encode()
    fails(grpc.StatusCode.UNKNOWN, MESSAGE, lambda: call("Status", request))


def unimplemented_method():
    fails(grpc.StatusCode.UNIMPLEMENTED, None, lambda: call("Nothing"))


def unimplemented_service():
    fails(grpc.StatusCode.UNIMPLEMENTED, "No route matches the request.", lambda: call("Empty", service="interop.Other"))


def unavailable():
    fails(grpc.StatusCode.UNAVAILABLE, "The backend could not be reached.", lambda: call("Empty", service="interop.Dead"))


def deadline():
    before = cancelled()
    sleep = method("unary_unary", "Sleep")
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, None, lambda: sleep(b"", metadata=TO, timeout=0.1))
    reaches(before + 1)


def cancel_after_begin():
    before = cancelled()
    begun = method("unary_unary", "Sleep").future(b"", metadata=TO, timeout=20)
    time.sleep(0.1)
    begun.cancel()
    reaches(before + 1)


def cancel_after_first_response():
    before = cancelled()
    answers = method("unary_stream", "Endless")(b"", metadata=TO, timeout=20)
    assert next(answers) == b"first"
    answers.cancel()
    reaches(before + 1)


CASES = [
    empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream, custom_metadata,
    status_code_and_message, special_status_message, unimplemented_method, unimplemented_service, unavailable, deadline,
    cancel_after_begin, cancel_after_first_response,
]
failed = 0
for case in CASES:
    try:
        case()
        print(f"ok    python to {server}: {case.__name__}")
    except Exception:
        failed += 1
        print(f"FAIL  python to {server}: {case.__name__}\n{traceback.format_exc()}")
sys.exit(1 if failed else 0)
